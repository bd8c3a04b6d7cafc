//! Dependencies only go down: server, application, plugins, shared, readers, core.

use cargo_metadata::{Dependency, DependencyKind};

use super::Violation;
use super::tree::Tree;
use crate::binary::Binary;
use crate::role::Role;
use crate::workspace::Member;

/// Finds dependencies that go up or sideways.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in &tree.members {
        let is_for_tests = |dependency: &&Dependency| dependency.kind == DependencyKind::Development;
        for dependency in member.dependencies.iter().filter(|one| !is_for_tests(one)) {
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
    found
}

/// The rule that the dependency breaks.
fn broken_rule(member: &Member, dependency: &Dependency, other: &Member) -> Option<&'static str> {
    let target = other.role();
    // Shared crates also hold the languages that a binary and a plugin speak to each other.
    let is_below = matches!(target, Role::Core | Role::Reader(_) | Role::Shared(_));
    let is_for_binary = is_below || (matches!(target, Role::Plugin(..)) && dependency.optional);
    let (is_allowed, rule) = match member.role() {
        Role::Core => (false, "the core depends on no crate of the workspace"),
        Role::Reader(_) => (
            matches!(target, Role::Reader(_)),
            "a reader depends only on other readers",
        ),
        Role::Shared(_) | Role::RelayProtocol => (
            is_below,
            "a shared crate depends only on the core, readers and other shared crates",
        ),
        Role::Plugin(..) => (
            is_below || (target == Role::RelayProtocol && member.folder.starts_with("alumet-relay/")),
            "a plugin depends only on alumet-core, shared/* and readers/*, and those of the relay on its protocol",
        ),
        Role::Binary(Binary::Agent) => (
            is_for_binary,
            "the agent depends only on alumet-core, shared crates, readers and, optionally, on plugins",
        ),
        Role::Binary(Binary::Server) => (
            is_for_binary || matches!(target, Role::RelayProtocol | Role::Binary(Binary::Agent)),
            "the server depends only on the library of the agent, alumet-core, shared crates, readers, the protocol of \
             the relay and, optionally, on plugins",
        ),
        Role::Other => (true, ""),
    };
    (!is_allowed).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    const PLUGIN: &str = "alumet-plugins/sources/p";

    fn tree() -> Tree {
        Tree::default()
            .and(Member::at("alumet-core").tests_with("alumet-core"))
            .and(Member::at("alumet-plugins/readers/r"))
            .and(Member::at("alumet-plugins/readers/of-r").needs(&["alumet-reader-r"]))
            .and(Member::at("alumet-plugins/shared/s").needs(&["alumet-core", "alumet-reader-r"]))
            .and(Member::at(PLUGIN).needs(&["serde", "alumet-core", "alumet-shared-s", "alumet-reader-r"]))
            .and(Member::at("alumet-relay/protocol").needs(&["alumet-core", "alumet-shared-s"]))
            .and(Member::at("alumet-relay/client").needs(&["alumet-core", "alumet-relay-protocol"]))
            .and(
                Member::at("alumet-agent")
                    .needs(&["alumet-core", "alumet-shared-s"])
                    .offers("alumet-plugin-p"),
            )
            .and(
                Member::at("alumet-server")
                    .needs(&["alumet-core", "alumet-agent", "alumet-relay-protocol"])
                    .offers("alumet-plugin-p"),
            )
    }

    #[test]
    fn dependencies_that_go_down_are_right() {
        assert_eq!(check(&tree()), []);
    }

    #[test]
    fn dependencies_that_go_up_or_sideways_are_found() {
        for (folder, others) in [
            ("alumet-core", &["alumet-reader-r"][..]),
            ("alumet-plugins/readers/q", &["alumet-core", "alumet-shared-s"]),
            (
                "alumet-plugins/shared/q",
                &["alumet-plugin-p", "alumet-relay-protocol"],
            ),
            (
                "alumet-plugins/outputs/q",
                &["alumet-plugin-p", "alumet-relay-protocol", "alumet-server"],
            ),
            ("alumet-plugins/transforms/q", &["alumet-agent"]),
            ("alumet-relay/server", &["alumet-plugin-relay-client"]),
            ("alumet-relay/protocol", &["alumet-plugin-p"]),
            (
                "alumet-agent",
                &["alumet-plugin-p", "alumet-server", "alumet-relay-protocol"],
            ),
            ("alumet-server", &["alumet-plugin-p"]),
        ] {
            for other in others {
                let manifest = format!("[dependencies]\n{other}.workspace = true\n");
                let tree = tree()
                    .changed(&format!("{folder}/Cargo.toml"), &manifest)
                    .and(Member::at(folder).needs(&[other]));
                let place = format!("{folder}/Cargo.toml:2");
                assert_eq!(lines(&check(&tree)), [place], "{folder} to {other}");
            }
        }
    }

    #[test]
    fn what_only_tests_use_may_come_from_anywhere() {
        let plugin = Member::at("alumet-plugins/outputs/q").tests_with("alumet-plugin-p");
        assert_eq!(check(&tree().and(plugin)), []);
    }
}
