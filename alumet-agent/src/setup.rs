//! From command line and files to plugins that can be started.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use alumet_core::plugin::{Faults, Finding, Host, PluginConfig, PluginDescriptor, StartContext, StartError};
use alumet_core::time::{Monotonic, SystemClock};
use serde_json::Value as Json;

use crate::app::App;
use crate::cli::Global;
use crate::config::{Alias, Document, KeyPath, Loader, Origin, Problem, Problems, from_json, nearest};
use crate::default_text::{default_text, initial_text, plugin_reference, plugin_schema};
use crate::exit::Failed;
use crate::known_plugins::KNOWN;
use crate::settings::{OnError, PluginSettings, Settings};
use crate::telemetry::TelemetrySettings;

/// A configuration that was read and checked.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) document: Document,
    pub(crate) settings: Settings,
    /// In the order of the file.
    pub(crate) plugins: Vec<EnabledPlugin>,
    /// The text of the default file, if that is to be written in place of one that is missing.
    pub(crate) default_text: Option<String>,
}

/// A plugin that the configuration enables.
#[derive(Debug)]
pub(crate) struct EnabledPlugin {
    pub(crate) descriptor: PluginDescriptor,
    pub(crate) config: PluginConfig,
    pub(crate) on_error: OnError,
    /// The table as it was given, to see whether it has changed.
    table: toml::Table,
}

impl EnabledPlugin {
    /// A plugin with the defaults of this program; `None` if these are not enough for it.
    pub(crate) fn with_defaults(app: &App, descriptor: &PluginDescriptor) -> Option<Self> {
        let path = KeyPath::dotted("plugins").key(descriptor.id);
        let (_, plugin) = plugin(app, &Document::default(), &path, descriptor).ok()?;
        Some(plugin)
    }

    /// Whether both are the same plugin with the same configuration.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.descriptor.id == other.descriptor.id && self.table == other.table
    }

    /// Starts the plugin only to see whether it can, and lets go of it at once; with what it has found out.
    pub(crate) fn try_start(&self, root: &Path) -> (Result<(), StartError>, Vec<Finding>) {
        let host = Host::trial(Arc::new(SystemClock), root);
        let mut context = StartContext::new(&host);
        let started = self
            .descriptor
            .start(&self.config, &mut context)
            .map(|mut running| {
                // The elements go first, as in a run.
                drop(context.take_specs());
                running.stop();
            });
        (started, context.findings().to_vec())
    }
}

/// What to do when the default file is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    /// Go on as if it were there.
    Assume,
    /// Write it, and go on.
    Write,
    /// Fail.
    Fail,
}

impl Setup {
    /// Reads and checks everything.
    pub(crate) fn load(app: &App, global: &Global, if_missing: IfMissing) -> Result<Self, Failed> {
        let (loader, default_text) = loader(app, global, if_missing)?;
        let setup = Self::of(app, Some(global), loader)?;
        if setup.plugins.is_empty() {
            return Err(no_plugins(app, global));
        }
        Ok(Self {
            default_text,
            ..setup
        })
    }

    /// What a new configuration file would give.
    pub(crate) fn defaults(app: &App) -> Result<Self, Failed> {
        let loader = Loader::new(&PROCESS).text(app.config_file, default_text(app)?);
        Self::of(app, None, loader)
    }

    /// Reads all sources and checks what they say, with the plugins that the command line chooses, and those that the command
    /// needs.
    fn of(app: &App, global: Option<&Global>, loader: Loader<'_>) -> Result<Self, Failed> {
        let chosen = global.and_then(|global| global.plugins.as_deref());
        let (mut document, mut problems) = loader.merge()?;
        let path = KeyPath::dotted("plugins");
        let fill = |document: &mut Document, id: &str, keys: toml::Table| {
            let table = toml::Table::from_iter([(id.to_owned(), keys.into())]);
            document.fill(toml::Table::from_iter([("plugins".to_owned(), table.into())]));
        };
        match chosen {
            Some(chosen) => {
                for id in chosen {
                    app.find_plugin(id).ok_or_else(|| unknown_plugin(app, id))?;
                    fill(&mut document, id, toml::Table::new());
                }
            }
            None => {
                for (id, keys) in global.into_iter().flat_map(|global| &global.needed_plugins) {
                    let plugins = document.table(&path);
                    let is_named = plugins.is_some_and(|plugins| plugins.contains_key(*id));
                    if !is_named && app.find_plugin(id).is_some() {
                        fill(&mut document, id, keys.clone());
                    }
                }
            }
        }
        for (id, defaults) in global.into_iter().flat_map(|global| &global.plugin_defaults) {
            // A table would enable a plugin that nobody has named.
            if document
                .table(&path)
                .is_some_and(|plugins| plugins.contains_key(*id))
            {
                fill(&mut document, id, defaults.clone());
            }
        }
        let schema = || schemars::schema_for!(Settings);
        let settings = document.read(&KeyPath::root(), schema, from_json, Settings::check);
        let settings = problems.keep(settings).unwrap_or_default();
        let mut plugins = Vec::new();
        let mut named = Vec::new();
        for (id, table) in document.table(&path).into_iter().flatten() {
            // Settings have refused what is no table.
            let Some(table) = table.as_table() else { continue };
            if chosen.is_some_and(|chosen| chosen.iter().all(|other| other != id)) {
                continue;
            }
            let path = path.clone().key(id);
            let Some(descriptor) = app.find_plugin(id) else {
                let is_off = table.get("enabled") == Some(&false.into());
                // One that this program lacks does no harm while it is switched off.
                if !is_off || !KNOWN.contains(&id.as_str()) {
                    let (what, help) = no_such_plugin(app, id);
                    problems.push(Problem::new(what).at(document.place_of(&path)).help(help));
                }
                continue;
            };
            match problems.keep(plugin(app, &document, &path, descriptor)) {
                Some((false, _)) if chosen.is_none() => {}
                // One that is wrong might be enabled.
                plugin => {
                    named.push(id.as_str());
                    plugins.extend(plugin.map(|(_, plugin)| plugin));
                }
            }
        }
        // Not from the settings: something else may be wrong with them.
        let pipeline = document.table(&KeyPath::dotted("pipeline"));
        let transforms = pipeline.and_then(|pipeline| pipeline.get("transforms")?.as_array());
        for (at, transform) in transforms.into_iter().flatten().enumerate() {
            if let Some(id) = transform.as_str().filter(|id| !named.contains(id)) {
                let message = format!(
                    "no plugin `{id}` is enabled; remove it, or enable it with a table [plugins.{id}]"
                );
                problems.push(document.refused(&["pipeline", "transforms", &at.to_string()], message));
            }
        }
        problems.or_ok(())?;
        Ok(Self {
            document,
            settings,
            plugins,
            default_text: None,
        })
    }

    /// The document with the defaults of everything that is enabled, for people to read.
    pub(crate) fn effective(app: &App, global: &Global) -> Result<Document, Failed> {
        let setup = Self::load(app, global, IfMissing::Assume)?;
        let settings = Settings {
            telemetry: setup.settings.telemetry,
            ..Settings::default()
        };
        let mut defaults = toml::Table::try_from(settings).map_err(anyhow::Error::from)?;
        let mut tables = toml::Table::new();
        for EnabledPlugin { descriptor, .. } in &setup.plugins {
            let table = plugin_reference(app, descriptor)?.default;
            tables.insert(descriptor.id.to_owned(), table.into());
        }
        defaults.insert("plugins".to_owned(), tables.into());
        let mut document = setup.document;
        document.fill(defaults);
        document.hide_secrets(
            &KeyPath::dotted("telemetry"),
            &schemars::schema_for!(TelemetrySettings),
        );
        for plugin in &app.plugins {
            let path = KeyPath::dotted("plugins").key(plugin.id);
            document.hide_secrets(&path, &plugin.schema());
        }
        Ok(document)
    }
}

/// The variables of this process.
const PROCESS: fn(&str) -> Option<OsString> = |name| std::env::var_os(name);

/// All sources of the configuration, in order, and the text that is to be written in place of a file that is missing.
fn loader(
    app: &App,
    global: &Global,
    if_missing: IfMissing,
) -> Result<(Loader<'static>, Option<String>), Failed> {
    let of_program = [
        ("plugins.*.enable", "plugins.*.enabled"),
        ("source_channel_size", "pipeline.ingest_capacity"),
        ("plugins.OAR3", "plugins.oar"),
    ];
    let of_program = of_program.map(|(old, new)| Alias {
        old: old.into(),
        new: new.into(),
    });
    let of_plugins = app.plugins.iter().flat_map(|plugin| {
        let path = |key| format!("plugins.{}.{key}", plugin.id).into();
        plugin.old_keys.iter().map(move |(old, new)| Alias {
            old: path(old),
            new: path(new),
        })
    });
    let mut loader = Loader::new(&PROCESS).aliases(of_program).aliases(of_plugins);
    let mut default = None;
    if global.config.is_empty() {
        let path = Path::new(app.config_file);
        if !path.exists() && if_missing != IfMissing::Fail && !global.no_default_config {
            let text = match if_missing {
                IfMissing::Write => default.insert(default_text(app)?),
                _ => &initial_text(app),
            };
            loader = loader.text(path, text.as_str());
        } else {
            loader = loader.path(path);
        }
    }
    for path in &global.config {
        loader = loader.path(path);
    }
    for text in &global.config_override {
        loader = loader.override_with(text);
    }
    for (key, value, flag) in &global.shortcuts {
        loader = loader.set(key, value.clone(), Origin::Flag(format!("--{flag}")));
    }
    if let Some(samples) = global.source_channel_size {
        let samples = i64::try_from(samples).unwrap_or(i64::MAX);
        let origin = Origin::Flag("--source-channel-size".to_owned());
        loader = loader.set(&KeyPath::dotted("pipeline.ingest_capacity"), samples, origin);
    }
    Ok((loader, default))
}

/// One plugin table, and whether it is switched on.
fn plugin(
    app: &App,
    document: &Document,
    path: &KeyPath,
    descriptor: &PluginDescriptor,
) -> Result<(bool, EnabledPlugin), Problems> {
    let parse = |mut json: Json| {
        let mut general = serde_json::Map::new();
        if let Json::Object(values) = &mut json {
            for key in ["enabled", "on_error", "series", "unchanged_interval"] {
                general.extend(values.remove_entry(key));
            }
            for (key, value) in app.defaults_of(descriptor.id) {
                values
                    .entry(key)
                    .or_insert_with(|| serde_json::to_value(value).unwrap_or_default());
            }
        }
        let general: PluginSettings = from_json(general.into())?;
        let config = descriptor.parse(&mut <dyn erased_serde::Deserializer<'_>>::erase(json));
        Ok((general, config.map_err(|error| error.to_string())?))
    };
    let filter_of = |general: &PluginSettings| {
        let filter = general.series.as_ref();
        filter
            .map(|filter| filter.filter(Monotonic::default()))
            .transpose()
    };
    let check = |(general, config): &(PluginSettings, PluginConfig)| {
        let mut faults = Faults::default();
        faults.keep(descriptor.check(config));
        if let Some(interval) = general.unchanged_interval {
            faults.refuse_zero("unchanged_interval", *interval);
        }
        for fault in filter_of(general).err().into_iter().flatten() {
            faults.add(&format!("series.{}", fault.key.join(".")), fault.message);
        }
        faults.or_ok()
    };
    let (general, mut config) = document.read(path, || plugin_schema(descriptor), parse, check)?;
    if let Ok(Some(filter)) = filter_of(&general) {
        config.filter_outputs(move |series| filter.keeps(series));
    }
    if let Some(interval) = general.unchanged_interval {
        config.thin_outputs(*interval);
    }
    let plugin = EnabledPlugin {
        descriptor: *descriptor,
        config,
        on_error: general.on_error,
        table: document.table(path).cloned().unwrap_or_default(),
    };
    Ok((general.enabled, plugin))
}

/// What is wrong with the name of a plugin that this program does not have, and what would help.
fn no_such_plugin(app: &App, id: &str) -> (String, String) {
    if KNOWN.contains(&id) {
        let what = format!("this program was built without the plugin `{id}`");
        let help = format!(
            "switch it off with `enabled = false`, choose others with `--plugins`, or use a build that has it (cargo \
             feature `{id}`)"
        );
        return (what, help);
    }
    let ids = app.plugin_ids();
    let guess = nearest(id, ids.iter().chain(KNOWN).copied());
    let guess = guess.map_or_else(String::new, |nearest| format!("did you mean `{nearest}`? "));
    let help = format!("{guess}this program has: {}", ids.join(", "));
    (format!("there is no plugin `{id}`"), help)
}

/// Explains that this program does not have the plugin `id`.
pub(crate) fn unknown_plugin(app: &App, id: &str) -> Failed {
    let (what, help) = no_such_plugin(app, id);
    Failed::usage(format!("{what}\n  help: {help}"))
}

fn no_plugins(app: &App, global: &Global) -> Failed {
    let what = match &global.plugins {
        Some(_) => "--plugins names no plugin".to_owned(),
        None => format!("no plugin is enabled in {}", global.files(app)),
    };
    let ids = app.plugin_ids();
    let example = app.default_plugins.iter().find(|id| ids.contains(id));
    let example = example.or(ids.first());
    let example = example.map_or_else(String::new, |id| format!(", for example [plugins.{id}]"));
    Failed::usage(format!(
        "{what}, so there is nothing to do\n  help: add a table{example}, or name plugins with --plugins; this program has: \
         {}",
        ids.join(", ")
    ))
}
