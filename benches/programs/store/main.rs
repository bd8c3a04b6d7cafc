//! What the store costs: `cargo run --release -p alumet-benches --bin store -- MEASURE`.
//!
//! Stores are in a folder of the system for temporary files, which `TMPDIR` names, and are removed at the end.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

mod beside;
mod clients;
mod ingest;
mod machine;
mod open;
mod place;
mod query;
mod question;

use std::process::ExitCode;

const USAGE: &str = "store MEASURE
  ingest [SERIES] [SAMPLES] [ACTIVE]           CPU time and bytes per sample; ACTIVE percent of the control groups do something
  clients [COUNT] [SERIES] [SECONDS] [PACE]    how fast it takes samples while so many clients ask, each PACE times a second
  query [SERIES] [PODS]                        how long it takes to answer
  open [GIB] [SERIES]                          how long a new process takes to open a store of that size, and its memory
  beside [SERIES] [HOURS]                      the same samples in VictoriaMetrics and Prometheus; needs alumet-server, built likewise";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| {
        let text = arguments.get(place);
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    match arguments.first().map(String::as_str) {
        Some("ingest") => ingest::run(number(1, 8000), number(2, 8_000_000), number(3, 100) as u64),
        Some("clients") => clients::run(number(1, 16), number(2, 8000), number(3, 10), number(4, 10)),
        Some("query") => query::run(number(1, 100), number(2, 10_000)),
        Some("open") => {
            let gib = arguments.get(1).map(|text| text.parse().expect("a number"));
            open::run(gib.unwrap_or(2.0), number(2, 8000));
        }
        Some("beside") => beside::run(number(1, 800), number(2, 24)),
        // Started by `open`.
        Some("opened") => open::opened(&arguments[1], arguments[2].parse().expect("an instant")),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
