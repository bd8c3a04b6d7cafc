//! What the API costs: `cargo build --release -p alumet-server && cargo run --release -p alumet-benches --bin api -- MEASURE`.
//! `cargo xtask bench-api` does it all.
//!
//! The server runs as a process of its own, with its store and spool in the folder for temporary files, and gets 1000 series once per
//! second over HTTP while it is asked.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

mod connection;
mod idle;
mod pace;
mod page;
mod requests;
mod server;
mod wrk;

use std::process::ExitCode;

const USAGE: &str = "api MEASURE
  requests [SECONDS]   requests per second, delays and CPU time; each question for so long at full load and at half of it
  idle [CONNECTIONS]   memory of connections on which nothing is said, and how long others wait meanwhile
  page [VISITS]        when the page is first seen in Chromium, and how many bytes it takes";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |default: u32| {
        let text = arguments.get(1);
        text.map_or(default, |text| text.parse().expect("a number"))
    };
    match arguments.first().map(String::as_str) {
        Some("requests") => requests::run(number(10)),
        Some("idle") => idle::run(number(10_000)),
        Some("page") => page::run(number(5)),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
