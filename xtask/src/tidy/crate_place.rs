//! Every crate stands where its role is known, so that no rule passes it by.

use super::Violation;
use super::tree::Tree;
use crate::role::Role;

/// The folders in which each crate has a role.
const GROUPS: [&str; 2] = ["alumet-plugins/", "alumet-relay/"];

/// Finds crates among plugins that are none of the known kinds.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let manifests = tree
        .files
        .keys()
        .filter_map(|path| Some((path, path.strip_suffix("/Cargo.toml")?)));
    let is_lost = |folder: &str| {
        Role::of(folder) == Role::Other && GROUPS.iter().any(|group| folder.starts_with(group))
    };
    manifests
        .filter(|(_, folder)| is_lost(folder))
        .map(|(path, _)| {
            let message = "no rule knows what this crate is for; move it to a folder directly below \
                alumet-plugins/{sources,transforms,outputs,shared,readers}, or give the folder a role in xtask/src/role.rs";
            Violation::new(path, 1, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn a_crate_without_a_role_is_found() {
        let tree = Tree::with_files(&[
            ("alumet-plugins/sources/a/Cargo.toml", ""),
            ("alumet-plugins/misc/b/Cargo.toml", ""),
            ("alumet-plugins/sources/group/c/Cargo.toml", ""),
            ("alumet-relay/client/Cargo.toml", ""),
            ("alumet-relay/proxy/Cargo.toml", ""),
            ("examples/embed/Cargo.toml", ""),
        ]);
        assert_eq!(
            lines(&check(&tree)),
            [
                "alumet-plugins/misc/b/Cargo.toml:1",
                "alumet-plugins/sources/group/c/Cargo.toml:1",
                "alumet-relay/proxy/Cargo.toml:1",
            ]
        );
    }
}
