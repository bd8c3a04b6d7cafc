//! The programs of this project that are a list of plugins around the application.

use crate::role::PluginKind;

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
    pub(crate) fn short_name(self) -> &'static str {
        self.name().trim_start_matches("alumet-")
    }

    /// The path of its manifest.
    pub(crate) fn manifest(self) -> String {
        format!("{}/Cargo.toml", self.name())
    }

    /// The folder of its sources.
    pub(crate) fn sources(self) -> String {
        format!("{}/src/", self.name())
    }

    /// The path of its list, the only file of it that uses plugins.
    pub(crate) fn list(self) -> String {
        format!("{}/src/plugins.rs", self.name())
    }

    /// Whether it has the plugin. The agent has all. The server measures nothing and ends the way of the samples: it has
    /// the transforms and outputs, and of the sources those that receive or that make no samples.
    pub(crate) fn offers(self, kind: PluginKind, plugin: &str) -> bool {
        match (self, kind) {
            (Self::Agent, _) => true,
            (Self::Server, PluginKind::Source) => {
                ["nats-input", "relay-server", "socket-control"].contains(&plugin)
            }
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
            (PluginKind::Source, "nats-input", true),
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
