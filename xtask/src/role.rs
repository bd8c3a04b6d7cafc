//! What a crate is for, which its folder tells.

use clap::ValueEnum;

use crate::binary::Binary;

/// What a plugin adds to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginKind {
    /// Makes samples.
    Source,
    /// Changes samples.
    Transform,
    /// Writes samples.
    Output,
}

impl PluginKind {
    /// The folder of all plugins of this kind, and of the templates of one.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Transform => "transforms",
            Self::Output => "outputs",
        }
    }
}

/// The place of a crate in the architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role<'a> {
    /// Data model, contracts and engine.
    Core,
    /// Parses what the kernel or a device shows.
    Reader(&'a str),
    /// What several plugins have in common.
    Shared(&'a str),
    /// What the two plugins of the relay say to each other.
    RelayProtocol,
    /// A plugin, with its name.
    Plugin(PluginKind, &'a str),
    /// A program: the agent, whose library is the application, or the server.
    Binary(Binary),
    /// Tools, examples, programs around the agent.
    Other,
}

impl<'a> Role<'a> {
    /// The role of the crate in `folder`, relative to the root.
    pub(crate) fn of(folder: &'a str) -> Self {
        match folder.split('/').collect::<Vec<_>>()[..] {
            ["alumet-core"] => Self::Core,
            ["alumet-agent"] => Self::Binary(Binary::Agent),
            ["alumet-server"] => Self::Binary(Binary::Server),
            ["alumet-relay", "protocol"] => Self::RelayProtocol,
            ["alumet-relay", "client"] => Self::Plugin(PluginKind::Output, "relay-client"),
            ["alumet-relay", "server"] => Self::Plugin(PluginKind::Source, "relay-server"),
            ["alumet-plugins", "readers", name] => Self::Reader(name),
            ["alumet-plugins", "shared", name] => Self::Shared(name),
            ["alumet-plugins", "sources", name] => Self::Plugin(PluginKind::Source, name),
            ["alumet-plugins", "transforms", name] => Self::Plugin(PluginKind::Transform, name),
            ["alumet-plugins", "outputs", name] => Self::Plugin(PluginKind::Output, name),
            _ => Self::Other,
        }
    }

    /// What a crate of this role is called; `None` where nothing depends on the name.
    pub(crate) fn crate_name(self) -> Option<String> {
        match self {
            Self::Core => Some("alumet-core".to_owned()),
            Self::Reader(name) => Some(format!("alumet-reader-{name}")),
            Self::Shared(name) => Some(format!("alumet-shared-{name}")),
            Self::RelayProtocol => Some("alumet-relay-protocol".to_owned()),
            Self::Plugin(_, name) => Some(format!("alumet-plugin-{name}")),
            Self::Binary(binary) => Some(binary.name().to_owned()),
            Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_tells_the_role() {
        assert_eq!(Role::of("alumet-core"), Role::Core);
        assert_eq!(Role::of("alumet-agent"), Role::Binary(Binary::Agent));
        assert_eq!(Role::of("alumet-server"), Role::Binary(Binary::Server));
        assert_eq!(Role::of("alumet-plugins/readers/procfs"), Role::Reader("procfs"));
        assert_eq!(Role::of("alumet-plugins/shared/http"), Role::Shared("http"));
        let rapl = Role::of("alumet-plugins/sources/rapl");
        assert_eq!(rapl, Role::Plugin(PluginKind::Source, "rapl"));
        assert_eq!(Role::of("alumet-relay/protocol"), Role::RelayProtocol);
        let client = Role::of("alumet-relay/client");
        assert_eq!(client, Role::Plugin(PluginKind::Output, "relay-client"));
        let server = Role::of("alumet-relay/server");
        assert_eq!(server, Role::Plugin(PluginKind::Source, "relay-server"));
        assert_eq!(Role::of("xtask"), Role::Other);
        assert_eq!(Role::of("examples/embedded"), Role::Other);
    }

    #[test]
    fn the_role_tells_the_name_of_the_crate() {
        for (folder, name) in [
            ("alumet-core", Some("alumet-core")),
            ("alumet-plugins/readers/procfs", Some("alumet-reader-procfs")),
            ("alumet-plugins/shared/http", Some("alumet-shared-http")),
            ("alumet-plugins/transforms/filter", Some("alumet-plugin-filter")),
            ("alumet-relay/client", Some("alumet-plugin-relay-client")),
            ("alumet-relay/server", Some("alumet-plugin-relay-server")),
            ("alumet-relay/protocol", Some("alumet-relay-protocol")),
            ("alumet-server", Some("alumet-server")),
            ("examples/embedded", None),
        ] {
            assert_eq!(Role::of(folder).crate_name().as_deref(), name, "{folder}");
        }
    }
}
