//! What the queries show.

use std::time::{Duration, Instant};

use crate::alerts::all_are_quiet;
use crate::api::{Api, Choice};
use crate::dashboard::{all, text};
use crate::machine::{CPU_WATTS, GPU_WATTS};
use crate::rig::Rig;

/// How long it may take until all is shown: energy is shared 20 s after the start, and windows must be full.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the API of the server does not have, and why.
const NOT_STORED: [(&str, &str); 2] = [
    (
        "pipeline-health/",
        "the numbers of the programs about themselves are at the address in `health`",
    ),
    (
        "node-energy/Power of the whole machine",
        "no management controller is simulated, only what an exporter shows of it",
    ),
];

/// Panels whose sum is known, because the machine of the test says what it draws.
const SUMS: [(&str, f64); 5] = [
    ("node-energy/Power", CPU_WATTS + GPU_WATTS),
    ("node-energy/Power by node", CPU_WATTS),
    ("node-energy/Power of graphics processors by node", GPU_WATTS),
    ("node-energy/Where the power goes", CPU_WATTS),
    ("gpu/Power", GPU_WATTS),
];

/// What is wrong with the dashboards.
fn faults(api: &Api, is_stored: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for dashboard in all() {
        let is_exempt =
            |place: &str| is_stored && NOT_STORED.iter().any(|(start, _)| place.starts_with(start));
        for choice in [Choice::All, Choice::First] {
            let chosen = match api.choose(&dashboard, choice) {
                Ok(chosen) => chosen,
                Err(_) if is_exempt(&format!("{}/", dashboard.name)) => Vec::new(),
                Err(error) => {
                    faults.push(error);
                    continue;
                }
            };
            for query in dashboard.queries() {
                let fault = match api.values(&query, &chosen) {
                    Ok(values) if values.iter().any(|value| value.is_finite()) => continue,
                    Ok(_) if is_exempt(&query.place) => continue,
                    Ok(values) => format!("{values:?}"),
                    Err(error) => error,
                };
                faults.push(format!(
                    "{} with {choice:?}: {}\n    {fault}",
                    query.place, query.expr
                ));
            }
            for panel in dashboard.panels() {
                let place = format!("{}/{}", dashboard.name, text(&panel["title"]));
                let Some((_, expected)) = SUMS.iter().find(|(panel, _)| *panel == place) else {
                    continue;
                };
                let queries = dashboard
                    .queries()
                    .into_iter()
                    .filter(|query| query.place == place);
                let values = queries
                    .filter_map(|query| api.values(&query, &chosen).ok())
                    .flatten();
                let sum: f64 = values.sum();
                if (sum - expected).abs() > 0.15 * expected {
                    faults.push(format!("{place} with {choice:?}: {sum} W and not {expected} W"));
                }
            }
        }
    }
    faults
}

#[test]
fn every_query_shows_what_real_programs_measure() {
    let Some(rig) = Rig::start() else { return };
    let prometheus = Api {
        port: rig.prometheus,
        path: "",
    };
    let store = Api {
        port: rig.api,
        path: "/prometheus",
    };
    let late = Instant::now() + PATIENCE;
    loop {
        let mut left = faults(&prometheus, false);
        left.extend(all_are_quiet(&prometheus));
        let of_store = faults(&store, true);
        left.extend(
            of_store
                .into_iter()
                .map(|fault| format!("the server's own API: {fault}")),
        );
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < late, "{}", left.join("\n"));
        std::thread::sleep(Duration::from_secs(1));
    }
}
