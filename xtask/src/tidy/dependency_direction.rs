//! Dependencies only go down: server, application, plugins, shared, readers, core.

use super::Violation;
use super::tree::Tree;
use crate::binary::Binary;
use crate::role::Role;
use crate::workspace::{Dependency, Member};

/// Finds dependencies that go up or sideways, and uses of plugins outside of the lists of the binaries.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in &tree.members {
        for dependency in member.dependencies.iter().filter(|one| !one.for_tests) {
            let Some(other) = tree.member(&dependency.name) else {
                continue;
            };
            if let Some(rule) = broken_rule(member, dependency, other) {
                let path = member.manifest();
                let line = tree.line_of(&path, &other.name);
                let message = format!("{} depends on {}; {rule}", member.name, other.name);
                found.push(Violation::new(path, line, message));
            }
        }
    }
    found.extend(
        Binary::ALL
            .into_iter()
            .flat_map(|binary| named_plugins(tree, binary)),
    );
    found
}

/// The rule that the dependency breaks.
fn broken_rule(member: &Member, dependency: &Dependency, other: &Member) -> Option<&'static str> {
    let target = other.role();
    match member.role() {
        Role::Core => Some("the core depends on no crate of the workspace: move what it needs into the core"),
        Role::Reader(_) => (!matches!(target, Role::Reader(_))).then_some(
            "a reader depends only on other readers: move what needs the other crate into the plugins that use the reader",
        ),
        Role::Shared(_) => (!matches!(target, Role::Core | Role::Reader(_) | Role::Shared(_)))
            .then_some("a shared crate depends only on the core, readers and other shared crates"),
        Role::RelayProtocol => (!matches!(target, Role::Core | Role::Reader(_) | Role::Shared(_)))
            .then_some("the protocol of the relay depends only on the core, readers and shared crates"),
        Role::Plugin(..) => match target {
            Role::Core | Role::Reader(_) | Role::Shared(_) => None,
            Role::RelayProtocol if member.folder.starts_with("alumet-relay/") => None,
            Role::RelayProtocol => {
                Some("only the plugins of the relay and the server know the protocol of the relay")
            }
            _ => Some(
                "a plugin depends only on alumet-core, shared/* and readers/*: move what both need to one of these",
            ),
        },
        Role::Binary(binary) => match (binary, target) {
            // Shared crates also hold the languages that a binary and a plugin speak to each other.
            (_, Role::Core | Role::Shared(_)) => None,
            (Binary::Server, Role::RelayProtocol | Role::Binary(Binary::Agent)) => None,
            (_, Role::Plugin(..)) if dependency.optional => None,
            (_, Role::Plugin(..)) => Some(
                "only the list of a binary names plugins: make the dependency optional, behind a feature",
            ),
            (Binary::Agent, _) => {
                Some("the agent depends only on alumet-core, shared crates and, optionally, on plugins")
            }
            (Binary::Server, _) => Some(
                "the server depends only on the library of the agent, alumet-core, shared crates, the protocol of the \
                 relay and, optionally, on plugins",
            ),
        },
        Role::Other => None,
    }
}

/// Sources of a binary, other than its list, that name a plugin.
fn named_plugins(tree: &Tree, binary: Binary) -> Vec<Violation> {
    let (sources, list) = (format!("{}/src/", binary.name()), binary.list());
    let is_other = |path: &str| path.starts_with(&sources) && path != list;
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| is_other(path)) {
        for (line, text) in super::tree::numbered(text) {
            if text.contains("alumet_plugin_") {
                let message = "only src/plugins.rs, the list of the binary, names plugins; move this there";
                found.push(Violation::new(path, line, message));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    fn tree() -> Tree {
        Tree::default()
            .and(Member::new("alumet-core", "alumet-core").tests_with("alumet-core"))
            .and(Member::new("alumet-reader-r", "alumet-plugins/readers/r"))
            .and(Member::new("alumet-reader-of-r", "alumet-plugins/readers/of-r").needs("alumet-reader-r"))
            .and(
                Member::new("alumet-shared-s", "alumet-plugins/shared/s")
                    .needs("alumet-core")
                    .needs("alumet-reader-r"),
            )
            .and(
                Member::new("alumet-plugin-p", "alumet-plugins/sources/p")
                    .needs("serde")
                    .needs("alumet-core")
                    .needs("alumet-shared-s")
                    .needs("alumet-reader-r"),
            )
            .and(
                Member::new("alumet-relay-protocol", "alumet-relay/protocol")
                    .needs("alumet-core")
                    .needs("alumet-shared-s"),
            )
            .and(
                Member::new("alumet-plugin-relay-client", "alumet-relay/client")
                    .needs("alumet-core")
                    .needs("alumet-relay-protocol"),
            )
            .and(
                Member::new("alumet-agent", "alumet-agent")
                    .needs("alumet-core")
                    .needs("alumet-shared-s")
                    .offers("alumet-plugin-p"),
            )
            .and(
                Member::new("alumet-server", "alumet-server")
                    .needs("alumet-core")
                    .needs("alumet-agent")
                    .needs("alumet-relay-protocol")
                    .offers("alumet-plugin-p"),
            )
    }

    #[test]
    fn dependencies_that_go_down_are_right() {
        assert_eq!(check(&tree()), []);
    }

    #[test]
    fn dependencies_that_go_up_or_sideways_are_found() {
        for (name, folder, other) in [
            ("alumet-plugin-q", "alumet-plugins/outputs/q", "alumet-plugin-p"),
            ("alumet-plugin-q", "alumet-plugins/transforms/q", "alumet-agent"),
            ("alumet-reader-q", "alumet-plugins/readers/q", "alumet-core"),
            ("alumet-reader-q", "alumet-plugins/readers/q", "alumet-shared-s"),
            (
                "alumet-plugin-relay-q",
                "alumet-plugins/outputs/relay-q",
                "alumet-relay-protocol",
            ),
            ("alumet-shared-q", "alumet-plugins/shared/q", "alumet-plugin-p"),
            ("alumet-core", "alumet-core", "alumet-reader-r"),
            ("alumet-agent", "alumet-agent", "alumet-plugin-p"),
            ("alumet-agent", "alumet-agent", "alumet-reader-r"),
            ("alumet-agent", "alumet-agent", "alumet-server"),
            ("alumet-agent", "alumet-agent", "alumet-relay-protocol"),
            ("alumet-server", "alumet-server", "alumet-plugin-p"),
            ("alumet-server", "alumet-server", "alumet-reader-r"),
            (
                "alumet-plugin-q",
                "alumet-plugins/outputs/q",
                "alumet-relay-protocol",
            ),
            ("alumet-plugin-q", "alumet-plugins/outputs/q", "alumet-server"),
            (
                "alumet-shared-q",
                "alumet-plugins/shared/q",
                "alumet-relay-protocol",
            ),
            (
                "alumet-plugin-relay-server",
                "alumet-relay/server",
                "alumet-plugin-relay-client",
            ),
            (
                "alumet-relay-protocol",
                "alumet-relay/protocol",
                "alumet-plugin-p",
            ),
        ] {
            let manifest = format!("[dependencies]\n{other}.workspace = true\n");
            let tree = tree()
                .changed(&format!("{folder}/Cargo.toml"), &manifest)
                .and(Member::new(name, folder).needs(other));
            assert_eq!(
                lines(&check(&tree)),
                [format!("{folder}/Cargo.toml:2")],
                "{name} to {other}"
            );
        }
    }

    #[test]
    fn what_only_tests_use_may_come_from_anywhere() {
        let plugin = Member::new("alumet-plugin-q", "alumet-plugins/outputs/q").tests_with("alumet-plugin-p");
        assert_eq!(check(&tree().and(plugin)), []);
    }

    #[test]
    fn only_the_list_of_a_binary_names_plugins() {
        let names = "\nalumet_plugin_p::PPlugin\n";
        let tree = tree()
            .changed("alumet-agent/src/plugins.rs", names)
            .changed("alumet-agent/src/app.rs", names)
            .changed("alumet-agent/src/main.rs", names)
            .changed("alumet-server/src/plugins.rs", names)
            .changed("alumet-server/src/certs/mod.rs", names);
        assert_eq!(
            lines(&check(&tree)),
            [
                "alumet-agent/src/app.rs:2",
                "alumet-agent/src/main.rs:2",
                "alumet-server/src/certs/mod.rs:2"
            ]
        );
    }
}
