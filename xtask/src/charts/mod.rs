//! `cargo xtask charts`: the charts for Kubernetes, tested and packed.

mod tools;

use anyhow::Result;

pub(crate) use tools::TOOLS;

use crate::prerequisite::{self, Prerequisite};
use crate::shell;
use crate::workspace::Workspace;

/// The charts that people install.
const CHARTS: [&str; 2] = ["charts/alumet", "charts/telemetry-pipeline"];

/// Where the packages go.
const PACKAGES: &str = "target/charts";

/// What is done with the charts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Chore {
    /// Renders the charts in many ways, and compares what comes out with what they promise.
    Test {
        /// Gets helm and what else the tests need into `target/tools`.
        #[arg(long)]
        install: bool,
        /// Goes to the tests, such as a part of a name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Makes packages and their index in `target/charts`.
    Package,
}

/// Does it.
pub(crate) fn run(workspace: &Workspace, chore: &Chore) -> Result<()> {
    let lines = match chore {
        Chore::Test { install, arguments } => {
            // Here, nothing is left out.
            let tools = TOOLS.map(|tool| Prerequisite {
                is_required: true,
                ..tool
            });
            prerequisite::provide(&tools, &workspace.root, *install)?;
            test_lines(arguments)
        }
        Chore::Package => package_lines(),
    };
    for line in lines {
        println!("== {line}");
        shell::run(&line, &workspace.root)?;
    }
    Ok(())
}

fn test_lines(arguments: &[String]) -> Vec<String> {
    let words: String = arguments
        .iter()
        .map(|word| format!(" {}", shell::quoted(word)))
        .collect();
    vec![
        // The programs that the charts run, as they are now, and with the features that all tests have.
        "cargo build --workspace --all-features --bins".to_owned(),
        format!(
            "{} cargo test --all-features -p alumet-charts-conformance --{words}",
            tools::PATH
        ),
    ]
}

fn package_lines() -> Vec<String> {
    let helm = |words: &str| format!("{} helm {words}", tools::PATH);
    let lint = CHARTS.map(|chart| helm(&format!("lint --strict --quiet {chart}")));
    let package = helm(&format!("package --destination {PACKAGES} {}", CHARTS.join(" ")));
    let index = helm(&format!("repo index {PACKAGES}"));
    let list = format!("ls -l {PACKAGES}");
    lint.into_iter().chain([package, index, list]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_built_before_the_tests_and_arguments_choose_among_these() {
        let lines = test_lines(&["--nocapture".to_owned(), "two words".to_owned()]);
        assert_eq!(
            lines,
            [
                "cargo build --workspace --all-features --bins",
                "PATH=\"$PWD/target/tools/bin:$PATH\" cargo test --all-features -p alumet-charts-conformance -- \
                 --nocapture 'two words'",
            ]
        );
    }

    #[test]
    fn what_does_not_pass_is_not_packed() {
        let lines = package_lines();
        let at = |word: &str| lines.iter().position(|line| line.contains(word)).unwrap();
        assert!(at("lint") < at("package") && at("package") < at("index"));
    }
}
