//! The default configuration as text, and the schemas that it is written from.

use alumet_core::plugin::PluginDescriptor;
use schemars::Schema;
use serde_json::Value as Json;

use crate::app::App;
use crate::config::Reference;
use crate::exit::Failed;
use crate::settings::{PluginSettings, Settings};

/// The default configuration as a file that people change: the keys that they change most, and where the others are told.
pub(crate) fn default_text(app: &App) -> Result<String, Failed> {
    let name = app.name;
    let mut text =
        format!("# What people change most. `{name} config default --full` prints every key, explained.\n\n");
    text.push_str(&settings_reference()?.to_short_toml(&[], &app.common_keys));
    text.push_str("\n# A table [plugins.ID] switches a plugin on, and `enabled = false` in it off again. ");
    text.push_str(&format!("`{name} plugins list` names all.\n"));
    for plugin in default_plugins(app) {
        let mut reference = plugin_reference(app, plugin)?;
        reference.default.extend(app.initial_of(plugin.id));
        reference.default.extend(app.initial_of_run(plugin.id));
        let keys = reference.to_short_toml(&["plugins", plugin.id], &app.common_keys);
        text.push_str(&format!("\n# {}\n{keys}", plugin.summary));
    }
    Ok(text)
}

/// What the same configuration chooses for a program that is measured: all but what is for months.
pub(crate) fn initial_text(app: &App) -> String {
    let tables = default_plugins(app).map(|plugin| (plugin.id.to_owned(), app.initial_of(plugin.id).into()));
    let plugins = toml::Table::from_iter([("plugins".to_owned(), toml::Table::from_iter(tables).into())]);
    plugins.to_string()
}

/// The plugins that a new configuration switches on.
fn default_plugins(app: &App) -> impl Iterator<Item = &PluginDescriptor> {
    let is_on = |plugin: &&PluginDescriptor| app.default_plugins.contains(&plugin.id);
    app.plugins.iter().filter(is_on)
}

/// The same configuration with every key: enabled plugins first, the others switched off.
pub(crate) fn full_text(app: &App) -> Result<String, Failed> {
    let mut text = settings_reference()?.to_toml(&[]);
    for (at, plugin) in default_plugins(app).enumerate() {
        text.push('\n');
        let mut initial = app.initial_of(plugin.id);
        initial.extend(app.initial_of_run(plugin.id));
        text.push_str(&text_of(app, plugin, at == 0, initial)?);
    }
    let is_off = |plugin: &&PluginDescriptor| !app.default_plugins.contains(&plugin.id);
    let off: Vec<_> = app.plugins.iter().filter(is_off).collect();
    if !off.is_empty() {
        text.push_str(
            "\n# Plugins that are switched off; `config reference` and `plugins info` explain their keys.\n",
        );
    }
    for PluginDescriptor { id, summary, .. } in off {
        let mut own = app.defaults_of(id);
        own.extend(app.initial_of(id));
        own.extend(app.initial_of_run(id));
        text.push_str(&format!("\n# {summary}\n[plugins.{id}]\nenabled = false\n{own}"));
    }
    Ok(text)
}

/// The default configuration of one plugin as commented TOML; the keys that every plugin has are all there only if they
/// are `described`.
pub(crate) fn plugin_text(app: &App, plugin: &PluginDescriptor, described: bool) -> Result<String, Failed> {
    text_of(app, plugin, described, toml::Table::new())
}

/// The same with some keys set.
fn text_of(
    app: &App,
    plugin: &PluginDescriptor,
    described: bool,
    keys: toml::Table,
) -> Result<String, Failed> {
    let mut reference = plugin_reference(app, plugin)?;
    reference.default.extend(keys);
    if !described {
        reference.default.remove("on_error");
        if let Some(Json::Object(properties)) = reference.schema.get_mut("properties") {
            properties.remove("on_error");
            properties.remove("series");
            properties.remove("unchanged_interval");
            properties.insert("enabled".to_owned(), true.into());
        }
    }
    let text = reference.to_toml(&["plugins", plugin.id]);
    Ok(format!("# {}\n{text}", plugin.summary))
}

/// The keys outside of `[plugins]`.
pub(crate) fn settings_reference() -> Result<Reference, Failed> {
    let mut reference = Reference::of::<Settings>().map_err(anyhow::Error::from)?;
    if let Some(Json::Object(properties)) = reference.schema.get_mut("properties") {
        properties.remove("plugins");
    }
    Ok(reference)
}

/// The keys of a plugin table, those that every plugin has included.
pub(crate) fn plugin_reference(app: &App, plugin: &PluginDescriptor) -> Result<Reference, Failed> {
    let mut default = toml::Table::try_from(PluginSettings::default()).map_err(anyhow::Error::from)?;
    default.extend(app.default_config(plugin).map_err(anyhow::Error::from)?);
    let schema = plugin_schema(plugin);
    Ok(Reference { schema, default })
}

/// The schema of a plugin table, the keys that every plugin has included.
pub(crate) fn plugin_schema(plugin: &PluginDescriptor) -> Schema {
    let mut schema = plugin.schema();
    let mut general = schemars::schema_for!(PluginSettings);
    for part in ["properties", "$defs"] {
        let Some(Json::Object(mut entries)) = general.remove(part) else {
            continue;
        };
        if let Some(Json::Object(own)) = schema.remove(part) {
            entries.extend(own);
        }
        schema.insert(part.to_owned(), entries.into());
    }
    schema
}
