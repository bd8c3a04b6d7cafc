//! The crates of the workspace, as cargo sees them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::role::Role;

/// The workspace of the current folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// The members, by folder.
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

/// A dependency as the manifest has it.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    /// The name of the other crate.
    pub(crate) name: String,
    /// Whether a feature switches it on.
    pub(crate) optional: bool,
    /// Whether only tests, benchmarks and examples use it.
    pub(crate) for_tests: bool,
}

impl Workspace {
    /// Asks cargo for the workspace of the current folder.
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cargo cannot read the workspace of the current folder")?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let mut members: Vec<Member> = metadata
            .packages
            .iter()
            .map(|package| Member::of(package, &metadata.workspace_root))
            .collect();
        members.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(Self { root, members })
    }
}

impl Member {
    fn of(package: &Package, root: &cargo_metadata::camino::Utf8Path) -> Self {
        let folder = package.manifest_path.parent().unwrap_or(root);
        let folder = folder.strip_prefix(root).unwrap_or(folder);
        let dependencies = package.dependencies.iter().map(|dependency| Dependency {
            name: dependency.name.clone(),
            optional: dependency.optional,
            for_tests: dependency.kind == DependencyKind::Development,
        });
        Self {
            name: package.name.to_string(),
            folder: folder.as_str().to_owned(),
            dependencies: dependencies.collect(),
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
            .fold(self, |member, name| member.with(name, false, false))
    }

    /// Adds a dependency that a feature switches on.
    pub(crate) fn offers(self, name: &str) -> Self {
        self.with(name, true, false)
    }

    /// Adds a dependency of the tests.
    pub(crate) fn tests_with(self, name: &str) -> Self {
        self.with(name, false, true)
    }

    fn with(mut self, name: &str, optional: bool, for_tests: bool) -> Self {
        self.dependencies.push(Dependency {
            name: name.to_owned(),
            optional,
            for_tests,
        });
        self
    }
}
