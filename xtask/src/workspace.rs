//! The crates of the workspace, as cargo sees them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{Dependency, MetadataCommand, Package};

use crate::role::Role;

/// The workspace of the current folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// The folder of what is built.
    pub(crate) target: PathBuf,
    /// The members.
    pub(crate) members: Vec<Member>,
}

/// A crate of the workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    /// The name of the crate.
    pub(crate) name: String,
    /// The folder relative to the root, with `/`.
    pub(crate) folder: String,
    /// What it depends on, workspace or not.
    pub(crate) dependencies: Vec<Dependency>,
}

impl Workspace {
    /// Asks cargo for the workspace of the current folder.
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cargo cannot read the workspace of the current folder")?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let members = metadata.packages.into_iter();
        let members = members.map(|package| Member::of(package, &metadata.workspace_root));
        Ok(Self {
            root,
            target: metadata.target_directory.into_std_path_buf(),
            members: members.collect(),
        })
    }

    /// The folders of the members.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.folder.as_str())
    }

    /// The text of a file at a path relative to the root, if there is one.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }
}

impl Member {
    fn of(package: Package, root: &Utf8Path) -> Self {
        let folder = package.manifest_path.parent().unwrap_or(root);
        let folder = folder.strip_prefix(root).unwrap_or(folder);
        Self {
            folder: folder.as_str().to_owned(),
            name: package.name.into_inner(),
            dependencies: package.dependencies,
        }
    }

    /// What it is for, by its folder.
    pub(crate) fn role(&self) -> Role<'_> {
        Role::of(&self.folder)
    }

    /// The path of its manifest.
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

#[cfg(test)]
impl Member {
    /// A crate without dependencies, called as its folder says.
    pub(crate) fn at(folder: &str) -> Self {
        Self {
            name: Role::of(folder).crate_name().unwrap_or_else(|| folder.to_owned()),
            folder: folder.to_owned(),
            ..Self::default()
        }
    }

    /// Adds dependencies that are always there.
    pub(crate) fn needs(self, names: &[&str]) -> Self {
        names
            .iter()
            .fold(self, |member, name| member.with(name, false, "normal"))
    }

    /// Adds a dependency that a feature switches on.
    pub(crate) fn offers(self, name: &str) -> Self {
        self.with(name, true, "normal")
    }

    /// Adds a dependency of the tests.
    pub(crate) fn tests_with(self, name: &str) -> Self {
        self.with(name, false, "dev")
    }

    fn with(mut self, name: &str, optional: bool, kind: &str) -> Self {
        let dependency = serde_json::json!({
            "name": name, "optional": optional, "kind": kind,
            "req": "*", "features": [], "uses_default_features": true,
        });
        self.dependencies
            .push(serde_json::from_value(dependency).unwrap());
        self
    }
}
