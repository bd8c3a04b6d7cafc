//! What `exec` and `watch` take.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::time::{Clock, SystemClock};
use clap::{Args, ValueEnum};

use crate::app::Lookup;

/// Where the help tells of options for programs that are run more than once.
const REPEATED: &str = "Several runs";

/// The programs to run.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Exit with 0 when measuring went well, whatever the program returns
    #[arg(long)]
    pub(crate) ignore_exit_code: bool,

    #[command(flatten)]
    pub(crate) measuring: Measuring,

    /// Run it this often, and tell means, scatter and outliers
    #[arg(help_heading = REPEATED, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,

    /// Run it this often before, without counting
    #[arg(help_heading = REPEATED, hide_short_help = true, long, value_name = "K", default_value_t = 0)]
    pub(crate) warmup: u32,

    /// Run these commands, each a single argument, and compare the others with the first
    #[arg(help_heading = REPEATED, long, value_name = "COMMAND", num_args = 1..)]
    pub(crate) compare: Vec<String>,

    /// Run everything with each of these values in the place of {NAME}; may be repeated
    #[arg(help_heading = REPEATED, hide_short_help = true, long, value_name = "NAME=VALUE,…", value_parser = parameter)]
    pub(crate) parameter: Vec<(String, Vec<String>)>,

    /// Run commands in a shell, for pipelines and variables
    #[arg(help_heading = REPEATED, hide_short_help = true, long)]
    pub(crate) shell: bool,

    /// Show what programs write that are run more than once
    #[arg(help_heading = REPEATED, hide_short_help = true, long)]
    pub(crate) show_output: bool,

    /// Write the results of several runs to this file as JSON
    #[arg(help_heading = REPEATED, hide_short_help = true, long, value_name = "FILE")]
    pub(crate) export_json: Option<PathBuf>,

    /// The same as CSV
    #[arg(help_heading = REPEATED, hide_short_help = true, long, value_name = "FILE")]
    pub(crate) export_csv: Option<PathBuf>,

    /// The same as a table in Markdown
    #[arg(help_heading = REPEATED, hide_short_help = true, long, value_name = "FILE")]
    pub(crate) export_markdown: Option<PathBuf>,

    /// The program
    #[arg(
        value_name = "PROGRAM",
        required_unless_present = "compare",
        conflicts_with = "compare"
    )]
    pub(crate) program: Option<OsString>,

    /// Its arguments
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// What to watch.
#[derive(Debug, Args)]
#[group(id = "watched", required = true, multiple = false, args = ["pid", "app", "cgroup", "unit"])]
pub(crate) struct Watch {
    /// A process and its descendants
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Option<u32>,

    /// All processes whose program has this name, also those that begin later, as one; a regular expression for the whole name
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,

    /// A control group with those below it, such as /user.slice
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,

    /// The control group of a unit of systemd, such as nginx.service
    #[arg(long, value_name = "NAME")]
    pub(crate) unit: Option<String>,

    /// End after this time
    #[arg(long, value_name = "DURATION")]
    pub(crate) r#for: Option<HumanDuration>,

    #[command(flatten)]
    pub(crate) measuring: Measuring,

    /// What a flag of the application names.
    #[arg(skip)]
    pub(crate) named: Option<Named>,
}

/// A control group that a plugin knows by a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) lookup: Lookup,
    pub(crate) name: String,
}

/// How a program is measured, and what is told of it.
#[derive(Debug, Args)]
pub(crate) struct Measuring {
    /// Measure everything this often, whatever the configuration says
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub(crate) interval: Option<HumanDuration>,

    /// What outputs get of what is measured: others are all other processes and control groups, and single cores
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',', default_values = ["program", "machine"])]
    pub(crate) only: Vec<Scope>,

    /// An attribute that all samples of the run bear, besides run_id; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) label: Vec<(String, String)>,

    /// Write the summary to this file; - is the standard error [default: the terminal, or without one a line of the log]
    #[arg(long, value_name = "FILE", env = "ALUMET_SUMMARY")]
    pub(crate) summary: Option<PathBuf>,

    /// Write the summary as JSON to this file; - is the standard output
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) summary_json: Option<PathBuf>,
}

/// A part of what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// The program with its descendants.
    Program,
    /// The machine as a whole and its parts.
    Machine,
    /// Every other process and control group, and each core.
    Others,
}

/// What tells runs apart, also those that other machines have begun in the same second: `20261120T072436Z-4f3a91c2`.
pub(crate) fn run_id() -> String {
    let now = SystemClock.now();
    let text = now.wall.to_string();
    let digits: String = text
        .chars()
        .take(19)
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    let random = RandomState::new().hash_one(std::process::id());
    format!("{digits}Z-{:08x}", random as u32)
}

fn interval(text: &str) -> Result<HumanDuration, String> {
    const LEAST: Duration = Duration::from_millis(1);
    let interval: HumanDuration = text.parse().map_err(|error| format!("{error}"))?;
    match *interval < LEAST {
        true => Err("nothing is measured more often than every 1ms".to_owned()),
        false => Ok(interval),
    }
}

fn parameter(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, values) = label(text).map_err(|_| "write it as name=value,value".to_owned())?;
    Ok((name, values.split(',').map(str::to_owned).collect()))
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as key=value".to_owned()),
    }
}
