//! `cargo xtask test`: all tests of the project.

mod prerequisite;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::step::Step;
use crate::workspace::Workspace;

/// What `cargo xtask test` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Does not install a missing program that tests need.
    #[arg(long)]
    no_install: bool,
    /// Goes to `cargo nextest run` or `cargo test`, such as `-p alumet-core` or a part of a name. With it, neither
    /// documentation tests nor those of the examples run.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the tests; all of them, even when the first ones fail.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    prerequisite::provide(root, !options.no_install)?;
    let has_nextest = Step::cargo("nextest --version").succeeds(root);
    let standalone = standalone_examples(workspace)?;
    let mut failed = Vec::new();
    for step in steps(has_nextest, &standalone, &options.arguments) {
        println!("== {step}");
        if let Err(error) = step.run(root) {
            println!("== {error}");
            failed.push(step.to_string());
        }
    }
    if !failed.is_empty() {
        bail!("tests failed; repeat them with: {}", failed.join(" ; "));
    }
    Ok(())
}

fn steps(has_nextest: bool, standalone: &[String], arguments: &[String]) -> Vec<Step> {
    let tests = if has_nextest {
        Step::cargo("nextest run")
    } else {
        Step::cargo("test --tests --no-fail-fast")
    };
    // A chosen package excludes the choice of all.
    let chosen =
        |word: &String| word == "--package" || word.starts_with("--package=") || word.starts_with("-p");
    let scope: &[&str] = if arguments.iter().any(chosen) {
        &[]
    } else {
        &["--workspace"]
    };
    let no_fail_fast: &[&str] = if has_nextest { &["--no-fail-fast"] } else { &[] };
    let tests = tests.with(scope.iter().chain(no_fail_fast).copied());
    let mut steps = vec![tests.with(["--all-features"]).with(arguments)];
    if arguments.is_empty() {
        steps.push(Step::cargo(
            "test --doc --workspace --all-features --no-fail-fast",
        ));
        let of_example = |manifest: &String| Step::cargo("test --manifest-path").with([manifest]);
        steps.extend(standalone.iter().map(of_example));
    }
    steps
}

/// The manifests below `examples/` that stand for programs of other people, outside of the workspace.
fn standalone_examples(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("examples");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let is_member = |path: &str| workspace.members.iter().any(|member| member.folder == path);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = Path::new("examples").join(entry?.file_name());
        let manifest = path.join("Cargo.toml");
        if workspace.root.join(&manifest).is_file() && !is_member(&path.to_string_lossy()) {
            found.push(manifest.to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(has_nextest: bool, standalone: &[&str], arguments: &[&str]) -> Vec<String> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        steps(has_nextest, &owned(standalone), &owned(arguments))
            .iter()
            .map(Step::to_string)
            .collect()
    }

    #[test]
    fn all_tests_are_those_of_the_workspace_its_documentation_and_its_examples() {
        assert_eq!(
            lines(true, &["examples/embedded/Cargo.toml"], &[]),
            [
                "cargo nextest run --workspace --no-fail-fast --all-features",
                "cargo test --doc --workspace --all-features --no-fail-fast",
                "cargo test --manifest-path examples/embedded/Cargo.toml",
            ]
        );
    }

    #[test]
    fn without_nextest_cargo_test_runs_all_kinds_but_documentation_once() {
        assert_eq!(
            lines(false, &[], &[])[0],
            "cargo test --tests --no-fail-fast --workspace --all-features"
        );
    }

    #[test]
    fn arguments_choose_among_the_tests() {
        assert_eq!(
            lines(true, &["examples/embedded/Cargo.toml"], &["-p", "xtask", "name"]),
            ["cargo nextest run --no-fail-fast --all-features -p xtask name"]
        );
        assert_eq!(
            lines(true, &[], &["name"]),
            ["cargo nextest run --workspace --no-fail-fast --all-features name"]
        );
    }

    #[test]
    fn an_example_with_a_manifest_of_its_own_is_found_unless_it_is_a_member() {
        let folder = std::env::temp_dir().join(format!("xtask-examples-{}", std::process::id()));
        for example in ["member", "standalone"] {
            fs::create_dir_all(folder.join("examples").join(example)).unwrap();
            fs::write(folder.join("examples").join(example).join("Cargo.toml"), "").unwrap();
        }
        fs::create_dir_all(folder.join("examples/not-rust")).unwrap();
        let workspace = Workspace {
            root: folder.clone(),
            members: vec![crate::workspace::Member::new("member", "examples/member")],
        };
        let found = standalone_examples(&workspace).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["examples/standalone/Cargo.toml"]);
        assert!(standalone_examples(&workspace).unwrap().is_empty());
    }
}
