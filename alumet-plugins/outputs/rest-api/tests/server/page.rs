//! The page: its files, and people who use it. Pictures of every view are left in `target/tmp/page`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::time::{Clock, SystemClock};
use alumet_core::unit::Unit;
use alumet_core::value::ValueType;
use alumet_core::{Attributes, Consumer, Resource, Timestamp};
use alumet_shared_output_testkit::find;
use alumet_shared_query::Identity;

use crate::rig::{Server, config};

/// How long ago the samples begin, in seconds, and how long after each other they are.
const PAST: i64 = 4000;
const INTERVAL: i64 = 10;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("page")
}

#[test]
fn every_file_of_the_page_is_served_as_it_is() {
    let server = Server::start(config());
    let mut folders = vec![page()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(page()).unwrap().to_str().unwrap();
            match name {
                "tests" => {}
                _ if path.is_dir() => folders.push(path),
                _ => {
                    let at = match name {
                        "index.html" => "/".to_owned(),
                        _ => format!("/page/{name}"),
                    };
                    let answer = server.get(&at);
                    assert_eq!(answer.status(), 200, "{at}");
                    assert_eq!(answer.body, fs::read(&path).unwrap(), "{at}");
                    let is_script = answer
                        .header("content-type")
                        .unwrap()
                        .starts_with("text/javascript");
                    assert_eq!(is_script, name.ends_with(".js"), "{at}");
                    files += 1;
                }
            }
        }
    }
    assert!(files > 20);
}

#[test]
fn a_browser_that_has_a_file_of_the_page_does_not_get_it_again() {
    let server = Server::start(config());
    let first = server.get("/page/main.js");
    let tag = first.header("etag").unwrap();
    let again = server.ask("GET /page/main.js", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((again.status(), again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag));
    assert_ne!(server.get("/").header("etag"), Some(tag));
}

#[test]
fn the_page_is_compressed_and_may_run_nothing_but_its_own_files() {
    let server = Server::start(config());
    let answer = server.ask("GET /", "Accept-Encoding: gzip\r\n");
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[test]
fn people_use_every_control_of_the_page() {
    use_it("check.mjs", &Server::start(config()));
}

#[test]
fn the_page_shows_what_the_api_answers() {
    let server = Server::start(config());
    fill(&server);
    use_it("real.mjs", &server);
}

/// Runs a script that drives a browser.
fn use_it(script: &str, server: &Server) {
    let (Some(node), Some(chromium)) = (
        find("node", "apt-get install nodejs"),
        find("chromium", "apt-get install chromium"),
    ) else {
        return;
    };
    let output = Command::new(node)
        .arg(page().join("tests").join(script))
        .arg(format!("http://127.0.0.1:{}/", server.port))
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("page"))
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaints}");
}

/// Two nodes that draw 120 W each, a GPU that draws 300 W, and who used it.
fn fill(server: &Server) {
    let slice = "/kubepods.slice/kubepods-pod1.slice";
    let group = |path: &str| Consumer::ControlGroup { path: path.into() };
    let pod = [("node", "n1"), ("namespace", "shop"), ("name", "web-1")];
    let container = [
        ("node", "n1"),
        ("namespace", "shop"),
        ("name", "web-1"),
        ("container", "app"),
    ];
    let java = Consumer::Process { pid: 77 };
    let python = Consumer::Process { pid: 78 };
    let of_job = "/system.slice/slurmstepd.scope/job_7";
    let job = [("node", "n2"), ("job_id", "7"), ("job_name", "training")];
    let of_container = format!("{slice}/app.scope");
    let of_java = [
        ("node", "n1"),
        ("name", "java"),
        ("cgroup", of_container.as_str()),
    ];
    let of_python = [("node", "n2"), ("name", "python3"), ("cgroup", of_job)];
    let card = || Resource::Gpu {
        bus_id: "0000:65:00.0".into(),
    };
    for node in ["n1", "n2"] {
        for (domain, watts) in [("package_total", 100.0), ("dram_total", 20.0)] {
            let attributes = [("node", node), ("domain", domain)];
            let series = joules(
                "rapl_consumed_energy",
                Resource::LocalMachine,
                Consumer::LocalMachine,
                &attributes,
            );
            push(server, &series, watts * INTERVAL as f64);
        }
        let idle = [("node", node), ("part", "idle")];
        let series = joules(
            "attributed_energy",
            Resource::LocalMachine,
            Consumer::LocalMachine,
            &idle,
        );
        push(server, &series, 50.0 * INTERVAL as f64);
    }
    let gpu = [("node", "n2"), ("model", "H100")];
    let energy = joules("nvml_energy_consumption", card(), Consumer::LocalMachine, &gpu);
    push(server, &energy, 300.0 * INTERVAL as f64);
    for (consumer, attributes, watts) in [
        (group(slice), &pod[..], 40.0),
        (group(&of_container), &container, 30.0),
        (java, &of_java, 15.0),
        (group(of_job), &job, 20.0),
        (python.clone(), &of_python, 18.0),
    ] {
        let series = joules("attributed_energy", Resource::LocalMachine, consumer, attributes);
        push(server, &series, watts * INTERVAL as f64);
    }
    let on_card = [("node", "n2"), ("process_name", "python3"), ("cgroup", of_job)];
    let series = joules("attributed_gpu_energy", card(), python, &on_card);
    push(server, &series, 250.0 * INTERVAL as f64);
    for (name, unit, kind, value) in [
        ("nvml_gpu_utilization", Unit::PERCENT, None, 87.0),
        ("nvml_instant_power", Unit::WATT.milli(), None, 300_000.0),
        ("nvml_temperature_gpu", Unit::CELSIUS, None, 61.0),
        (
            "nvml_gpu_memory_info",
            Unit::BYTE,
            Some("used"),
            40.0 * 2_f64.powi(30),
        ),
        (
            "nvml_gpu_memory_info",
            Unit::BYTE,
            Some("total"),
            80.0 * 2_f64.powi(30),
        ),
    ] {
        let mut attributes = gpu.to_vec();
        attributes.extend(kind.map(|kind| ("kind", kind)));
        let series = Identity {
            metric: metric(name, MetricKind::Gauge, unit),
            ..joules(name, card(), Consumer::LocalMachine, &attributes)
        };
        push(server, &series, value);
    }
}

fn joules(
    name: &'static str,
    resource: Resource,
    consumer: Consumer,
    attributes: &[(&'static str, &str)],
) -> Identity {
    Identity {
        metric: metric(name, MetricKind::Delta, Unit::JOULE),
        resource,
        consumer,
        attributes: attributes.iter().fold(Attributes::EMPTY, |all, (key, value)| {
            all.with(*key, (*value).to_owned())
        }),
    }
}

fn metric(name: &'static str, kind: MetricKind, unit: Unit) -> Arc<Metric> {
    Arc::new(Metric {
        name: name.into(),
        kind,
        value_type: ValueType::F64,
        unit,
        description: "".into(),
        quality: Quality::Measured,
    })
}

/// The same value again and again, until now.
fn push(server: &Server, series: &Identity, value: f64) {
    let now = SystemClock.now().wall.as_nanos();
    for ago in (0..=PAST / INTERVAL).rev() {
        let at = Timestamp::from_nanos(now - ago * INTERVAL * 1_000_000_000);
        server.list.push(series, at, value);
    }
}
