//! What the relay and the spool cost: `cargo build --release -p alumet-agent -p alumet-server && cargo run --release -p
//! alumet-benches --bin relay -- MEASURE`. `cargo xtask bench-relay` does it all.
//!
//! Servers and agents run as processes of their own, connections are encrypted on both sides with certificates, and the
//! spools are files in the folder for temporary files: where that is in memory, set `TMPDIR` to one on a disk.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

mod agents;
mod backlog;
mod feed;
mod flow;
mod hostile;
mod ingest;
mod live;
mod machine;
mod pipelines;
mod place;
mod process;
mod proxy;
mod send;
mod sink;
mod small_batches;
mod wild;
mod wire;

use std::process::ExitCode;

const USAGE: &str = "relay MEASURE
  wire [CGROUPS]   bytes per sample on the wire; CGROUPS is how many control groups are made for an agent
  send             CPU time per sample of an agent that sends
  ingest           CPU time per sample of a server that receives
  agents [COUNT]   many agents at once, and their return after the server was killed
  backlog [MIB]    a spool with a backlog: how it is opened and drained
  small-batches    a backlog of batches of one sample, and a server whose disk is slow
  hostile [CASE]   clients that want to do harm: what each costs the server and others";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["wire"] => wire::run(None),
        ["wire", cgroups] => wire::run(Some(cgroups.parse().expect("a number of control groups"))),
        ["send"] => send::run(),
        ["ingest"] => ingest::run(),
        ["agents"] => agents::run(1000),
        ["agents", count] => agents::run(count.parse().expect("a number of agents")),
        ["backlog"] => backlog::run(1024),
        ["backlog", mib] => backlog::run(mib.parse().expect("a size in MiB")),
        ["small-batches"] => small_batches::run(),
        ["hostile"] => hostile::run(None),
        ["hostile", case] => hostile::run(Some(case)),
        // Started by the others.
        ["sink"] => sink::run(),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
