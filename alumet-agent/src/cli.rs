//! The command line: one definition for parsing, help, completions and the manual page.

use std::ffi::OsString;
use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Pattern;
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::app::App;
use crate::config::KeyPath;

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true, args_conflicts_with_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    /// What to do; `run` if left out.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags of all commands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Configuration file, or folder whose *.toml files are read in order; may be repeated [default: alumet-config.toml]
    #[arg(long, value_name = "PATH", env = "ALUMET_CONFIG", global = true)]
    pub(crate) config: Vec<PathBuf>,

    /// Fail when the configuration file is missing, instead of writing a default one
    #[arg(long, global = true)]
    pub(crate) no_default_config: bool,

    /// A piece of TOML that overrides the configuration, such as plugins.csv.output_path='out.csv'; may be repeated
    #[arg(long, value_name = "TOML", global = true)]
    pub(crate) config_override: Vec<String>,

    /// Enable exactly these plugins, whatever the configuration says
    #[arg(long, value_name = "ID,…", value_delimiter = ',', global = true)]
    pub(crate) plugins: Option<Vec<String>>,

    /// Threads for asynchronous plugins; 0 runs them on the main thread [default: 0]
    #[arg(long, value_name = "N", env = "ALUMET_NORMAL_THREADS", global = true)]
    pub(crate) normal_worker_threads: Option<usize>,

    /// 0 polls intervals below 10 ms without a real-time thread [default: 1]
    #[arg(long, value_name = "N", env = "ALUMET_PRIORITY_THREADS", global = true)]
    pub(crate) priority_worker_threads: Option<usize>,

    /// Kept for old command lines: commands take effect at once, so there is nothing to limit
    #[arg(long, value_name = "DURATION", global = true, hide_short_help = true)]
    pub(crate) max_update_interval: Option<HumanDuration>,

    /// Samples that may wait between sources and transforms
    #[arg(long, value_name = "SAMPLES", global = true, hide_short_help = true)]
    pub(crate) source_channel_size: Option<usize>,

    /// Write the log as text or as one JSON object per line
    #[arg(long, value_name = "FORMAT", global = true)]
    pub(crate) log_format: Option<LogFormat>,

    /// Flags that set one key of the configuration each.
    #[arg(skip)]
    pub(crate) shortcuts: Vec<(KeyPath, String, &'static str)>,
}

/// The form of the log.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    ValueEnum,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure until a signal comes (the default)
    Run,
    /// Run a program and measure it from its start to its end
    Exec(Exec),
    /// Measure a process that runs already, until it ends
    Watch {
        /// The process id
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        pid: u32,
    },
    /// Speak to an agent that runs already, through its plugin socket-control
    #[command(after_help = CTL_CODES)]
    Ctl(Ctl),
    /// Show, check and write configurations
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// List and describe plugins
    Plugins {
        #[command(subcommand)]
        command: PluginsCommand,
    },
    /// Tell what can be measured on this machine, what cannot, why, and what would mend it
    #[command(after_help = DOCTOR_CODES)]
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// How `doctor` ends.
const DOCTOR_CODES: &str = "It changes nothing. Verdicts: works; absent: this machine does not have it, which is no fault; limited: \
    it works in part or at a higher cost; broken: it should work and does not.\n\
    Exit codes: 0 nothing is broken, 1 something is broken, 2 wrong command line.";

/// The program to run.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Exit with 0 when measuring went well, whatever the program returns
    #[arg(long)]
    pub(crate) ignore_exit_code: bool,

    /// The program
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: OsString,

    /// Its arguments
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// How `ctl` ends.
const CTL_CODES: &str = "A pattern is kind/plugin/name, and the last parts may be left out: 'sources/procfs/*', outputs, '*'.\n\
    Exit codes: 0 done, 1 refused or no agent listens, 2 wrong command line.";

/// What to tell an agent that runs already.
#[derive(Debug, Args)]
pub(crate) struct Ctl {
    /// The socket of the agent [default: that of the configuration, or alumet-control.sock]
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) socket: Option<PathBuf>,

    /// Print the reply of the agent as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

/// One command for an agent that runs already.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum CtlCommand {
    /// List elements, how they are and what they did
    List {
        /// Which ones: kind/plugin/name, such as 'sources/procfs/*' or outputs
        #[arg(default_value = "*")]
        pattern: Pattern,
    },
    /// Say where every sample is, and how punctual the agent is
    Status,
    /// Let elements wait
    Pause {
        /// Which ones: kind/plugin/name, such as 'sources/procfs/*'
        pattern: Pattern,
    },
    /// Let paused elements go on
    Resume {
        /// Which ones: kind/plugin/name, such as 'sources/procfs/*'
        pattern: Pattern,
    },
    /// End elements, after what they hold was handed on
    Stop {
        /// Which ones: kind/plugin/name, such as 'sources/procfs/*'
        pattern: Pattern,
    },
    /// Poll sources at another interval
    SetInterval {
        /// Which ones: kind/plugin/name, such as 'sources/procfs/*'
        pattern: Pattern,
        /// Time between two polls: 500ms, 1s, '1m 30s'
        interval: HumanDuration,
    },
    /// Poll sources now
    Trigger {
        /// Which ones: kind/plugin/name, such as 'sources/procfs/*'
        pattern: Pattern,
    },
    /// Wait until everything measured so far is written
    Flush,
    /// Let the agent read its configuration again
    Reload,
    /// Check that the agent goes on measuring
    Ping,
    /// End the agent
    Shutdown,
}

/// What to do with configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the default configuration
    Default,
    /// Check the configuration without measuring
    Check,
    /// Print the configuration in effect: defaults, files, environment and flags merged
    Show {
        /// Say behind each key where it comes from
        #[arg(long)]
        origins: bool,
    },
    /// Explain every key
    Reference {
        /// As Markdown instead of commented TOML
        #[arg(long)]
        markdown: bool,
    },
    /// Write the default configuration to the file, over what is there
    Regen,
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginsCommand {
    /// List the plugins of this program
    List {
        /// Say for each whether the configuration enables it and whether it can start on this machine
        #[arg(long)]
        status: bool,
        /// Everything about all plugins as JSON
        #[arg(long, conflicts_with = "status")]
        json: bool,
    },
    /// Describe one plugin: its metrics and its configuration
    Info {
        /// The id of the plugin
        name: String,
    },
}

/// The whole definition, with the flags that the application adds.
pub(crate) fn command(app: &App) -> clap::Command {
    let command = Cli::command().name(app.name).version(app.version).about(app.about).after_help(
        "Exit codes: 0 done, 1 failed while running, 2 wrong command line or configuration; `exec` gives the code of \
         the program.\nThe log goes to the standard error; RUST_LOG chooses what is logged (default: info).",
    );
    app.shortcuts.iter().fold(command, |command, shortcut| {
        command.arg(
            Arg::new(shortcut.flag)
                .long(shortcut.flag)
                .value_name(shortcut.value_name)
                .help(shortcut.help)
                .global(true)
                .action(ArgAction::Set),
        )
    })
}

/// Parses the command line.
pub(crate) fn parse(app: &App, arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = command(app).try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    for shortcut in &app.shortcuts {
        if let Some(value) = matches.get_one::<String>(shortcut.flag) {
            cli.global
                .shortcuts
                .push((KeyPath::dotted(shortcut.key), value.clone(), shortcut.flag));
        }
    }
    Ok(cli)
}
