//! A real Prometheus has the same samples, and gives the same answers.

use std::fs;
use std::process::Command;
use std::time::Instant;

use alumet_shared_output_testkit::{LONG, Program, find, free_port};
use serde_json::Value as Json;

use crate::data::{START, data};
use crate::rig::{Server, get, percent};

const EXPRESSIONS: &[&str] = &[
    "1",
    "-2 ^ 2",
    "2 ^ 3 ^ 2",
    "1 + 2 * 3 - 4 / 8 % 3",
    "1 == bool 2",
    "Inf - Inf",
    "0x10 + 1e3 + .5",
    "\"text\"",
    "time()",
    "vector(1)",
    "scalar(power_used_alumet_watts{resource_id=\"0\"})",
    "scalar(power_used_alumet_watts)",
    "1 atan2 vector(2)",
    "energy_alumet_joules_total",
    "power_used_alumet_watts",
    "calls_alumet_total",
    "odd_alumet",
    "odd_alumet * 2",
    "-odd_alumet",
    "no_such_thing",
    "{__name__=~\".*_alumet_.*\"}",
    "{__name__=~\"calls.*|odd.*\", node!=\"n0\"}",
    "energy_alumet_joules_total{node=\"n1\"}",
    "energy_alumet_joules_total{node=~\"n1|n2\", job_id!=\"10\"}",
    "energy_alumet_joules_total{resource_consumer_id!~\".+\"}",
    "power_used_alumet_watts{metric_quality=\"modelled\", a_b=\"x\\\"y\"}",
    "power_used_alumet_watts{a_b=''}",
    "power_used_alumet_watts{resource_consumer_id=\"\"}",
    "power_used_alumet_watts offset 5m",
    "power_used_alumet_watts offset -5m",
    "power_used_alumet_watts @ 1700003000.5",
    "energy_alumet_joules_total @ end()",
    "rate(energy_alumet_joules_total[5m] @ start())",
    "power_used_alumet_watts @ 1700003000 offset 1h",
    "rate(energy_alumet_joules_total[1m])",
    "rate(energy_alumet_joules_total[5m])",
    "rate(energy_alumet_joules_total[1h])",
    "rate(energy_alumet_joules_total[15s])",
    "rate(calls_alumet_total[5m])",
    "rate(calls_alumet_total[10m] offset 3m)",
    "increase(energy_alumet_joules_total[5m])",
    "increase(calls_alumet_total[20m])",
    "irate(energy_alumet_joules_total[5m])",
    "irate(calls_alumet_total[5m])",
    "delta(power_used_alumet_watts[5m])",
    "avg_over_time(power_used_alumet_watts[5m])",
    "min_over_time(power_used_alumet_watts[5m])",
    "max_over_time(power_used_alumet_watts[5m])",
    "sum_over_time(power_used_alumet_watts[5m])",
    "count_over_time(power_used_alumet_watts[5m])",
    "count_over_time(energy_alumet_joules_total[5m])",
    "last_over_time(power_used_alumet_watts[5m])",
    "last_over_time(energy_alumet_joules_total[5m])",
    "max_over_time(energy_alumet_joules_total[5m])",
    "present_over_time(power_used_alumet_watts[30s])",
    "quantile_over_time(0.3, power_used_alumet_watts[5m])",
    "quantile_over_time(2, power_used_alumet_watts[5m])",
    "quantile_over_time(0.5, odd_alumet[5m])",
    "min_over_time(odd_alumet[2m])",
    "max_over_time(odd_alumet[2m])",
    "sum(power_used_alumet_watts)",
    "sum by (node) (power_used_alumet_watts)",
    "sum(rate(energy_alumet_joules_total[5m])) by (node, job_id,)",
    "avg without (resource_id, resource_consumer_id, node) (power_used_alumet_watts)",
    "min by (job_id) (power_used_alumet_watts)",
    "max(odd_alumet) by (nothing)",
    "count(power_used_alumet_watts) by (resource_consumer_kind)",
    "group by (__name__, node) ({__name__=~\"calls.*|odd.*\"})",
    "quantile by (node) (0.9, power_used_alumet_watts)",
    "topk(2, power_used_alumet_watts)",
    "topk by (node) (1, power_used_alumet_watts)",
    "bottomk(3, rate(energy_alumet_joules_total[5m]))",
    "topk(0, power_used_alumet_watts)",
    "topk(scalar(count(power_used_alumet_watts)) - 4, power_used_alumet_watts)",
    "sort(power_used_alumet_watts)",
    "sort_desc(rate(energy_alumet_joules_total[5m]))",
    "power_used_alumet_watts > 50",
    "50 < power_used_alumet_watts",
    "power_used_alumet_watts >= bool 50",
    "power_used_alumet_watts / 2 + 1",
    "100 - power_used_alumet_watts",
    "power_used_alumet_watts % 7 ^ 2",
    "rate(energy_alumet_joules_total[5m]) / ignoring(metric_quality) power_used_alumet_watts",
    "rate(energy_alumet_joules_total[5m]) - on(resource_id) power_used_alumet_watts",
    "power_used_alumet_watts > on(resource_id) rate(energy_alumet_joules_total[5m])",
    "power_used_alumet_watts > bool on(resource_id) rate(energy_alumet_joules_total[5m])",
    "power_used_alumet_watts / on(node) group_left sum by (node) (power_used_alumet_watts)",
    "count by (node) (odd_alumet) * on(node) group_right() power_used_alumet_watts",
    "odd_alumet * on(resource_id) group_left(job_id, metric_quality) power_used_alumet_watts",
    "power_used_alumet_watts and on(node) odd_alumet",
    "power_used_alumet_watts unless on(node) odd_alumet",
    "power_used_alumet_watts > 100 or power_used_alumet_watts < 0 or odd_alumet",
    "sum by (node) (odd_alumet) or vector(7)",
    "abs(power_used_alumet_watts)",
    "ceil(power_used_alumet_watts)",
    "floor(-power_used_alumet_watts)",
    "round(power_used_alumet_watts)",
    "round(power_used_alumet_watts, 0.5)",
    "clamp(power_used_alumet_watts, 0, 100)",
    "clamp(power_used_alumet_watts, 5, 1)",
    "clamp_min(odd_alumet, 0)",
    "clamp_max(odd_alumet, 3)",
    "sgn(power_used_alumet_watts)",
    "sqrt(abs(odd_alumet)) + exp(odd_alumet) + ln(odd_alumet) + log2(odd_alumet) + log10(odd_alumet)",
    "timestamp(energy_alumet_joules_total)",
    "timestamp(energy_alumet_joules_total + 1)",
    "absent(power_used_alumet_watts)",
    "absent(no_such_thing{node=\"n1\", job_id=~\"1.*\"})",
    "# a comment\nsum # another\n(power_used_alumet_watts)",
];

/// A Prometheus that has these samples.
fn prometheus(text: &str) -> Option<(Program, u16)> {
    let program = find("prometheus", "apt-get install prometheus")?;
    let promtool = find("promtool", "apt-get install prometheus")?;
    let port = free_port();
    let program = Program::start(port, |folder| {
        let (samples, blocks) = (folder.join("samples"), folder.join("data"));
        fs::write(&samples, text).unwrap();
        let made = Command::new(promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&samples, &blocks])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(folder.join("prometheus.yml"), "{}").unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", blocks.display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command
    });
    let started = Instant::now();
    // Until it has read its blocks, it answers something else.
    while get_text(port, "/-/ready") != 200 {
        assert!(started.elapsed() < LONG, "Prometheus is not ready");
    }
    Some((program, port))
}

fn get_text(port: u16, path: &str) -> u16 {
    use std::io::{Read, Write};
    std::thread::sleep(std::time::Duration::from_millis(50));
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Whether both are the same but for what rounding does to numbers, which are texts.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::String(one), Json::String(other)) if one != other => {
            let (Ok(one), Ok(other)) = (one.parse::<f64>(), other.parse::<f64>()) else {
                return false;
            };
            (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1e-3)
        }
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let has =
                |(key, value): (&String, &Json)| other.get(key).is_some_and(|other| is_same(value, other));
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}

/// The answer with its series in one order, unless the order means something.
fn in_order(mut answer: Json, keeps_order: bool) -> Json {
    if let Some(series) = answer["data"]["result"].as_array_mut()
        && !keeps_order
    {
        series.sort_by_key(|series| series["metric"].to_string());
    }
    answer
}

#[test]
fn every_expression_has_the_value_that_prometheus_gives_it() {
    let (listed, text) = data();
    let Some((_program, port)) = prometheus(&text) else {
        return;
    };
    let server = Server::start(listed, Default::default());
    let mut wrong = Vec::new();
    let mut compared = 0;
    for expression in EXPRESSIONS {
        let query = percent(expression);
        let is_sorted = ["sort", "topk(", "bottomk("]
            .iter()
            .any(|word| expression.starts_with(word));
        let mut paths: Vec<(String, bool)> = [30, 1000, 3600, 4100, 7300]
            .map(|after| (format!("query?query={query}&time={}", START + after), is_sorted))
            .into();
        for (from, until, step) in [(0, 7200, 60), (-600, 1800, 15), (5000, 9000, 113)] {
            let (start, end) = (START + from, START + until);
            let path = format!("query_range?query={query}&start={start}&end={end}&step={step}");
            paths.push((path, false));
        }
        for (path, keeps_order) in paths {
            let theirs = get(port, &format!("/api/v1/{path}"));
            let ours = server.get(&path);
            if theirs.0 != 200 {
                // A text has no value over time, and NaN is no number of series.
                if theirs.0 != ours.0 {
                    wrong.push(format!("{expression}\n  {path}\n  {}\n  {}", theirs.1, ours.1));
                }
                continue;
            }
            compared += 1;
            let [theirs, ours] = [theirs.1, ours.1].map(|answer| in_order(answer, keeps_order));
            if !is_same(&theirs, &ours) {
                wrong.push(format!(
                    "{expression}\n  {path}\n  {}\n  {}",
                    cut(&theirs),
                    cut(&ours)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 8 * 100);
}

fn cut(answer: &Json) -> String {
    answer["data"]["result"].to_string().chars().take(1500).collect()
}

#[test]
fn what_there_is_has_the_names_that_prometheus_gives_it() {
    let (listed, text) = data();
    let Some((_program, port)) = prometheus(&text) else {
        return;
    };
    let server = Server::start(listed, Default::default());
    let time = format!("start={START}&end={}", START + 7200);
    let some = percent("{node=\"n1\", resource_consumer_kind=\"process\"}");
    let other = percent("odd_alumet");
    for path in [
        format!("labels?{time}"),
        format!("labels?{time}&match[]={some}"),
        format!("label/__name__/values?{time}"),
        format!("label/job_id/values?{time}&match[]={some}&match[]={other}"),
        format!("label/resource_consumer_id/values?{time}"),
        format!("label/nothing/values?{time}"),
        format!("series?{time}&match[]={some}&match[]={other}"),
    ] {
        let (theirs, ours) = (get(port, &format!("/api/v1/{path}")), server.get(&path));
        let sorted = |(status, mut answer): (u16, Json)| {
            if let Some(data) = answer["data"].as_array_mut() {
                data.sort_by_key(Json::to_string);
            }
            (status, answer)
        };
        assert_eq!(sorted(ours), sorted(theirs), "{path}");
    }
}
