//! The chores of this project: `cargo xtask <command>`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program talks to the terminal"
)]

mod bench_agent;
mod bench_api;
mod bench_outputs;
mod bench_pipeline;
mod bench_relay;
mod binary;
mod chaos;
mod charts;
mod ci;
mod docs;
mod fuzz;
mod image;
mod new_plugin;
mod package;
mod page;
mod prerequisite;
mod registration;
mod role;
mod shell;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::workspace::Workspace;

/// The chores of this project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Checks the rules of the project and prints every violation.
    Tidy,
    /// Registers the plugins, and writes the documentation that derives from the code.
    Docs {
        /// Changes nothing; fails when something is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Runs all tests: unit, integration and documentation tests.
    Test(test::Options),
    /// Writes a new plugin crate and registers it.
    NewPlugin(new_plugin::Options),
    /// Runs the release agent on many control groups and prints what it costs.
    BenchAgent(bench_agent::Options),
    /// Measures the API and the page, with the release server.
    BenchApi(bench_api::Options),
    /// Runs the release agent with each output and a real server, and prints what it costs.
    BenchOutputs(bench_outputs::Options),
    /// Measures the telemetry of many GPUs from a file through NATS to a reader, with the release server.
    BenchPipeline(bench_pipeline::Options),
    /// Measures the relay and the spool, with the release agent and server.
    BenchRelay(bench_relay::Options),
    /// Kills agent and server, cuts the network and fills disks at random, for longer than the tests do.
    Chaos(chaos::Options),
    /// Tests and packs the charts for Kubernetes.
    #[command(subcommand)]
    Charts(charts::Chore),
    /// Feeds the parsers with what breaks them, until something does or the time is over.
    Fuzz(fuzz::Options),
    /// Makes the packages of agent and server: Debian, RPM and an archive.
    Package(package::Options),
    /// Makes the images of agent and server, and can run and push them.
    Image(image::Options),
    /// Does all that a change must pass, and stops at the first failure.
    Ci,
}

fn main() -> ExitCode {
    let chore = Chore::parse();
    let result = Workspace::load().and_then(|workspace| match chore {
        Chore::Tidy => tidy::run(&workspace),
        Chore::Docs { check } => docs::run(&workspace, check),
        Chore::Test(options) => test::run(&workspace, &options),
        Chore::NewPlugin(options) => new_plugin::run(&workspace, &options),
        Chore::BenchAgent(options) => bench_agent::run(&workspace, &options),
        Chore::BenchApi(options) => bench_api::run(&workspace, &options),
        Chore::BenchOutputs(options) => bench_outputs::run(&workspace, &options),
        Chore::BenchPipeline(options) => bench_pipeline::run(&workspace, &options),
        Chore::BenchRelay(options) => bench_relay::run(&workspace, &options),
        Chore::Chaos(options) => chaos::run(&workspace, &options),
        Chore::Charts(chore) => charts::run(&workspace, &chore),
        Chore::Fuzz(options) => fuzz::run(&workspace, &options),
        Chore::Package(options) => package::run(&workspace, &options),
        Chore::Image(options) => image::run(&workspace, &options),
        Chore::Ci => ci::run(&workspace),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
