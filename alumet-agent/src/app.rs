//! The application as a value: its name and its plugins.

use alumet_core::plugin::{Plugin, PluginDescriptor};

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
    pub(crate) plugin_defaults: Vec<PluginDefault>,
    pub(crate) shortcuts: Vec<Shortcut>,
    pub(crate) extra_commands: Vec<ExtraCommand>,
    pub(crate) purpose: Purpose,
    pub(crate) is_durable: bool,
}

/// What an application is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It measures the machine on which it runs.
    Measure,
    /// It receives what others measure.
    Receive,
}

/// The default of a key of a plugin, where it is another one in this application.
#[derive(Debug, Clone)]
pub(crate) struct PluginDefault {
    plugin: &'static str,
    key: &'static str,
    value: toml::Value,
}

/// A flag that sets one key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Shortcut {
    /// The long name of the flag, without dashes.
    pub(crate) flag: &'static str,
    /// What stands for the value in the help.
    pub(crate) value_name: &'static str,
    /// The key, with dots between its parts.
    pub(crate) key: &'static str,
    /// One sentence for people.
    pub(crate) help: &'static str,
    /// A plugin that the flag enables, too.
    pub(crate) enables: Option<&'static str>,
}

impl Shortcut {
    /// The flag `--<flag> <value_name>`, which sets the key, whose parts have dots between them. `help` is one sentence for
    /// people.
    pub const fn new(
        flag: &'static str,
        value_name: &'static str,
        key: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            flag,
            value_name,
            key,
            help,
            enables: None,
        }
    }

    /// Lets the flag enable a plugin, too, whatever the configuration and `--plugins` say.
    #[must_use]
    pub const fn enabling(mut self, plugin: &'static str) -> Self {
        self.enables = Some(plugin);
        self
    }
}

impl Purpose {
    /// What such a program is called.
    pub(crate) const fn role(self) -> &'static str {
        match self {
            Self::Measure => "agent",
            Self::Receive => "server",
        }
    }
}

impl App {
    /// An application without plugins.
    pub const fn new(name: &'static str, version: &'static str, about: &'static str) -> Self {
        Self {
            name,
            version,
            about,
            config_file: "alumet-config.toml",
            plugins: Vec::new(),
            default_plugins: Vec::new(),
            plugin_defaults: Vec::new(),
            shortcuts: Vec::new(),
            extra_commands: Vec::new(),
            purpose: Purpose::Measure,
            is_durable: false,
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
        let value = value.into();
        self.plugin_defaults.push(PluginDefault { plugin, key, value });
        self
    }

    /// Adds a flag that sets one key of the configuration.
    #[must_use]
    pub fn shortcut(mut self, shortcut: Shortcut) -> Self {
        self.shortcuts.push(shortcut);
        self
    }

    /// Adds a command; one with the name of a built-in command takes its place.
    #[must_use]
    pub fn command(mut self, command: ExtraCommand) -> Self {
        self.extra_commands.push(command);
        self
    }

    /// For a program that receives what others measure, instead of measuring the machine on which it runs: there are no
    /// commands `exec` and `watch`, and `doctor` says nothing of the hardware.
    #[must_use]
    pub const fn receives(mut self) -> Self {
        self.purpose = Purpose::Receive;
        self
    }

    /// Makes outputs durable that do not say otherwise: for a program that others trust with their samples.
    #[must_use]
    pub const fn durable_outputs(mut self) -> Self {
        self.is_durable = true;
        self
    }

    /// Whether the program has the built-in command `name`.
    pub(crate) fn has_built_in(&self, name: &str) -> bool {
        let is_left_out = self.purpose == Purpose::Receive && ["exec", "watch"].contains(&name);
        !is_left_out && self.extra_commands.iter().all(|extra| extra.name() != name)
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
        let defaults = self
            .plugin_defaults
            .iter()
            .filter(|default| default.plugin == plugin);
        defaults
            .map(|default| (default.key.to_owned(), default.value.clone()))
            .collect()
    }

    pub(crate) fn plugin_ids(&self) -> Vec<&'static str> {
        self.plugins.iter().map(|plugin| plugin.id).collect()
    }
}
