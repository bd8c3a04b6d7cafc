//! Files made from the definition of the command line.

use std::process::ExitCode;

use crate::app::App;
use crate::cli;
use crate::exit::Failed;
use crate::terminal;

/// Prints a completion script.
pub(crate) fn completions(app: &App, shell: clap_complete::Shell) -> Result<ExitCode, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(app), app.name, &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page in the troff format.
pub(crate) fn man(app: &App) -> Result<ExitCode, Failed> {
    let mut page = Vec::new();
    clap_mangen::Man::new(cli::command(app)).render(&mut page)?;
    terminal::print(&String::from_utf8_lossy(&page))?;
    Ok(ExitCode::SUCCESS)
}
