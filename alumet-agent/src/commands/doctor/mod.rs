//! What can be measured on this machine, what cannot, why, and what would mend it.

mod balance;
mod machine;
mod report;

use std::path::Path;
use std::process::ExitCode;

use alumet_core::metric::{MetricDoc, Quality};
use alumet_core::plugin::{Finding, Verdict};
use alumet_core::unit::Unit;

use crate::app::{App, Purpose};
use crate::cli::Global;
use crate::commands::ctl;
use crate::exit::{FAILED, Failed};
use crate::setup::{EnabledPlugin, IfMissing, Setup};
use crate::{telemetry, terminal};

use machine::Machine;
use report::Report;

/// Looks at the machine and at what the configuration wants of it, changes nothing, and tells.
pub(crate) fn doctor(app: &App, global: &Global, json: bool) -> Result<ExitCode, Failed> {
    let (configuration, setup) = match Setup::load(app, global, IfMissing::Assume) {
        Ok(setup) => (loaded(app, global), setup),
        Err(failed) => (refused(app, &failed), Setup::defaults(app)?),
    };
    let root = &setup.settings.system_root;
    let mut own = vec![configuration, selection(app, &setup.plugins)];
    own.extend(ctl::findings(app, global));
    own.extend(Machine::at(root).findings(app.purpose));
    own.extend(balance::findings(app, &setup));
    let mut others = match app.purpose {
        Purpose::Measure => others_that_measure_energy(app, &setup),
        Purpose::Receive => Vec::new(),
    };
    own.extend(found_nothing(&mut others));

    let mut report = Report::default();
    let role = match app.purpose {
        Purpose::Measure => "agent",
        Purpose::Receive => "server",
    };
    report.push(role, own);
    report.push("telemetry", telemetry::try_out(&setup.settings));
    for plugin in &setup.plugins {
        report.push(plugin.descriptor.id, findings(plugin, root));
    }
    for (id, findings) in others {
        report.push(id, findings);
    }
    let text = if json { report.to_json()? } else { report.to_text() };
    terminal::print(&text)?;
    Ok(match report.verdict() {
        Verdict::Broken => ExitCode::from(FAILED),
        _ => ExitCode::SUCCESS,
    })
}

const CONFIGURATION: &str = "configuration";

/// The configuration that is looked at.
fn loaded(app: &App, global: &Global) -> Finding {
    let file = app.config_file;
    if !global.config.is_empty() || Path::new(file).exists() {
        return Finding::works(CONFIGURATION, global.files(app));
    }
    let detail = format!("there is no {file} in this folder; the defaults are looked at instead");
    Finding {
        remedy: Some(format!("{} config regen", app.name)),
        ..Finding::absent(CONFIGURATION, detail)
    }
}

/// The configuration is wrong.
fn refused(app: &App, failed: &Failed) -> Finding {
    let message = failed.message();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let message = message.replace("\nerror: ", "\n");
    Finding::broken(
        CONFIGURATION,
        format!("cannot be used; the defaults are looked at instead\n{message}"),
        format!("mend it and try again with `{} config check`", app.name),
    )
}

/// Which plugins of this program are looked at.
fn selection(app: &App, plugins: &[EnabledPlugin]) -> Finding {
    let enabled: Vec<_> = plugins.iter().map(|plugin| plugin.descriptor.id).collect();
    let mut others = app.plugin_ids();
    others.retain(|id| !enabled.contains(id));
    let mut detail = enabled.join(", ");
    if !others.is_empty() {
        detail = format!("{detail}; not enabled: {}", others.join(", "));
    }
    Finding::works("plugins", detail)
}

/// What plugins would find that could measure energy and are not enabled: people look here for why there is none.
fn others_that_measure_energy(app: &App, setup: &Setup) -> Vec<(&'static str, Vec<Finding>)> {
    let is_energy = |metric: &MetricDoc| {
        let is_of = |unit| Unit::convert(1.0, &metric.unit, &unit).is_some();
        metric.quality == Quality::Measured && (is_of(Unit::JOULE) || is_of(Unit::WATT))
    };
    let is_enabled = |id| setup.plugins.iter().any(|plugin| plugin.descriptor.id == id);
    app.plugins
        .iter()
        .filter(|plugin| !is_enabled(plugin.id) && plugin.metrics().iter().any(is_energy))
        .filter_map(|plugin| EnabledPlugin::with_defaults(app, plugin))
        .map(|plugin| {
            (
                plugin.descriptor.id,
                possibilities(&plugin, &setup.settings.system_root),
            )
        })
        .collect()
}

/// Takes out those that find that the machine has nothing for them, and names them.
fn found_nothing(others: &mut Vec<(&'static str, Vec<Finding>)>) -> Option<Finding> {
    let is_absent = |finding: &Finding| finding.verdict == Verdict::Absent;
    let nothing = others.extract_if(.., |(_, findings)| {
        findings.len() > 1 && findings.iter().all(is_absent)
    });
    let ids: Vec<_> = nothing.map(|(id, _)| id).collect();
    let detail = format!("none is found by {}, which are not enabled", ids.join(", "));
    (!ids.is_empty()).then(|| Finding::absent("other sensors", detail))
}

/// What a plugin that is not enabled would find; that something is wrong with it is no fault of the agent.
fn possibilities(plugin: &EnabledPlugin, root: &Path) -> Vec<Finding> {
    let id = plugin.descriptor.id;
    let (started, mut findings) = plugin.try_start(root);
    for finding in &mut findings {
        finding.verdict = finding.verdict.min(Verdict::Limited);
    }
    let enable = format!("enable it with a table [plugins.{id}]");
    findings.insert(
        0,
        match started {
            Ok(()) => Finding {
                remedy: Some(enable),
                ..Finding::absent("plugin", "it is not enabled, and could start")
            },
            Err(error) => Finding::absent(
                "plugin",
                format!("it is not enabled, and could not start: {error}"),
            ),
        },
    );
    findings
}

/// Whether a plugin starts, and what it finds out about the machine on the way.
fn findings(plugin: &EnabledPlugin, root: &Path) -> Vec<Finding> {
    const START: &str = "start";
    let (started, mut findings) = plugin.try_start(root);
    let finding = match started {
        Ok(()) => Finding::works(START, "it can start"),
        Err(error) => Finding::broken(
            START,
            format!("it cannot start: {error}"),
            format!(
                "mend that, switch the plugin off with plugins.{id}.enabled = false, or go on without it with \
                 plugins.{id}.on_error = \"disable\"",
                id = plugin.descriptor.id
            ),
        ),
    };
    findings.insert(0, finding);
    findings
}
