//! `cargo xtask new-plugin`: a plugin crate that builds, passes its contract and is known to the binaries.

mod name;
mod template;

use std::fs;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

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
    /// What it does, for its users: one sentence such as "Measures how many files are open."
    summary: Summary,
}

/// A sentence that stands wherever a plugin is described.
#[derive(Debug, Clone)]
struct Summary(String);

impl FromStr for Summary {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let has_other = |c: char| c.is_control() || "\"\\{}".contains(c);
        if !text.ends_with('.') || text.contains(has_other) || !text.starts_with(char::is_uppercase) {
            bail!(
                "write one sentence with a capital and a full stop, without quotes, backslashes and braces"
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// Writes the crate and registers it.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let Options { kind, name, .. } = options;
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
    let written = template::pages(root, options, &folder)?;
    for page in written.iter().chain(&registered) {
        page.write(root)?;
    }
    Step::cargo("fmt -p")
        .with([format!("alumet-plugin-{name}")])
        .run(root)?;
    println!();
    println!("The crate works as it is: cargo test -p alumet-plugin-{name}");
    println!("The agent has it: cargo run -- plugins info {name}");
    println!("Replace the example in it, which `cargo xtask tidy` finds, and then run: cargo xtask docs");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_sentence_that_fits_into_every_file() {
        assert_eq!(
            "Measures the load.".parse::<Summary>().unwrap().0,
            "Measures the load."
        );
        for wrong in [
            "",
            "measures.",
            "Measures",
            "Says \"x\".",
            "Says\nx.",
            "Says {{name}}.",
        ] {
            assert!(wrong.parse::<Summary>().is_err(), "{wrong}");
        }
    }
}
