//! `cargo xtask test`: all tests of the project.

use anyhow::{Result, bail};

use crate::charts::TOOLS;
use crate::prerequisite::{self, PREREQUISITES};
use crate::shell;
use crate::workspace::Workspace;

/// What `cargo xtask test` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Installs the programs for lack of which tests are left out, with `apt-get`, without upgrading anything, and
    /// into `target/tools`.
    #[arg(long)]
    install: bool,
    /// Goes to `cargo nextest run` or `cargo test`, such as `-p alumet-core` or a part of a name. With it, documentation
    /// tests do not run.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the tests; all of them, even when the first ones fail.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    prerequisite::provide(&[PREREQUISITES, &TOOLS].concat(), root, options.install)?;
    let has_nextest = shell::succeeds("cargo nextest --version", root);
    let mut failed = Vec::new();
    for line in lines(has_nextest, &options.arguments) {
        println!("== {line}");
        if let Err(error) = shell::run(&line, root) {
            println!("== {error}");
            failed.push(line);
        }
    }
    if !failed.is_empty() {
        bail!("tests failed; repeat them with: {}", failed.join(" ; "));
    }
    Ok(())
}

fn lines(has_nextest: bool, arguments: &[String]) -> Vec<String> {
    let tests = if has_nextest {
        "nextest run"
    } else {
        "test --tests"
    };
    // A chosen package excludes the choice of all.
    let chosen =
        |word: &String| word == "--package" || word.starts_with("--package=") || word.starts_with("-p");
    let scope = if arguments.iter().any(chosen) {
        ""
    } else {
        " --workspace"
    };
    let words: String = arguments
        .iter()
        .map(|word| format!(" {}", shell::quoted(word)))
        .collect();
    let mut lines = Vec::new();
    if arguments.is_empty() {
        lines.push("cargo test --doc --workspace --all-features --no-fail-fast".to_owned());
    }
    // Last, so that the names of those that failed are the last to be read.
    lines.push(format!(
        "cargo {tests} --no-fail-fast{scope} --all-features{words}"
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::lines as lines_of;

    fn lines(has_nextest: bool, arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        lines_of(has_nextest, &arguments)
    }

    #[test]
    fn all_tests_are_those_of_the_workspace_and_its_documentation() {
        assert_eq!(
            lines(true, &[]),
            [
                "cargo test --doc --workspace --all-features --no-fail-fast",
                "cargo nextest run --no-fail-fast --workspace --all-features",
            ]
        );
    }

    #[test]
    fn without_nextest_cargo_test_runs_all_kinds_but_documentation_once() {
        assert_eq!(
            lines(false, &[])[1],
            "cargo test --tests --no-fail-fast --workspace --all-features"
        );
    }

    #[test]
    fn arguments_choose_among_the_tests() {
        assert_eq!(
            lines(true, &["-p", "xtask", "name"]),
            ["cargo nextest run --no-fail-fast --all-features -p xtask name"]
        );
        assert_eq!(
            lines(true, &["name"]),
            ["cargo nextest run --no-fail-fast --workspace --all-features name"]
        );
    }
}
