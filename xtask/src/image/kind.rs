//! The images: their names, and what is in each.

use clap::ValueEnum;

use crate::binary::Binary;

/// Where released images are.
const REGISTRY: &str = "ghcr.io/alumet-dev";

/// An image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The agent as one static program.
    Agent,
    /// The agent that can load the library of the GPUs of NVIDIA.
    AgentGpu,
    /// The server as one static program.
    Server,
}

impl Kind {
    /// As the command line and the file `images/NAME.Containerfile` call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::AgentGpu => "agent-gpu",
            Self::Server => "server",
        }
    }

    /// The program that it starts.
    pub(super) const fn binary(self) -> Binary {
        match self {
            Self::Agent | Self::AgentGpu => Binary::Agent,
            Self::Server => Binary::Server,
        }
    }

    /// Its name at a version, without the registry.
    pub(super) fn repository_and_tag(self, version: &str) -> String {
        let suffix = if self == Self::AgentGpu { "-gpu" } else { "" };
        format!("{}:{version}{suffix}", self.binary().name())
    }

    /// The name that everybody pulls it by, which the charts have.
    pub(super) fn reference(self, version: &str) -> String {
        format!("{REGISTRY}/{}", self.repository_and_tag(version))
    }

    /// What its files are called.
    pub(super) fn stem(self, version: &str) -> String {
        self.repository_and_tag(version).replace(':', "-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_for_gpus_is_a_tag_of_the_agent() {
        let references = [Kind::Agent, Kind::AgentGpu, Kind::Server].map(|kind| kind.reference("0.1.0"));
        assert_eq!(
            references,
            [
                "ghcr.io/alumet-dev/alumet-agent:0.1.0",
                "ghcr.io/alumet-dev/alumet-agent:0.1.0-gpu",
                "ghcr.io/alumet-dev/alumet-server:0.1.0",
            ]
        );
        assert_eq!(Kind::AgentGpu.stem("0.1.0"), "alumet-agent-0.1.0-gpu");
    }
}
