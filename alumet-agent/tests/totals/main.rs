//! One agent with all outputs at the same time: what they say of each series is the same.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

mod read_back;
mod summing;

use std::process::{Command, ExitCode};

use alumet_agent::App;
use alumet_core::metric::MetricKind;
use alumet_plugin_csv::CsvPlugin;
use alumet_plugin_elasticsearch::ElasticsearchPlugin;
use alumet_plugin_influxdb::InfluxdbPlugin;
use alumet_plugin_mongodb::MongodbPlugin;
use alumet_plugin_opentelemetry::OpentelemetryPlugin;
use alumet_plugin_prometheus_exporter::PrometheusExporterPlugin;
use alumet_shared_output_testkit::{Program, free_port, server_of, table, until};

use read_back::Totals;
use summing::{POLLS, SummingPlugin, sorts};

/// How much of each series a server has.
type ReadBack = fn(&Program) -> Totals;

/// Says to the test below that it is the agent: the arguments, one per line.
const ARGUMENTS: &str = "ALUMET_TOTALS_ARGUMENTS";

#[test]
#[ignore = "the other test starts it"]
fn summing_agent() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let code = App::new("summing-agent", "1", "Writes the same to all outputs.")
        .plugin::<SummingPlugin>()
        .plugin::<CsvPlugin>()
        .plugin::<ElasticsearchPlugin>()
        .plugin::<InfluxdbPlugin>()
        .plugin::<MongodbPlugin>()
        .plugin::<OpentelemetryPlugin>()
        .plugin::<PrometheusExporterPlugin>()
        .main_with(arguments.split('\n').map(Into::into));
    assert_eq!(code, ExitCode::SUCCESS);
}

fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

#[test]
fn all_outputs_have_the_same_number_of_samples_and_the_same_sums_of_each_series() {
    let exporter = free_port();
    let outputs: [(&str, ReadBack); 4] = [
        ("elasticsearch", read_back::victoria_logs),
        ("influxdb", read_back::influxdb),
        ("mongodb", read_back::mongodb),
        ("opentelemetry", read_back::rotel),
    ];
    let servers: Vec<_> = outputs
        .into_iter()
        .filter_map(|(output, read)| Some((output, server_of(output)?, read)))
        .collect();
    let mut text =
        "pipeline.self_metrics = '0s'\n[plugins.summing]\n[plugins.csv]\noutput_path = 'out.csv'\n"
            .to_owned();
    text += &table("prometheus-exporter", exporter);
    for (output, server, _) in &servers {
        text += &table(output, server.port());
    }
    let mut agent = Program::start(exporter, |folder| {
        std::fs::write(folder.join("agent.toml"), text).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "summing_agent", "--ignored", "--nocapture"])
            .env(ARGUMENTS, "summing-agent\n--config\nagent.toml\nrun");
        command
    });
    // All samples of a poll are in the exposition at once.
    let last = sorts().pop().unwrap();
    let sum = (0..POLLS).map(|poll| last.value(poll).as_f64()).sum::<f64>() * last.base;
    until("all polls are exposed", || {
        let shown = read_back::exposition(exporter).get(&last.number).copied();
        shown.is_some_and(|shown| is_same(shown, sum))
    });
    let exposition = read_back::exposition(exporter);
    let has_succeeded = agent.end().success();
    let log = agent.log();
    assert!(has_succeeded, "{log}");

    let all = sorts().len() as u64 * POLLS;
    let samples = |totals: &Totals| totals.values().map(|(count, _)| count).sum::<u64>();
    let mut found = vec![("csv", read_back::csv(&agent.folder().join("out.csv")))];
    for (output, server, read) in &servers {
        // Some show it a little later.
        until(output, || samples(&read(server)) >= all);
        found.push((output, read(server)));
    }
    for sort in sorts() {
        let value = |poll| sort.value(poll).as_f64();
        let sum: f64 = (0..POLLS).map(value).sum();
        for (output, totals) in &found {
            let (count, total) = totals.get(&sort.number).copied().unwrap_or_default();
            assert_eq!(count, POLLS, "{output}: {sort:?}\n{log}");
            assert!(is_same(total, sum), "{output}: {total} and not {sum}: {sort:?}");
        }
        let shown = match sort.kind {
            MetricKind::Gauge => value(POLLS - 1),
            _ => sum,
        };
        let exposed = exposition.get(&sort.number).copied().unwrap_or_default();
        let shown = shown * sort.base;
        assert!(
            is_same(exposed, shown),
            "{exposed} is exposed and not {shown}: {sort:?}"
        );
    }
}
