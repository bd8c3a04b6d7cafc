//! `cargo xtask new-plugin`: a plugin crate that builds, passes its contract and is known to the binaries.

mod name;
mod register;
mod template;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::role::{PluginKind, Role};
use crate::step::Step;
use crate::workspace::Workspace;
use name::PluginName;
use register::Registration;

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
    let edits = Registration::new(*kind, name)
        .edits(&|path| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}")))?;
    let mut files = template::files(*kind, name);
    for (path, _) in &mut files {
        *path = format!("{folder}/{path}");
    }
    files.extend(edits);
    for (path, text) in &files {
        let place = root.join(path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&place, text).with_context(|| format!("cannot write {path}"))?;
    }
    // Only now: what reads the terminal may go away in between.
    for (path, _) in &files {
        println!("wrote {path}");
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
