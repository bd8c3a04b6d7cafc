//! Files made from the definition of the command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap_mangen::Man;

use crate::app::App;
use crate::cli;
use crate::exit::Failed;
use crate::terminal;

/// Prints a completion script.
pub(crate) fn completions(app: &App, shell: clap_complete::Shell) -> Result<ExitCode, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(app), app.name, &mut script);
    terminal::print(&String::from_utf8_lossy(&script))
}

/// Prints the manual page in the troff format, with all commands on the one page.
pub(crate) fn man(app: &App) -> Result<ExitCode, Failed> {
    // What the short help leaves out is in no short form here.
    let command = cli::command(app).mut_args(|argument| argument.hide_short_help(false));
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    write_commands(&mut page, &command, app.name)?;
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    terminal::print(&String::from_utf8_lossy(&page))
}

/// Describes every command below `command`, which is called as `called`.
fn write_commands(page: &mut Vec<u8>, command: &clap::Command, called: &str) -> io::Result<()> {
    for command in command.get_subcommands() {
        let called = format!("{called} {}", command.get_name());
        if command.has_subcommands() {
            write_commands(page, command, &called)?;
            continue;
        }
        writeln!(page, ".SS {}", called.replace('-', "\\-"))?;
        let alone = command.clone().bin_name(called).disable_help_flag(true);
        let man = Man::new(alone);
        for render in [
            Man::render_description_section,
            Man::render_synopsis_section,
            Man::render_options_section,
        ] {
            writeln!(page, ".PP")?;
            page.extend(body(|section| render(&man, section))?.bytes());
        }
        if command.get_after_help().is_some() {
            writeln!(page, ".PP")?;
            page.extend(body(|section| man.render_extra_section(section))?.bytes());
        }
    }
    Ok(())
}

/// What stands below the heading of a section.
fn body(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<String> {
    let mut section = Vec::new();
    render(&mut section)?;
    let section = String::from_utf8_lossy(&section);
    let lines = section.lines().skip_while(|line| !line.starts_with(".SH"));
    Ok(lines.skip(1).map(|line| format!("{line}\n")).collect())
}
