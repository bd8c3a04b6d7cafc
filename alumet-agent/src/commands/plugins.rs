use std::fmt::Write;
use std::process::ExitCode;

use alumet_core::metric::MetricDoc;
use alumet_core::pipeline::{mark, self_metrics};
use alumet_core::plugin::PluginDescriptor;
use alumet_shared_control_protocol::Table;
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::cli::{Global, PluginsCommand};
use crate::default_text::{plugin_reference, plugin_text};
use crate::exit::Failed;
use crate::setup::{IfMissing, Setup, unknown_plugin};
use crate::{measured, terminal};

/// Lists and describes plugins.
pub(crate) fn plugins(app: &App, global: &Global, command: &PluginsCommand) -> Result<ExitCode, Failed> {
    match command {
        PluginsCommand::List { json: true, .. } => {
            let text = serde_json::to_string_pretty(&catalogue(app)?).map_err(anyhow::Error::from)?;
            terminal::print(&format!("{text}\n"))
        }
        PluginsCommand::List { status: false, .. } => {
            let plugins = app.plugins.iter();
            let rows = plugins.map(|plugin| [plugin.id, plugin.summary].map(str::to_owned));
            terminal::print(&rows.collect::<Table<2>>().render())
        }
        PluginsCommand::List { status: true, .. } => list_status(app, global),
        PluginsCommand::Info { name } => {
            let plugin = app.find_plugin(name).ok_or_else(|| unknown_plugin(app, name))?;
            terminal::print(&info(app, plugin)?)
        }
    }
}

/// Starts every enabled plugin without running anything, and tells what came of it.
fn list_status(app: &App, global: &Global) -> Result<ExitCode, Failed> {
    let setup = Setup::load(app, global, IfMissing::Assume)?;
    let mut table = Table::new(["plugin", "configuration", "on this machine"]);
    for plugin in &app.plugins {
        let enabled = setup
            .plugins
            .iter()
            .find(|enabled| enabled.descriptor.id == plugin.id);
        let (configured, verdict) = match enabled {
            None => ("disabled", String::new()),
            Some(enabled) => {
                let verdict = match enabled.try_start(&setup.settings.system_root).0 {
                    Ok(()) => "can start".to_owned(),
                    Err(error) => format!("cannot start: {error}"),
                };
                ("enabled", verdict)
            }
        };
        table.row([plugin.id.to_owned(), configured.to_owned(), verdict]);
    }
    terminal::print(&table.render())
}

fn info(app: &App, plugin: &PluginDescriptor) -> Result<String, Failed> {
    let mut text = format!("{}: {}\n", plugin.id, plugin.summary);
    let metrics = plugin.metrics();
    if !metrics.is_empty() {
        text.push_str("\nMetrics\n");
        let rows = metrics.iter().map(|metric| {
            let attributes = match metric.attributes {
                [] => String::new(),
                attributes => format!(" [{}]", attributes.join(", ")),
            };
            [
                metric.name.to_owned(),
                format!("{} {}", metric.kind, metric.value_type),
                metric.unit.code().into_owned(),
                format!("{}{attributes}", metric.description),
            ]
        });
        text.push_str(&terminal::indented(&rows.collect::<Table<4>>().render()));
    }
    let _ = write!(text, "\nConfiguration\n\n{}", plugin_text(app, plugin, true)?);
    Ok(text)
}

/// All plugins with everything about them, and the agent itself as the first, for programs.
fn catalogue(app: &App) -> Result<Vec<Json>, Failed> {
    let own = self_metrics::all()
        .into_iter()
        .chain(measured::all())
        .chain(mark::all());
    let mut records = vec![json!({
        "id": self_metrics::PLUGIN,
        "summary": "The agent measures itself, and the program of `exec` or `watch`.",
        "enabled_by_default": true,
        "metrics": metrics(own.collect()),
        "configuration_markdown": "",
        "configuration_toml": "",
    })];
    for plugin in &app.plugins {
        records.push(json!({
            "id": plugin.id,
            "summary": plugin.summary,
            "enabled_by_default": app.default_plugins.contains(&plugin.id),
            "metrics": metrics(plugin.metrics()),
            "configuration_markdown": plugin_reference(app, plugin)?.to_markdown(),
            "configuration_toml": plugin_text(app, plugin, true)?,
        }));
    }
    Ok(records)
}

fn metrics(metrics: Vec<MetricDoc>) -> Vec<Json> {
    let record = |metric: MetricDoc| {
        json!({
            "name": metric.name,
            "kind": metric.kind.name(),
            "value_type": metric.value_type.name(),
            "unit": metric.unit.code(),
            "quality": metric.quality.name(),
            "description": metric.description,
            "resources": metric.resources,
            "consumers": metric.consumers,
            "attributes": metric.attributes,
        })
    };
    metrics.into_iter().map(record).collect()
}
