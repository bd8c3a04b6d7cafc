//! From command line and files to plugins that can be started.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use alumet_core::plugin::{PluginConfig, PluginDescriptor};
use schemars::Schema;

use crate::app::App;
use crate::cli::Global;
use crate::config::{
    Alias, Document, Environment, KeyPath, KnownPlugins, Loader, Origin, Problems, ProcessEnvironment,
    Reference, Section, nearest,
};
use crate::exit::Failed;
use crate::known_plugins::KNOWN;
use crate::settings::{OnError, PluginSettings, Settings};

/// A configuration that was read and checked.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) document: Document,
    pub(crate) settings: Settings,
    /// In the order of the file.
    pub(crate) plugins: Vec<EnabledPlugin>,
    /// What became of the default file, if there was none to read.
    pub(crate) default_file: Option<DefaultFile>,
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
    /// Whether both are the same plugin with the same configuration.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.descriptor.id == other.descriptor.id && self.table == other.table
    }
}

/// What became of the default file that was missing.
#[derive(Debug)]
pub(crate) enum DefaultFile {
    /// It was written.
    Written(PathBuf),
    /// It could not be written; its text is used all the same.
    Refused(PathBuf, io::Error),
}

/// What to do when the default file is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    /// Write it.
    Write,
    /// Go on as if it were there.
    Assume,
    /// Fail.
    Fail,
}

impl Setup {
    /// Reads and checks everything.
    pub(crate) fn load(app: &App, global: &Global, if_missing: IfMissing) -> Result<Self, Failed> {
        let environment = ProcessEnvironment;
        let (mut loader, default_file) = loader(app, global, &environment, if_missing)?;
        if let Some(samples) = global.source_channel_size {
            let samples = i64::try_from(samples).unwrap_or(i64::MAX);
            loader = loader.set(
                KeyPath::dotted("pipeline.ingest_capacity"),
                samples,
                Origin::Flag("--source-channel-size".to_owned()),
            );
        }
        let document = loader.load()?;
        let mut problems = Problems::default();
        let settings = keep(document.root().deserialize::<Settings>(), &mut problems);
        let plugins = plugins(app, global, &document, &mut problems)?;
        let mut problems = problems.or_ok(Problems::default())?;
        let settings = settings.unwrap_or_default();
        if !settings.system_root.join("proc").is_dir() {
            let root = settings.system_root.display();
            let message = format!(
                "there is no folder `proc` in {root}; name the folder in which that of the machine is mounted"
            );
            problems.push(document.refused(&["system_root"], message));
        }
        for (path, message) in settings.faults() {
            problems.push(document.refused(&path, message));
        }
        problems.append(transform_faults(&document, &settings, &plugins));
        problems.or_ok(())?;
        if plugins.is_empty() {
            return Err(no_plugins(app, global));
        }
        Ok(Self {
            document,
            settings,
            plugins,
            default_file,
        })
    }

    /// The document with the defaults of everything that is enabled, for people to read.
    pub(crate) fn effective(app: &App, global: &Global) -> Result<Document, Failed> {
        let setup = Self::load(app, global, IfMissing::Assume)?;
        let mut defaults = toml::Table::try_from(Settings::default()).map_err(anyhow::Error::from)?;
        let mut tables = toml::Table::new();
        for plugin in &setup.plugins {
            let table = app
                .default_config(&plugin.descriptor)
                .map_err(anyhow::Error::from)?;
            tables.insert(plugin.descriptor.id.to_owned(), toml::Value::Table(table));
        }
        defaults.insert("plugins".to_owned(), toml::Value::Table(tables));
        let environment = ProcessEnvironment;
        let (loader, _) = loader(app, global, &environment, IfMissing::Assume)?;
        Ok(loader.defaults(defaults).load()?)
    }
}

/// All sources of the configuration, in order.
fn loader<'a>(
    app: &App,
    global: &Global,
    environment: &'a dyn Environment,
    if_missing: IfMissing,
) -> Result<(Loader<'a>, Option<DefaultFile>), Failed> {
    let mut loader = Loader::new(environment).aliases([
        Alias::new("plugins.*.enable", "plugins.*.enabled"),
        Alias::new("source_channel_size", "pipeline.ingest_capacity"),
    ]);
    let mut default_file = None;
    if global.config.is_empty() {
        let path = Path::new(app.config_file);
        if !path.exists() && if_missing != IfMissing::Fail && !global.no_default_config {
            let text = default_text(app)?;
            if if_missing == IfMissing::Write {
                default_file = write_default(path, &text);
            }
            loader = loader.text(path, text);
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
        loader = loader.set(key.clone(), value.clone(), Origin::Flag(format!("--{flag}")));
    }
    Ok((loader, default_file))
}

/// The default configuration as a file: enabled plugins first, the others switched off.
pub(crate) fn default_text(app: &App) -> Result<String, Failed> {
    let (schema, default) = Reference::parts_of::<Settings>().map_err(anyhow::Error::from)?;
    let mut text = Reference {
        schema: &schema,
        default: &default,
    }
    .to_toml(&[]);
    let enabled = |plugin: &&PluginDescriptor| app.default_plugins.contains(&plugin.id);
    let (on, off): (Vec<_>, Vec<_>) = app.plugins.iter().partition(enabled);
    for plugin in on {
        text.push('\n');
        text.push_str(&plugin_text(app, plugin, true)?);
    }
    for plugin in off {
        text.push('\n');
        text.push_str(&plugin_text(app, plugin, false)?);
    }
    Ok(text)
}

/// The default configuration of one plugin as commented TOML.
pub(crate) fn plugin_text(app: &App, plugin: &PluginDescriptor, enabled: bool) -> Result<String, Failed> {
    let (schema, mut default) = plugin_parts(app, plugin)?;
    default.insert("enabled".to_owned(), toml::Value::Boolean(enabled));
    Ok(format!(
        "# {}\n{}",
        plugin.summary,
        Reference {
            schema: &schema,
            default: &default
        }
        .to_toml(&["plugins", plugin.id])
    ))
}

/// The schema and the defaults of a plugin table, the keys that every plugin has included.
pub(crate) fn plugin_parts(app: &App, plugin: &PluginDescriptor) -> Result<(Schema, toml::Table), Failed> {
    let mut default = toml::Table::try_from(PluginSettings::default()).map_err(anyhow::Error::from)?;
    default.extend(app.default_config(plugin).map_err(anyhow::Error::from)?);
    Ok((plugin_schema(plugin), default))
}

/// The schema of a plugin table, the keys that every plugin has included.
fn plugin_schema(plugin: &PluginDescriptor) -> Schema {
    let mut schema = plugin.schema();
    let mut general = schemars::schema_for!(PluginSettings);
    for part in ["properties", "$defs"] {
        let Some(serde_json::Value::Object(mut entries)) = general.remove(part) else {
            continue;
        };
        let object = schema.ensure_object();
        let target = object
            .entry(part)
            .or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
        if let serde_json::Value::Object(target) = target {
            entries.append(target);
            *target = entries;
        }
    }
    schema
}

/// Writes the default file; without the permission the agent goes on with the same text in memory.
fn write_default(path: &Path, text: &str) -> Option<DefaultFile> {
    let result =
        fs::File::create_new(path).and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    match result {
        Ok(()) => Some(DefaultFile::Written(path.to_owned())),
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
        Err(error) => Some(DefaultFile::Refused(path.to_owned(), error)),
    }
}

/// The plugins that are enabled, with their configurations.
fn plugins(
    app: &App,
    global: &Global,
    document: &Document,
    problems: &mut Problems,
) -> Result<Vec<EnabledPlugin>, Failed> {
    let compiled = app.plugin_ids();
    let not_compiled: Vec<_> = KNOWN
        .iter()
        .copied()
        .filter(|id| !compiled.contains(id))
        .collect();
    let known = KnownPlugins {
        compiled: &compiled,
        not_compiled: &not_compiled,
    };
    let section = document.section(&KeyPath::dotted("plugins"));
    let mut enabled = Vec::new();
    if let Some(section) = &section {
        if global.plugins.is_none() {
            keep(known.check(section), problems);
        }
        for id in section.keys() {
            let wanted = global
                .plugins
                .as_ref()
                .is_none_or(|plugins| plugins.iter().any(|plugin| plugin == id));
            if let (true, Some(descriptor), Some(table)) = (wanted, app.find_plugin(id), section.section(id))
            {
                let plugin = keep(
                    plugin(app, document, &table, descriptor, global.plugins.is_some()),
                    problems,
                );
                enabled.extend(plugin.flatten());
            }
        }
    }
    for id in global.plugins.iter().flatten() {
        let Some(descriptor) = app.find_plugin(id) else {
            return Err(unknown_plugin(app, id));
        };
        if section
            .as_ref()
            .is_none_or(|section| section.section(id).is_none())
        {
            let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(app.defaults_of(id));
            let config = descriptor
                .parse(&mut deserializer)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            enabled.push(EnabledPlugin {
                descriptor: *descriptor,
                config,
                on_error: OnError::Fail,
                table: toml::Table::new(),
            });
        }
    }
    Ok(enabled)
}

/// One plugin table; `None` if it is switched off.
fn plugin(
    app: &App,
    document: &Document,
    table: &Section<'_>,
    descriptor: &PluginDescriptor,
    forced: bool,
) -> Result<Option<EnabledPlugin>, Problems> {
    let schema = plugin_schema(descriptor);
    table.check(&schema)?;
    let mut values = table.to_typed_toml_table(&schema);
    for (key, value) in app.defaults_of(descriptor.id) {
        values.entry(key).or_insert(value);
    }
    let general: toml::Table = ["enabled", "on_error"]
        .into_iter()
        .filter_map(|key| values.remove(key).map(|value| (key.to_owned(), value)))
        .collect();
    let mut track = serde_path_to_error::Track::new();
    let general: PluginSettings =
        serde::Deserialize::deserialize(serde_path_to_error::Deserializer::new(general, &mut track))
            .map_err(|error: toml::de::Error| {
                refused(document, descriptor.id, &steps(&track.path()), error.message())
            })?;
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(values, &mut track);
    let parsed = descriptor.parse(&mut <dyn erased_serde::Deserializer<'_>>::erase(tracked));
    let config = parsed.map_err(|error| {
        // The message of the TOML library ends with the key, which the place tells already.
        let message = error.to_string();
        let message = message.split("\nin `").next().unwrap_or_default();
        refused(document, descriptor.id, &steps(&track.path()), message.trim())
    })?;
    descriptor.check(&config).map_err(|faults| {
        let mut problems = Problems::default();
        for fault in faults {
            problems.append(refused(document, descriptor.id, &fault.key, &fault.message));
        }
        problems
    })?;
    let enabled = general.enabled || forced;
    Ok(enabled.then(|| EnabledPlugin {
        descriptor: *descriptor,
        config,
        on_error: general.on_error,
        table: table.to_toml_table(),
    }))
}

/// Places in the order of transforms that no enabled plugin takes.
fn transform_faults(document: &Document, settings: &Settings, plugins: &[EnabledPlugin]) -> Problems {
    let ids: Vec<_> = plugins.iter().map(|plugin| plugin.descriptor.id).collect();
    let mut problems = Problems::default();
    for (at, named) in settings.pipeline.transforms.iter().enumerate() {
        if !ids.contains(&named.as_str()) {
            let message = format!(
                "no plugin `{named}` is enabled; remove it, or enable it with a table [plugins.{named}]"
            );
            problems.push(document.refused(&["pipeline", "transforms", &at.to_string()], message));
        }
    }
    problems
}

fn refused(document: &Document, plugin: &str, key: &[String], message: &str) -> Problems {
    let path: Vec<&str> = ["plugins", plugin]
        .into_iter()
        .chain(key.iter().map(String::as_str))
        .collect();
    let mut problems = Problems::default();
    problems.push(document.refused(&path, message));
    problems
}

fn steps(path: &serde_path_to_error::Path) -> Vec<String> {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Collects the problems of a step so that later steps can add theirs.
fn keep<T>(result: Result<T, Problems>, problems: &mut Problems) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(found) => {
            problems.append(found);
            None
        }
    }
}

/// Explains that this program does not have the plugin `id`.
pub(crate) fn unknown_plugin(app: &App, id: &str) -> Failed {
    if KNOWN.contains(&id) {
        return Failed::usage(format!(
            "the plugin `{id}` is not in this program\n  help: use a build that has it (cargo feature `{id}`); this one has: {}",
            app.plugin_ids().join(", ")
        ));
    }
    let ids = app.plugin_ids();
    let guess = nearest(id, ids.iter().copied())
        .map_or_else(String::new, |nearest| format!("did you mean `{nearest}`? "));
    Failed::usage(format!(
        "there is no plugin `{id}`\n  help: {guess}this program has: {}",
        ids.join(", ")
    ))
}

fn no_plugins(app: &App, global: &Global) -> Failed {
    let files: Vec<_> = match global.config.as_slice() {
        [] => vec![app.config_file.to_owned()],
        paths => paths.iter().map(|path| path.display().to_string()).collect(),
    };
    let ids = app.plugin_ids();
    let example = app
        .default_plugins
        .iter()
        .find(|id| ids.contains(id))
        .or(ids.first());
    let example = example.map_or_else(String::new, |id| format!(", for example [plugins.{id}]"));
    Failed::usage(format!(
        "no plugin is enabled in {}, so there is nothing to do\n  help: add a table{example}, or name plugins with \
         --plugins; this program has: {}",
        files.join(", "),
        ids.join(", ")
    ))
}
