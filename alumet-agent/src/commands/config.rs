use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use alumet_core::plugin::Verdict;
use anyhow::Context;
use tracing::Level;

use crate::app::App;
use crate::cli::{ConfigCommand, Global};
use crate::default_text::{default_text, full_text, plugin_reference, settings_reference};
use crate::exit::{FAILED, Failed};
use crate::setup::{IfMissing, Setup};
use crate::{telemetry, terminal};

/// Shows, checks and writes configurations.
pub(crate) fn config(app: &App, global: &Global, command: &ConfigCommand) -> Result<ExitCode, Failed> {
    match command {
        ConfigCommand::Default { full: false } => terminal::print(&default_text(&chosen(app, global))?),
        ConfigCommand::Default { full: true } => terminal::print(&full_text(&chosen(app, global))?),
        ConfigCommand::Check { connect } => check(app, global, *connect),
        ConfigCommand::Show { origins } => terminal::print(&Setup::effective(app, global)?.show(*origins)),
        ConfigCommand::Reference { markdown: true } => terminal::print(&reference(app)?),
        ConfigCommand::Reference { markdown: false } => {
            let mut all = chosen(app, global);
            all.default_plugins = all.plugin_ids();
            terminal::print(&full_text(&all)?)
        }
        ConfigCommand::Regen { force } => regen(app, global, *force),
    }
}

/// The application with the plugins of `--plugins` as its default ones.
fn chosen(app: &App, global: &Global) -> App {
    let mut app = app.clone();
    if let Some(wanted) = &global.plugins {
        app.default_plugins = app.plugin_ids();
        app.default_plugins
            .retain(|id| wanted.iter().any(|plugin| plugin == id));
    }
    app
}

/// `connect`: whether it is a failure that a plugin would not work, or only in part.
fn check(app: &App, global: &Global, connect: bool) -> Result<ExitCode, Failed> {
    let (level, least) = match connect {
        true => (Level::ERROR, Verdict::Limited),
        false => (Level::WARN, Verdict::Broken),
    };
    let mut faults = 0;
    let setup = Setup::load(app, global, IfMissing::Fail)?;
    for warning in setup.document.warnings() {
        terminal::complain(Level::WARN, warning);
    }
    for found in telemetry::try_out(&setup.settings) {
        if found.verdict >= least {
            faults += 1;
            let message = format!("{} would not arrive: {}", found.subject, found.detail);
            terminal::complain(level, &message);
        }
    }
    for plugin in &setup.plugins {
        let id = plugin.descriptor.id;
        let (started, findings) = plugin.try_start(&setup.settings.system_root);
        let cannot = started.err().map(|error| format!("it cannot start: {error}"));
        let found = findings.into_iter().filter(|finding| finding.verdict >= least);
        for fault in cannot.into_iter().chain(found.map(|finding| finding.detail)) {
            faults += 1;
            let message = format!("the plugin `{id}` would not work here as it should: {fault}");
            terminal::complain(level, &message);
        }
    }
    if connect && faults > 0 {
        return Ok(ExitCode::from(FAILED));
    }
    let plugins: Vec<&str> = setup.plugins.iter().map(|plugin| plugin.descriptor.id).collect();
    terminal::print(&format!(
        "the configuration is right; plugins: {}\n",
        plugins.join(", ")
    ))
}

fn regen(app: &App, global: &Global, force: bool) -> Result<ExitCode, Failed> {
    let path = match global.config.as_slice() {
        [] => Path::new(app.config_file),
        [path] if !path.is_dir() => path,
        _ => {
            return Err(Failed::usage(
                "the default configuration is one file: give one --config that is no folder",
            ));
        }
    };
    let text = default_text(&chosen(app, global))?;
    let shown = path.display();
    if path.symlink_metadata().is_ok() {
        if !force {
            return Err(Failed::usage(format!(
                "{shown} is there already\n  help: `--force` writes the default configuration all the same and keeps the old \
                 file beside it"
            )));
        }
        let old = unused_name(path);
        fs::rename(path, &old).with_context(|| format!("{shown} cannot be renamed"))?;
        terminal::print(&format!("the old file is now {}\n", old.display()))?;
    }
    // A new file: no link is followed.
    fs::File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{shown} cannot be written; name another file with --config"))?;
    terminal::print(&format!("the default configuration was written to {shown}\n"))
}

/// The first of `….old`, `….old.2`, `….old.3` and so on at which nothing is kept yet.
fn unused_name(path: &Path) -> PathBuf {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    let mut name = old.clone();
    let mut number = 1;
    while Path::new(&name).symlink_metadata().is_ok() {
        number += 1;
        name.clone_from(&old);
        name.push(format!(".{number}"));
    }
    name.into()
}

/// Every key of the agent and of every plugin as Markdown.
fn reference(app: &App) -> Result<String, Failed> {
    let mut text = format!("## General\n\n{}", settings_reference()?.to_markdown());
    for plugin in &app.plugins {
        let table = plugin_reference(app, plugin)?.to_markdown();
        let _ = write!(
            text,
            "\n## `[plugins.{}]`\n\n{}\n\n{table}",
            plugin.id, plugin.summary
        );
    }
    Ok(text)
}
