//! `cargo xtask new-plugin`: a plugin crate that builds, passes its contract and is known to the binaries.

mod name;
mod template;

use anyhow::{Result, bail};

use crate::registration;
use crate::role::{PluginKind, Role};
use crate::shell;
use crate::workspace::Workspace;

/// What `cargo xtask new-plugin` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What the plugin adds to the pipeline.
    kind: PluginKind,
    /// The name in kebab-case, which becomes folder, crate, id, feature and table of the configuration.
    #[arg(value_parser = name::checked)]
    name: String,
    /// What it does, for its users: one sentence such as "Measures how many files are open."
    #[arg(value_parser = sentence)]
    summary: String,
}

/// Takes a sentence that can stand wherever a plugin is described.
fn sentence(text: &str) -> Result<String> {
    let has_other = |c: char| c.is_control() || "\"\\{}".contains(c);
    if !text.ends_with('.') || text.contains(has_other) || !text.starts_with(char::is_uppercase) {
        bail!("write one sentence with a capital and a full stop, without quotes, backslashes and braces");
    }
    Ok(text.to_owned())
}

/// Writes the crate and registers it.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let Options { kind, name, .. } = options;
    let root = &workspace.root;
    let folder = format!("alumet-plugins/{}/{name}", kind.folder());
    let has_same_name = |folder: &&str| matches!(Role::of(folder), Role::Plugin(_, other) if other == name);
    if let Some(same) = workspace.folders().find(has_same_name) {
        bail!("the plugin `{name}` exists in {same}; choose another name");
    }
    if root.join(&folder).exists() {
        bail!("the folder {folder} exists and is no plugin; remove it or choose another name");
    }
    // Everything that can be wrong is found before the first file is written.
    let plugins = registration::plugins(workspace.folders().chain([folder.as_str()]));
    let registered = registration::pages(&plugins, &|path| workspace.read(path))?;
    let written = template::pages(root, options, &folder)?;
    for page in written.iter().chain(&registered) {
        page.write(root)?;
    }
    shell::run(&format!("cargo fmt -p alumet-plugin-{name}"), root)?;
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
        assert_eq!(sentence("Measures the load.").unwrap(), "Measures the load.");
        for wrong in [
            "",
            "measures.",
            "Measures",
            "Says \"x\".",
            "Says\nx.",
            "Says {{name}}.",
        ] {
            assert!(sentence(wrong).is_err(), "{wrong}");
        }
    }
}
