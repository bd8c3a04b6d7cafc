//! The command line: one definition for parsing, help, completions and the manual page.

mod programs;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Pattern;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::app::{App, Lookup, Shortcut};
use crate::commands;
use crate::config::KeyPath;
use crate::extra_command::ExtraCommand;

pub(crate) use programs::run_id;
pub(crate) use programs::{Exec, Measuring, Named, Scope, Watch};

/// The environment variable that tells a program of `exec` the socket of its agent.
pub(crate) const CONTROL_SOCKET: &str = "ALUMET_CONTROL_SOCKET";

/// What the command line asks for.
pub(crate) enum Parsed {
    /// A command that every application has.
    BuiltIn(Box<Cli>),
    /// One that the application adds, with its arguments.
    Extra(ExtraCommand, ArgMatches),
}

/// The parsed command line.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    /// What to do; `run` if left out.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags of all commands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Configuration file, or folder whose *.toml files are read in order; may be repeated
    #[arg(
        long,
        value_name = "PATH",
        env = "ALUMET_CONFIG",
        hide_env_values = true,
        global = true
    )]
    pub(crate) config: Vec<PathBuf>,

    /// Fail when the configuration file is missing, instead of going on with the default one
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_default_config: bool,

    /// A piece of TOML that overrides the configuration, such as plugins.csv.output_path='out.csv'; may be repeated
    #[arg(long, value_name = "TOML", global = true, hide_short_help = true)]
    pub(crate) config_override: Vec<String>,

    /// Enable exactly these plugins, whatever the configuration says
    #[arg(long, value_name = "ID,…", value_delimiter = ',', global = true)]
    pub(crate) plugins: Option<Vec<String>>,

    /// Threads for asynchronous plugins; 0 runs them on the main thread [default: 0]
    #[arg(
        long,
        value_name = "N",
        env = "ALUMET_NORMAL_THREADS",
        hide_env_values = true,
        global = true,
        hide_short_help = true
    )]
    pub(crate) normal_worker_threads: Option<usize>,

    /// 0 polls intervals below 10 ms without a real-time thread [default: 1]
    #[arg(
        long,
        value_name = "N",
        env = "ALUMET_PRIORITY_THREADS",
        hide_env_values = true,
        global = true,
        hide_short_help = true
    )]
    pub(crate) priority_worker_threads: Option<usize>,

    /// Kept for old command lines: commands take effect at once, so there is nothing to limit
    #[arg(long, value_name = "DURATION", global = true, hide_short_help = true)]
    pub(crate) max_update_interval: Option<HumanDuration>,

    /// Samples that may wait between sources and transforms
    #[arg(long, value_name = "SAMPLES", global = true, hide_short_help = true)]
    pub(crate) source_channel_size: Option<usize>,

    /// Write the log, and whatever else goes to the standard error, as text or as one JSON object per line
    #[arg(long, value_name = "FORMAT", global = true, hide_short_help = true)]
    pub(crate) log_format: Option<LogFormat>,

    /// Say nothing but warnings and errors: no live line, no summary
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Flags that set one key of the configuration each.
    #[arg(skip)]
    pub(crate) shortcuts: Vec<(KeyPath, toml::Value, &'static str)>,

    /// Plugins that the command needs, and with which keys, unless the configuration speaks of them.
    #[arg(skip)]
    pub(crate) needed_plugins: BTreeMap<&'static str, toml::Table>,

    /// The attributes that all samples of a run bear.
    #[arg(skip)]
    pub(crate) labels: BTreeMap<String, String>,

    /// Keys of plugins that have these values for the command, unless the configuration speaks of them.
    #[arg(skip)]
    pub(crate) plugin_defaults: BTreeMap<&'static str, toml::Table>,
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
    /// Run until a signal comes (the default)
    Run,
    /// Run a program and measure it from its start to its end
    Exec(Exec),
    /// Measure what runs already: a process, an application, a control group
    Watch(Watch),
    /// Show who uses the machine and its power, live
    #[cfg(feature = "top")]
    Top(commands::Top),
    /// Begin a phase of what a running agent measures, such as `exec`
    Mark(Mark),
    /// Speak to one that runs already, through its plugin socket-control
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
    /// Tell what works on this machine, what does not, why, and what would mend it
    #[command(after_help = DOCTOR_CODES)]
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what the csv output has written as a table with a column for each metric
    Wide {
        /// The file, in either dialect
        file: PathBuf,
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
    Where a meter of the whole machine and parts of it are enabled, it measures for some seconds and tells how much of the whole the \
    parts are.\n\
    Exit codes: 0 nothing is broken, 1 something is broken, 2 wrong command line.";

/// How `ctl` ends.
const CTL_CODES: &str = "A pattern is kind/plugin/name, and the last parts may be left out: 'sources/procfs/*', outputs, '*'.\n\
    Exit codes: 0 done, 1 refused or no agent listens, 2 wrong command line; `status`: 3 when the agent is not ready.";

/// What to tell an agent that runs already.
#[derive(Debug, Args)]
pub(crate) struct Ctl {
    /// The socket of the agent [default: that of the configuration]
    #[arg(long, value_name = "PATH", env = CONTROL_SOCKET, hide_env_values = true, global = true)]
    pub(crate) socket: Option<PathBuf>,

    /// Print the reply of the agent as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: CtlCommand,
}

/// The phase that begins.
#[derive(Debug, Args)]
pub(crate) struct Mark {
    /// What it is called in the samples and the summary
    pub(crate) name: String,

    /// The socket of the agent [default: that of the configuration]
    #[arg(long, value_name = "PATH", env = CONTROL_SOCKET, hide_env_values = true)]
    pub(crate) socket: Option<PathBuf>,
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
    Pause(Which),
    /// Let paused elements go on
    Resume(Which),
    /// End elements, after what they hold was handed on
    Stop(Which),
    /// Poll sources at another interval
    SetInterval {
        #[command(flatten)]
        which: Which,
        /// Time between two polls: 500ms, 1s, '1m 30s'
        interval: HumanDuration,
    },
    /// Poll sources now
    Trigger(Which),
    /// Say how the energy of a consumer has come about; without one, that of the machine
    Explain {
        /// Of which kind it is: process, cgroup
        #[arg(default_value = "local_machine", requires_ifs = [("process", "id"), ("cgroup", "id")])]
        kind: String,
        /// Which one: 4711, /user.slice
        #[arg(default_value = "")]
        id: String,
    },
    /// Begin a phase of what is measured
    Mark {
        /// What it is called in the samples and the summary
        name: String,
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

/// The elements that a command is about.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// Which ones: kind/plugin/name, such as 'sources/procfs/*'
    pub(crate) pattern: Pattern,
}

/// What to do with configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the default configuration: the keys that are changed most
    Default {
        /// Every key, explained
        #[arg(long)]
        full: bool,
    },
    /// Check the configuration without measuring
    Check {
        /// Fail also when a server cannot be reached, does not accept the credentials, or anything else would work only in part
        #[arg(long)]
        connect: bool,
    },
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
    /// Write the default configuration to the file
    Regen {
        /// Do so even if there is one, which is kept beside the new one as FILE.old, FILE.old.2 and so on
        #[arg(long)]
        force: bool,
    },
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

/// How a program ends.
const CODES: &str = "Exit codes: 0 done, 1 failed while running, 2 wrong command line or configuration";

/// Where the rest is told.
const SEE_ALSO: &str =
    "--help-all tells more: the options of every command, environment variables and exit codes.";

/// Where the log goes.
const LOG: &str = "The log goes to the standard error; RUST_LOG chooses what is logged (default: info).";

/// The whole definition, with the flags and commands that the application adds, and without those that it leaves out.
pub(crate) fn command(app: &App) -> clap::Command {
    let codes_of_exec = match app.has_built_in("exec") {
        true => {
            "; `exec` gives the code of the program, or 125 when the agent itself fails, 126 and 127 when the program \
                 cannot be run or is not there"
        }
        false => "",
    };
    let all = Cli::command();
    let built_in = all
        .get_subcommands()
        .filter(|command| app.has_built_in(command.get_name()));
    // Those about the command line itself are the last.
    let (last, first): (Vec<_>, Vec<_>) = built_in
        .cloned()
        .partition(|command| ["completions", "man"].contains(&command.get_name()));
    let extra = app.extra_commands.iter().map(|extra| (extra.build)());
    let commands = first.into_iter().chain(extra).chain(last);
    let command = Global::augment_args(clap::Command::new(app.name))
        .version(app.version)
        .about(app.about)
        .disable_help_subcommand(true)
        .after_help(SEE_ALSO)
        .after_long_help(format!("{CODES}{codes_of_exec}.\n{LOG}"))
        .disable_help_flag(true)
        .args([
            help_flag("help", "Print the help", ArgAction::HelpShort).short('h'),
            help_flag("help-all", "Print all of the help", ArgAction::HelpLong),
        ])
        .subcommands(
            commands
                .enumerate()
                .map(|(at, command)| command.display_order(at)),
        )
        .mut_arg("config", |config| {
            let help = config.get_help().map(ToString::to_string).unwrap_or_default();
            config.help(format!("{help} [default: {}]", app.config_file))
        });
    let command = match app.has_built_in("watch") {
        true => command.mut_subcommand("watch", |watch| with_lookups(watch, &app.lookups)),
        false => command,
    };
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

/// Adds the flags of the application to `watch`.
fn with_lookups(watch: clap::Command, lookups: &[Lookup]) -> clap::Command {
    lookups.iter().fold(watch, |watch, lookup| {
        let flag = Arg::new(lookup.flag)
            .long(lookup.flag)
            .value_name(lookup.value_name)
            .help(lookup.help);
        watch
            .arg(flag)
            .mut_group("watched", |watched| watched.arg(lookup.flag))
    })
}

/// A flag of every command that prints help.
fn help_flag(name: &'static str, help: &'static str, action: ArgAction) -> Arg {
    let flag = Arg::new(name).long(name).help(help).action(action);
    flag.global(true).help_heading(None::<&str>)
}

/// Parses the command line.
pub(crate) fn parse(app: &App, arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, clap::Error> {
    let mut command = command(app);
    command.build();
    let end = command.get_after_long_help().map(ToString::to_string);
    let end = end.unwrap_or_default();
    command
        .get_subcommands_mut()
        .for_each(|command| hide_global_options(command, &end));
    let mut matches = command.try_get_matches_from(arguments)?;
    let is_chosen = |extra: &&ExtraCommand| matches.subcommand_name() == Some(&extra.name());
    if let Some(extra) = app.extra_commands.iter().find(is_chosen)
        && let Some((_, arguments)) = matches.remove_subcommand()
    {
        return Ok(Parsed::Extra(*extra, arguments));
    }
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Some(plugins) = &mut cli.global.plugins {
        // `--plugins "csv, procfs"`
        plugins
            .iter_mut()
            .for_each(|plugin| *plugin = plugin.trim().to_owned());
        plugins.retain(|plugin| !plugin.is_empty());
    }
    if let Some(Command::Exec(Exec { measuring, .. }) | Command::Watch(Watch { measuring, .. })) =
        &cli.command
    {
        if let (false, None) = (measuring.label.is_empty(), app.labelling()) {
            let message = "this program was built without the plugin that gives samples labels\n";
            return Err(clap::Error::raw(ErrorKind::InvalidValue, message));
        }
        cli.global.measure_program(app, measuring);
    }
    if let (Some(Command::Watch(watch)), Some((_, given))) = (&mut cli.command, matches.subcommand()) {
        for lookup in &app.lookups {
            if let Some(name) = given.get_one::<String>(lookup.flag) {
                cli.global.enable(lookup.plugin, lookup.flag);
                let (lookup, name) = (*lookup, name.clone());
                watch.named = Some(Named { lookup, name });
            }
        }
    }
    for shortcut in &app.shortcuts {
        if let Some(value) = matches.get_one::<String>(shortcut.flag) {
            cli.global.apply(shortcut, value);
        }
    }
    Ok(Parsed::BuiltIn(Box::new(cli)))
}

/// Leaves the options of every command out of the short help of a single one, whose long help ends like that of the program.
fn hide_global_options(command: &mut clap::Command, end: &str) {
    let own = command.get_after_help().map(ToString::to_string);
    let long = own.iter().map(String::as_str).chain([end]).collect::<Vec<_>>();
    let long = long.join("\n\n");
    let is_leaf = !command.has_subcommands();
    *command = std::mem::take(command)
        .mut_args(|argument| {
            let is_help = matches!(argument.get_action(), ArgAction::HelpShort | ArgAction::HelpLong);
            let is_hidden = argument.is_hide_short_help_set() || argument.is_global_set() && !is_help;
            argument.hide_short_help(is_hidden)
        })
        .after_long_help(long);
    if is_leaf && own.is_none() {
        *command = std::mem::take(command).after_help(SEE_ALSO);
    }
    command
        .get_subcommands_mut()
        .for_each(|command| hide_global_options(command, end));
}

impl Global {
    /// The files and folders of the configuration.
    pub(crate) fn files(&self, app: &App) -> String {
        if self.config.is_empty() {
            return app.config_file.to_owned();
        }
        let files = self.config.iter().map(|path| path.display().to_string());
        files.collect::<Vec<_>>().join(", ")
    }

    /// Sets the key of a shortcut, and enables its plugin.
    fn apply(&mut self, shortcut: &Shortcut, value: &str) {
        self.shortcuts
            .push((KeyPath::dotted(shortcut.key), value.into(), shortcut.flag));
        if let Some(plugin) = shortcut.enables {
            self.enable(plugin, shortcut.flag);
        }
    }

    fn enable(&mut self, plugin: &str, flag: &'static str) {
        let key = KeyPath::dotted("plugins").key(plugin).key("enabled");
        self.shortcuts.push((key, true.into(), flag));
        if let Some(plugins) = &mut self.plugins
            && plugins.iter().all(|other| other != plugin)
        {
            plugins.push(plugin.to_owned());
        }
    }

    /// Adds what a run of `exec` or `watch` needs.
    fn measure_program(&mut self, app: &App, measuring: &Measuring) {
        let needed = app.program_plugins.iter().map(|id| (*id, toml::Table::new()));
        self.needed_plugins = needed.chain(commands::private_socket()).collect();
        if !measuring.only.contains(&Scope::Others) {
            self.plugin_defaults.clone_from(&app.program_defaults);
        }
        let labels = measuring.label.iter().cloned();
        self.add_labels(app, [("run_id".to_owned(), run_id())].into_iter().chain(labels));
    }

    /// Gives all samples attributes, if this program has what can do that.
    pub(crate) fn add_labels(&mut self, app: &App, labels: impl Iterator<Item = (String, String)>) {
        let Some((plugin, table)) = app.labelling() else {
            return;
        };
        self.enable(plugin, "label");
        for (key, value) in labels {
            let path = KeyPath::dotted("plugins").key(plugin).key(table).key(&key);
            self.shortcuts.push((path, value.as_str().into(), "label"));
            self.labels.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use super::*;

    const RELAY_OUT: Shortcut = Shortcut {
        flag: "relay-out",
        value_name: "ADDRESS",
        key: "plugins.relay-client.relay_server",
        help: "Send the samples to a server",
        enables: Some("relay-client"),
    };

    fn parsed(app: &App, line: &str) -> Result<Parsed, clap::Error> {
        parse(app, line.split(' ').map(OsString::from))
    }

    fn global(app: &App, line: &str) -> Global {
        match parsed(app, line) {
            Ok(Parsed::BuiltIn(cli)) => cli.global,
            Ok(Parsed::Extra(command, _)) => panic!("{line}: {command:?}"),
            Err(error) => panic!("{line}: {error}"),
        }
    }

    #[test]
    fn a_flag_that_enables_a_plugin_adds_it_to_those_that_are_chosen() {
        let app = App::new("a", "1", "x").shortcut(RELAY_OUT);
        let global_of = |line| global(&app, line);
        let flags = global_of("a --relay-out s:1 --plugins procfs,csv");
        let chosen = flags.plugins.unwrap();
        assert_eq!(chosen, ["procfs", "csv", "relay-client"]);
        let set: Vec<_> = flags
            .shortcuts
            .iter()
            .map(|(key, value, _)| format!("{key} = {value}"))
            .collect();
        assert_eq!(
            set,
            [
                "plugins.relay-client.relay_server = \"s:1\"",
                "plugins.relay-client.enabled = true"
            ]
        );

        let flags = global_of("a --plugins relay-client run --relay-out s:1");
        assert_eq!(flags.plugins.unwrap(), ["relay-client"]);
        let flags = global_of("a --relay-out s:1");
        assert_eq!(
            flags.plugins, None,
            "the configuration goes on choosing the others"
        );
        assert!(global_of("a").shortcuts.is_empty());
    }

    #[test]
    fn a_flag_that_enables_no_plugin_only_sets_its_key() {
        let app = App::new("a", "1", "x").shortcut(Shortcut {
            enables: None,
            ..RELAY_OUT
        });
        let flags = global(&app, "a --relay-out s:1 --plugins csv");
        assert_eq!(flags.plugins.unwrap(), ["csv"]);
        assert_eq!(flags.shortcuts.len(), 1);
    }

    #[test]
    fn a_command_of_the_application_gets_its_arguments_even_in_place_of_a_built_in_one() {
        for name in ["certs", "doctor"] {
            let build = match name {
                "certs" => || clap::Command::new("certs").arg(Arg::new("node")),
                _ => || clap::Command::new("doctor").arg(Arg::new("node")),
            };
            let app = App::new("a", "1", "x").command(ExtraCommand {
                build,
                run: |_, _| Ok(ExitCode::SUCCESS),
            });
            let Ok(Parsed::Extra(command, arguments)) = parsed(&app, &format!("a {name} n1")) else {
                panic!("{name} is taken for a built-in command");
            };
            assert_eq!(command.name(), name);
            assert_eq!(
                arguments.get_one::<String>("node").map(String::as_str),
                Some("n1")
            );
            assert!(matches!(parsed(&app, "a run"), Ok(Parsed::BuiltIn(_))));
        }
    }

    const MEASURING: &[&str] = &[
        "a exec true",
        "a watch 1",
        #[cfg(feature = "top")]
        "a top",
    ];

    #[cfg(feature = "top")]
    #[test]
    fn a_program_without_plugins_for_top_has_no_top() {
        assert!(parsed(&App::new("a", "1", "x"), "a top").is_err());
    }

    #[test]
    fn a_program_that_receives_has_no_command_that_measures() {
        let app = App::new("a", "1", "x").measured_by_top("[p]");
        for line in MEASURING {
            assert!(parsed(&app, line).is_ok(), "{line}");
        }
        let help = |app: &App| command(app).render_long_help().to_string();
        assert!(help(&app).contains("`exec` gives"), "{}", help(&app));
        let app = app.receives();
        for line in MEASURING {
            let error = parsed(&app, line).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidSubcommand, "{line}");
        }
        assert!(!help(&app).contains("exec"), "{}", help(&app));
    }

    #[test]
    fn the_definition_is_consistent() {
        command(&App::new("a", "1", "x").shortcut(RELAY_OUT)).debug_assert();
    }
}
