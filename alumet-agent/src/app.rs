//! The application as a value: its name and its plugins.

use std::collections::BTreeMap;

use alumet_core::plugin::{Plugin, PluginDescriptor};

use crate::config::KeyPath;
use crate::extra_command::ExtraCommand;

/// An application: its name, its plugins, and what it does by default.
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) about: &'static str,
    pub(crate) config_file: &'static str,
    pub(crate) plugins: Vec<PluginDescriptor>,
    pub(crate) default_plugins: Vec<&'static str>,
    pub(crate) program_plugins: Vec<&'static str>,
    pub(crate) program_defaults: BTreeMap<&'static str, toml::Table>,
    pub(crate) labels_by: Option<(&'static str, &'static str)>,
    /// The keys that a new configuration file shows.
    pub(crate) common_keys: Vec<KeyPath>,
    /// With what `top` measures: TOML.
    pub(crate) top_plugins: &'static str,
    /// The keys of plugins whose default is another one in this application.
    pub(crate) plugin_defaults: BTreeMap<&'static str, toml::Table>,
    /// What the file says that is written when there is none.
    pub(crate) initial: BTreeMap<&'static str, toml::Table>,
    /// The same for what runs for months, and not for programs that are measured without a file.
    pub(crate) run_initial: BTreeMap<&'static str, toml::Table>,
    pub(crate) shortcuts: Vec<Shortcut>,
    pub(crate) lookups: Vec<Lookup>,
    /// The machine's own meters, and the parts that are held against them.
    pub(crate) power_meters: Vec<PowerOf>,
    pub(crate) power_parts: Vec<PowerOf>,
    pub(crate) extra_commands: Vec<ExtraCommand>,
    pub(crate) purpose: Purpose,
}

/// What an application is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It measures the machine on which it runs.
    Measure,
    /// It receives what others measure.
    Receive,
}

/// A flag that sets one key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Shortcut {
    /// The long name of the flag, without dashes.
    pub flag: &'static str,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// The key, with dots between its parts.
    pub key: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// A plugin that the flag enables, too, whatever the configuration and `--plugins` say.
    pub enables: Option<&'static str>,
}

/// A flag of `watch` for a control group that a plugin knows by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup {
    /// The long name of the flag, without dashes.
    pub flag: &'static str,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// What such a control group is.
    pub what: &'static str,
    /// The plugin that knows it.
    pub plugin: &'static str,
    /// The attributes of its samples that the name may be, each a choice: `job_id`, or `namespace/name` for a name of two parts; of
    /// one that ends with `*`, the name may be the beginning.
    pub attributes: &'static [&'static str],
}

/// A metric of power or energy, and of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerOf {
    /// The name of the metric: a gauge of power, or a delta of energy.
    pub metric: &'static str,
    /// The attribute of the series that are meant; all if there is none. Of several of one resource, the largest counts.
    pub attribute: Option<(&'static str, &'static str)>,
    /// What draws it or shows it, in words for people.
    pub what: &'static str,
}

impl App {
    /// An application without plugins.
    pub fn new(name: &'static str, version: &'static str, about: &'static str) -> Self {
        Self {
            name,
            version,
            about,
            config_file: "alumet-config.toml",
            plugins: Vec::new(),
            default_plugins: Vec::new(),
            program_plugins: Vec::new(),
            program_defaults: BTreeMap::new(),
            labels_by: None,
            common_keys: ["pipeline.self_metrics", "spool.durable", "health.address"]
                .map(KeyPath::dotted)
                .to_vec(),
            top_plugins: "",
            plugin_defaults: BTreeMap::new(),
            initial: BTreeMap::new(),
            run_initial: BTreeMap::new(),
            shortcuts: Vec::new(),
            lookups: Vec::new(),
            power_meters: Vec::new(),
            power_parts: Vec::new(),
            extra_commands: Vec::new(),
            purpose: Purpose::Measure,
        }
    }

    /// Adds a plugin, which the configuration can switch on.
    #[must_use]
    pub fn plugin<P: Plugin>(self) -> Self {
        self.plugins([PluginDescriptor::of::<P>()])
    }

    /// Adds plugins, which the configuration can switch on.
    #[must_use]
    pub fn plugins(mut self, plugins: impl IntoIterator<Item = PluginDescriptor>) -> Self {
        self.plugins.extend(plugins);
        self
    }

    /// Chooses the plugins that a new configuration file switches on; those that this program lacks are passed over.
    #[must_use]
    pub fn enabled_by_default(mut self, ids: impl IntoIterator<Item = &'static str>) -> Self {
        self.default_plugins.extend(ids);
        self
    }

    /// Chooses plugins that `exec` and `watch` need for what they tell of a program. They start with their defaults unless the
    /// configuration speaks of them or the plugins are named on the command line; those that this program lacks are passed
    /// over.
    #[must_use]
    pub fn enabled_for_programs(mut self, ids: impl IntoIterator<Item = &'static str>) -> Self {
        self.program_plugins.extend(ids);
        self
    }

    /// Gives a table of a plugin other defaults in `exec` and `watch`, as long as these are not about other processes as well.
    #[must_use]
    pub fn program_default(mut self, plugin: &'static str, defaults: toml::Table) -> Self {
        self.program_defaults.insert(plugin, defaults);
        self
    }

    /// Chooses the plugin, and its table, that give all samples of `exec` and `watch` the attributes of the run; without it
    /// there are none.
    #[must_use]
    pub const fn labels_by(mut self, plugin: &'static str, table: &'static str) -> Self {
        self.labels_by = Some((plugin, table));
        self
    }

    /// Chooses the keys of plugins, such as `plugins.csv.output_path`, that a new configuration file shows because people
    /// change them; it says where the others are told.
    #[must_use]
    pub fn common_keys(mut self, keys: impl IntoIterator<Item = &'static str>) -> Self {
        self.common_keys.extend(keys.into_iter().map(KeyPath::dotted));
        self
    }

    /// Chooses the plugins with which `top` measures, a TOML table of each, whose keys go before those of files; `INTERVAL` stands
    /// for its time between two measurements, and those that this program lacks are passed over. Without this there is no `top`.
    #[must_use]
    pub const fn measured_by_top(mut self, tables: &'static str) -> Self {
        self.top_plugins = tables;
        self
    }

    /// Chooses the configuration file that is read, and written if it is missing, when the command line names none. Without
    /// this it is `alumet-config.toml`.
    #[must_use]
    pub const fn config_file(mut self, name: &'static str) -> Self {
        self.config_file = name;
        self
    }

    /// Gives a key of the table of a plugin another default than the plugin has.
    #[must_use]
    pub fn plugin_default(
        mut self,
        plugin: &'static str,
        key: &'static str,
        value: impl Into<toml::Value>,
    ) -> Self {
        let table = self.plugin_defaults.entry(plugin).or_default();
        table.insert(key.to_owned(), value.into());
        self
    }

    /// Sets a key of the table of a plugin in a new configuration file. Where a file lacks the key, its default counts.
    #[must_use]
    pub fn plugin_initial(
        mut self,
        plugin: &'static str,
        key: &'static str,
        value: impl Into<toml::Value>,
    ) -> Self {
        let table = self.initial.entry(plugin).or_default();
        table.insert(key.to_owned(), value.into());
        self
    }

    /// The same for a key that is for what runs for months: `exec` and `watch`, where there is no file, go by the default.
    #[must_use]
    pub fn plugin_initial_of_run(
        mut self,
        plugin: &'static str,
        key: &'static str,
        value: impl Into<toml::Value>,
    ) -> Self {
        let table = self.run_initial.entry(plugin).or_default();
        table.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a flag that sets one key of the configuration.
    #[must_use]
    pub fn shortcut(mut self, shortcut: Shortcut) -> Self {
        self.shortcuts.push(shortcut);
        self
    }

    /// Adds a flag to `watch`, if this program has its plugin.
    #[must_use]
    pub fn lookup(mut self, lookup: Lookup) -> Self {
        if self.find_plugin(lookup.plugin).is_some() {
            self.lookups.push(lookup);
        }
        self
    }

    /// Chooses the meters of the whole machine that `doctor` holds the sum of its parts against, of whatever the enabled plugins
    /// measure.
    #[must_use]
    pub fn power_balance(
        mut self,
        meters: impl IntoIterator<Item = PowerOf>,
        parts: impl IntoIterator<Item = PowerOf>,
    ) -> Self {
        self.power_meters.extend(meters);
        self.power_parts.extend(parts);
        self
    }

    /// Adds a command; one with the name of a built-in command takes its place.
    #[must_use]
    pub fn command(mut self, command: ExtraCommand) -> Self {
        self.extra_commands.push(command);
        self
    }

    /// For a program that receives what others measure, instead of measuring the machine on which it runs: there are no
    /// commands `exec`, `watch` and `top`, `doctor` says nothing of the hardware, and outputs are durable that do not say otherwise,
    /// because others trust it with their samples.
    #[must_use]
    pub const fn receives(mut self) -> Self {
        self.purpose = Purpose::Receive;
        self
    }

    /// Whether the program has the built-in command `name`.
    pub(crate) fn has_built_in(&self, name: &str) -> bool {
        let is_left_out = self.purpose == Purpose::Receive
            && ["exec", "watch", "top", "mark"].contains(&name)
            || self.top_plugins.is_empty() && name == "top";
        !is_left_out && self.extra_commands.iter().all(|extra| extra.name() != name)
    }

    /// The plugin, and its table, that give samples labels, if this program has it.
    pub(crate) fn labelling(&self) -> Option<(&'static str, &'static str)> {
        self.labels_by
            .filter(|(plugin, _)| self.find_plugin(plugin).is_some())
    }

    pub(crate) fn find_plugin(&self, id: &str) -> Option<&PluginDescriptor> {
        self.plugins.iter().find(|plugin| plugin.id == id)
    }

    /// The default configuration of a plugin in this application.
    pub(crate) fn default_config(&self, plugin: &PluginDescriptor) -> Result<toml::Table, toml::ser::Error> {
        let mut table = plugin.default_config()?;
        table.extend(self.defaults_of(plugin.id));
        Ok(table)
    }

    /// The keys of a plugin whose default is another one in this application.
    pub(crate) fn defaults_of(&self, plugin: &str) -> toml::Table {
        self.plugin_defaults.get(plugin).cloned().unwrap_or_default()
    }

    /// The keys of a plugin that a new configuration file sets to something else than their default.
    pub(crate) fn initial_of(&self, plugin: &str) -> toml::Table {
        self.initial.get(plugin).cloned().unwrap_or_default()
    }

    /// The same for what runs for months.
    pub(crate) fn initial_of_run(&self, plugin: &str) -> toml::Table {
        self.run_initial.get(plugin).cloned().unwrap_or_default()
    }

    pub(crate) fn plugin_ids(&self) -> Vec<&'static str> {
        self.plugins.iter().map(|plugin| plugin.id).collect()
    }
}
