//! `cargo xtask new-plugin`: a plugin crate that builds, passes its contract and is known to the binaries.

mod name;
mod template;

use std::fs;

use anyhow::{Result, bail};

use crate::registration;
use crate::role::{PluginKind, Role};
use crate::step::Step;
use crate::workspace::Workspace;
use name::PluginName;

/// What `cargo xtask new-plugin` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What the plugin adds to the pipeline.
    kind: PluginKind,
    /// The name in kebab-case, which becomes folder, crate, id, feature and table of the configuration.
    name: PluginName,
}

/// Writes the crate and registers it.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let Options { kind, name } = options;
    let root = &workspace.root;
    let folder = format!("{}/{name}", kind.folder());
    let same_name = workspace
        .members
        .iter()
        .find(|member| matches!(member.role(), Role::Plugin(_, other) if other == name.as_str()));
    if let Some(member) = same_name {
        bail!(
            "the plugin `{name}` exists in {}; choose another name",
            member.folder
        );
    }
    if root.join(&folder).exists() {
        bail!("the folder {folder} exists and is no plugin; remove it or choose another name");
    }
    // Everything that can be wrong is found before the first file is written.
    let folders = workspace.members.iter().map(|member| member.folder.as_str());
    let plugins = registration::plugins(folders.chain([folder.as_str()]));
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let registered = registration::pages(&plugins, &read)?;
    for page in template::pages(*kind, name, &folder)
        .into_iter()
        .chain(registered)
    {
        page.write(root)?;
    }
    Step::cargo("fmt -p")
        .with([format!("alumet-plugin-{name}")])
        .run(root)?;
    println!();
    println!("The crate works as it is: cargo test -p alumet-plugin-{name}");
    println!("The agent has it: cargo run -- plugins info {name}");
    println!("Replace what its README calls the example, then run: cargo xtask docs && cargo xtask tidy");
    Ok(())
}
