//! The programs of this project that are a list of plugins around the application.

use crate::role::PluginKind;

/// The path of the list of all plugins that exist, which is the same for all programs.
pub(crate) const KNOWN_PLUGINS: &str = "alumet-agent/src/known_plugins.rs";

/// A program that is a list of plugins around the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    /// Measures the machine on which it runs.
    Agent,
    /// Receives what agents measure.
    Server,
}

impl Binary {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Agent, Self::Server];

    /// Its crate, which is called like its folder.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Agent => "alumet-agent",
            Self::Server => "alumet-server",
        }
    }

    /// What people call it.
    pub(crate) const fn short_name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Server => "server",
        }
    }

    /// The path of its manifest.
    pub(crate) const fn manifest(self) -> &'static str {
        match self {
            Self::Agent => "alumet-agent/Cargo.toml",
            Self::Server => "alumet-server/Cargo.toml",
        }
    }

    /// The path of its list, the only file of it that uses plugins.
    pub(crate) const fn list(self) -> &'static str {
        match self {
            Self::Agent => "alumet-agent/src/plugins.rs",
            Self::Server => "alumet-server/src/plugins.rs",
        }
    }

    /// Whether it must have the plugin. The agent has all. The server measures nothing and ends the way of the samples:
    /// it has the transforms and outputs, and one source, which receives.
    pub(crate) fn offers(self, kind: PluginKind, plugin: &str) -> bool {
        match (self, kind) {
            (Self::Agent, _) => true,
            (Self::Server, PluginKind::Source) => plugin == "relay-server",
            (Self::Server, PluginKind::Transform | PluginKind::Output) => plugin != "relay-client",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_changes_and_writes_what_it_receives() {
        for (kind, plugin, offered) in [
            (PluginKind::Source, "rapl", false),
            (PluginKind::Source, "relay-server", true),
            (PluginKind::Transform, "filter", true),
            (PluginKind::Output, "csv", true),
            (PluginKind::Output, "relay-client", false),
        ] {
            assert_eq!(Binary::Server.offers(kind, plugin), offered, "{plugin}");
            assert!(Binary::Agent.offers(kind, plugin), "{plugin}");
        }
    }
}
