//! The program itself: real processes, signals, files, pipes and sockets.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod arguments;
mod backpressure;
mod churn;
mod config_files;
mod config_messages;
mod csv;
mod energy;
mod exec;
mod generated;
mod health;
mod killed;
mod lights;
mod metrics;
mod network;
mod nvml;
mod odd_programs;
mod on_error;
mod output_recovery;
mod plugins;
mod program;
mod rapl;
mod relay;
mod reload;
mod repeats;
mod run_group;
mod runs;
mod scope;
mod stop;
mod telemetry;
mod terminal;
mod top;
mod watch;
mod wrong_sides;
