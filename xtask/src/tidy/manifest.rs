//! Every manifest inherits from the workspace: version, edition, licence, lints, and each dependency's version.

use toml::{Table, Value};

use super::Violation;
use super::tree::Tree;
use crate::workspace::Member;

/// Finds what a member writes itself instead of inheriting it.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    tree.members
        .iter()
        .flat_map(|member| check_member(tree, member))
        .collect()
}

fn check_member(tree: &Tree, member: &Member) -> Vec<Violation> {
    let path = member.manifest();
    // Cargo itself has read it, so that only a file that git ignores is not there.
    let manifest: Table = tree.text(&path).unwrap_or("").parse().unwrap_or_default();
    let mut found = Vec::new();
    let package = manifest.get("package");
    for key in ["version", "edition", "rust-version", "license"] {
        if !inherits(package.and_then(|package| package.get(key))) {
            let line = tree.line_of(&path, key);
            let message = format!("`{key}` is not that of the workspace; write `{key}.workspace = true`");
            found.push(Violation::new(&path, line, message));
        }
    }
    if !inherits(manifest.get("lints")) {
        let line = tree.line_of(&path, "[lints");
        let message = "the lints are not those of the workspace; add `[lints]` with `workspace = true`";
        found.push(Violation::new(&path, line, message));
    }
    for (name, dependency) in dependencies(&manifest) {
        let is_own = dependency.get("path").is_some();
        if !inherits(Some(dependency)) && !is_own {
            let line = tree.line_of(&path, name);
            let message = format!(
                "`{name}` has a version of its own; write it to [workspace.dependencies] and `{name}.workspace = true` here"
            );
            found.push(Violation::new(&path, line, message));
        }
    }
    found
}

/// `{ workspace = true, … }`.
fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
}

/// All dependencies of a manifest: normal, of tests, of build scripts, and of some targets only.
fn dependencies(manifest: &Table) -> Vec<(&String, &Value)> {
    let tables = manifest
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_table()?)));
    let dependencies = |(key, table): (&String, _)| match key.as_str() {
        "dependencies" | "dev-dependencies" | "build-dependencies" => Table::iter(table).collect(),
        _ => dependencies(table),
    };
    tables.flat_map(dependencies).collect()
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    const RIGHT: &str = "\
[package]
name = \"a\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true

[dependencies]
serde.workspace = true
nix = { workspace = true, features = [\"fs\"] }

[dev-dependencies]
a = { path = \".\", features = [\"testkit\"] }

[lints]
workspace = true
";

    fn found(manifest: &str) -> Vec<String> {
        let tree = Tree::with_files(&[("a/Cargo.toml", manifest)]).and(Member::at("a"));
        lines(&check(&tree))
    }

    #[test]
    fn a_manifest_that_inherits_is_right() {
        assert_eq!(found(RIGHT), [""; 0]);
    }

    #[test]
    fn everything_that_is_not_inherited_is_found() {
        for (inherited, own, line) in [
            ("version.workspace = true", "version = \"1.0.0\"", 3),
            ("edition.workspace = true", "edition = \"2021\"", 4),
            ("rust-version.workspace = true", "rust-version = \"1.80\"", 5),
            ("license.workspace = true", "license = \"MIT\"", 6),
            ("serde.workspace = true", "serde = \"1\"", 9),
            ("nix = { workspace = true,", "nix = { version = \"1\",", 10),
            (
                "[lints]\nworkspace = true",
                "[lints.rust]\nunsafe_code = \"allow\"",
                15,
            ),
            ("[dev-dependencies]", "[dev-dependencies]\nserde_json = \"1\"", 13),
            (
                "[dependencies]",
                "[build-dependencies]\ncc = \"1\"\n[dependencies]",
                9,
            ),
            (
                "[dependencies]",
                "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n[dependencies]",
                9,
            ),
        ] {
            assert!(RIGHT.contains(inherited));
            let manifest = RIGHT.replacen(inherited, own, 1);
            assert_eq!(found(&manifest), [format!("a/Cargo.toml:{line}")], "{own}");
        }
    }
}
