//! The commands, one file each.

mod config;
mod ctl;
mod doctor;
mod exec;
mod generate;
mod measure;
mod plugins;
mod repeat;
mod run;
#[cfg(feature = "top")]
mod top;
mod watch;
mod wide;

pub(crate) use ctl::private_socket;
#[cfg(feature = "top")]
pub(crate) use top::Top;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use crate::app::App;
use crate::cli::{self, Cli, Command, LogFormat, Parsed};
use crate::exit::Failed;
use crate::terminal;

impl App {
    /// Does what the command line says.
    ///
    /// The exit code is 0 when all went well, 1 when something failed while running, 2 for a wrong command line or
    /// configuration; `exec` gives that of the program it has run.
    pub fn main(self) -> ExitCode {
        self.main_with(std::env::args_os())
    }

    /// Does what these arguments say, the name of the program first, as [`Self::main`].
    pub fn main_with(self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        let parsed = match cli::parse(&self, arguments) {
            Ok(parsed) => parsed,
            Err(error) => {
                // Help and version are errors of clap, too; it knows where to print them and which code to give.
                let _ = error.print();
                return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
            }
        };
        let result = match parsed {
            Parsed::BuiltIn(cli) => dispatch(&Arc::new(self), &cli),
            Parsed::Extra(command, arguments) => command.execute(&arguments),
        };
        result.unwrap_or_else(|failed| failed.report())
    }
}

/// Does what a command says.
fn dispatch(app: &Arc<App>, cli: &Cli) -> Result<ExitCode, Failed> {
    if cli.global.log_format == Some(LogFormat::Json) {
        terminal::complain_as_json();
    }
    match &cli.command {
        None | Some(Command::Run) => run::run(app, &cli.global),
        Some(Command::Exec(arguments)) => exec::exec(app, &cli.global, arguments),
        Some(Command::Watch(arguments)) => watch::watch(app, &cli.global, arguments),
        #[cfg(feature = "top")]
        Some(Command::Top(arguments)) => top::top(app, &cli.global, arguments),
        Some(Command::Mark(arguments)) => ctl::mark(app, &cli.global, arguments),
        Some(Command::Ctl(arguments)) => ctl::ctl(app, &cli.global, arguments),
        Some(Command::Config { command }) => config::config(app, &cli.global, command),
        Some(Command::Plugins { command }) => plugins::plugins(app, &cli.global, command),
        Some(Command::Doctor { json }) => doctor::doctor(app, &cli.global, *json),
        Some(Command::Wide { file }) => wide::wide(file),
        Some(Command::Completions { shell }) => generate::completions(app, *shell),
        Some(Command::Man) => generate::man(app),
    }
}
