//! What can be said of a dashboard without asking anything.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::dashboard::{Dashboard, all, list, substitute, text};

/// What Grafana itself gives values to.
const BUILT_IN: [&str; 4] = [
    "__rate_interval",
    "__range",
    "__url_time_range",
    "datasource:queryparam",
];

/// Panels that every Grafana has.
const KINDS: [&str; 3] = ["stat", "timeseries", "table"];

#[test]
fn every_panel_has_a_place_a_meaning_and_a_unit_of_its_own() {
    for dashboard in all() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in dashboard.panels() {
            let place = format!("{}/{}", dashboard.name, text(&panel["title"]));
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{place}: its id is taken"
            );
            assert!(
                KINDS.contains(&text(&panel["type"])),
                "{place}: {}",
                panel["type"]
            );
            assert!(
                text(&panel["description"]).ends_with('.'),
                "{place} has no description"
            );
            let unit = &panel["fieldConfig"]["defaults"]["unit"];
            assert!(!text(unit).is_empty(), "{place} has no unit");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= 24, "{place} is not on the grid");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{place} covers another panel at {cell:?}");
            }
            let targets = list(&panel["targets"]);
            let refs: BTreeSet<_> = targets.iter().map(|target| text(&target["refId"])).collect();
            assert!(
                !targets.is_empty() && refs.len() == targets.len(),
                "{place}: {refs:?}"
            );
        }
    }
}

#[test]
fn all_data_is_from_the_source_that_is_chosen() {
    fn check(place: &str, json: &Json) {
        match json {
            Json::Object(fields) => {
                if let Some(source) = fields.get("datasource") {
                    assert_eq!(source["type"], "prometheus", "{place}");
                    assert_eq!(source["uid"], "${datasource}", "{place}");
                }
                fields.values().for_each(|field| check(place, field));
            }
            Json::Array(entries) => entries.iter().for_each(|entry| check(place, entry)),
            _ => {}
        }
    }
    for dashboard in all() {
        check(&dashboard.name, &dashboard.json);
        for asked in dashboard.panels().iter().chain(dashboard.variables()) {
            assert!(asked["datasource"].is_object(), "{}: {asked}", dashboard.name);
        }
    }
}

#[test]
fn variables_are_declared_and_used_and_links_lead_to_dashboards() {
    let dashboards = all();
    let uids: BTreeSet<_> = dashboards.iter().map(|one| text(&one.json["uid"])).collect();
    assert_eq!(uids.len(), dashboards.len());
    let variable =
        |dashboard: &Dashboard, name: &str| dashboard.variables().any(|variable| variable["name"] == name);
    for dashboard in &dashboards {
        let name = &dashboard.name;
        assert!(list(&dashboard.json["tags"]).contains(&"alumet".into()), "{name}");
        let mut used = BTreeSet::new();
        let exprs = dashboard.queries().into_iter().map(|query| query.expr);
        let choices = dashboard
            .variables()
            .map(|variable| text(&variable["query"]["query"]).to_owned());
        for expr in exprs.chain(choices) {
            substitute(&expr, |found| {
                let is_known = BUILT_IN.contains(&found) || variable(dashboard, found);
                assert!(is_known, "{name}: ${found} in {expr}");
                used.insert(found.to_owned());
                String::new()
            });
        }
        for declared in dashboard.variables() {
            assert!(used.contains(text(&declared["name"])), "{name}: {declared}");
        }
        let links = dashboard
            .panels()
            .iter()
            .map(|panel| &panel["fieldConfig"]["defaults"]["links"]);
        for link in links.flat_map(list) {
            let url = text(&link["url"]);
            let (uid, query) = url
                .strip_prefix("/d/")
                .and_then(|rest| rest.split_once('?'))
                .unwrap();
            let there = dashboards.iter().find(|one| one.json["uid"] == uid);
            let there = there.unwrap_or_else(|| panic!("{name}: {url} leads nowhere"));
            for (set, _) in query
                .split('&')
                .filter_map(|part| part.strip_prefix("var-")?.split_once('='))
            {
                assert!(
                    variable(there, set),
                    "{name}: {url} sets what {} has not",
                    there.name
                );
            }
        }
    }
}
