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

/// What only the server has: an agent keeps nothing, and its weight is paid on every node.
const OF_THE_SERVER: [&str; 3] = ["nats-input", "rest-api", "store"];

/// The sources that the server has beside those: it receives, replays, is spoken to, and measures the machine in `demo`.
const SOURCES_OF_THE_SERVER: [&str; 8] = [
    "cgroups",
    "csv-replay",
    "energy-estimation-tdp",
    "nvml",
    "procfs",
    "rapl",
    "relay-server",
    "socket-control",
];

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

    /// Whether it has the plugin. The agent has all but those that keep and show what others send. The server ends the way of the
    /// samples: it has the transforms and outputs, the sources that receive or that make no samples, and those with which `demo`
    /// measures.
    pub(crate) fn offers(self, kind: PluginKind, plugin: &str) -> bool {
        match (self, kind) {
            (Self::Agent, _) => !OF_THE_SERVER.contains(&plugin),
            (Self::Server, PluginKind::Source) => {
                OF_THE_SERVER.contains(&plugin) || SOURCES_OF_THE_SERVER.contains(&plugin)
            }
            (Self::Server, PluginKind::Transform | PluginKind::Output) => plugin != "relay-client",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_keeps_what_it_receives_and_the_agent_measures_everything() {
        for (kind, plugin, server, agent) in [
            (PluginKind::Source, "perf", false, true),
            (PluginKind::Source, "rapl", true, true),
            (PluginKind::Source, "relay-server", true, true),
            (PluginKind::Source, "nats-input", true, false),
            (PluginKind::Transform, "filter", true, true),
            (PluginKind::Output, "csv", true, true),
            (PluginKind::Output, "store", true, false),
            (PluginKind::Output, "relay-client", false, true),
        ] {
            assert_eq!(Binary::Server.offers(kind, plugin), server, "{plugin}");
            assert_eq!(Binary::Agent.offers(kind, plugin), agent, "{plugin}");
        }
    }
}
