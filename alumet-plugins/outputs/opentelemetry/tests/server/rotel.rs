//! A real collector, Rotel, over both transports.

use std::path::PathBuf;
use std::process::Command;

use alumet_core::output::Receipt;
use alumet_core::testkit::{Bench, ManualClock};
use alumet_plugin_opentelemetry::{Config, OpentelemetryPlugin, Protocol};
use alumet_shared_http_delivery::Compression;
use alumet_shared_output_testkit::{Program, find, free_port, samples_of_every_sort, until};

use crate::collector::config;

/// The program, which is inside of the Python module.
fn program() -> Option<PathBuf> {
    let question = "import os, rotel; print(os.path.join(rotel.__path__[0], 'rotel-agent'))";
    let answer = Command::new("python3").args(["-c", question]).output().ok()?;
    let inside = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
    match inside.is_file() {
        true => Some(inside),
        false => find("rotel-agent", "pip install --pre rotel"),
    }
}

#[test]
fn a_real_collector_takes_every_sort_of_sample() {
    let Some(program) = program() else { return };
    let (grpc, http) = (free_port(), free_port());
    let rotel = Program::start(grpc, |folder| {
        let mut command = Command::new(program);
        command
            .args(["start", "--exporter", "blackhole"])
            .args(["--debug-log", "metrics", "--debug-log-verbosity", "detailed"])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .arg("--pid-file")
            .arg(folder.join("pid"));
        command
    });
    for (protocol, port) in [(Protocol::Grpc, grpc), (Protocol::Http, http)] {
        for compression in [Compression::None, Compression::Gzip] {
            let mut config = Config {
                suffix: format!("_{protocol:?}_{compression:?}"),
                ..config(protocol, port)
            };
            config.http.compression = compression;
            let suffix = config.suffix.clone();
            let mut bench = Bench::start::<OpentelemetryPlugin>(config, "/").unwrap();
            let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
            let receipt = bench.deliver(0, batch).unwrap();
            assert_ne!(receipt, Receipt::all());
            for metric in ["gauge_u64", "delta_f64", "counter_i64", "in_mJ", "texts"] {
                let name = format!("{metric}{suffix}");
                until(&name, || rotel.log().contains(&name));
            }
        }
    }
}
