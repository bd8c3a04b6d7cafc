//! `cargo xtask ci`: all that a change must pass.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::fuzz;
use crate::step::Step;
use crate::workspace::Workspace;

struct Check {
    name: &'static str,
    step: Step,
    /// What must be there; without it, the check is skipped aloud.
    needs: Option<Need>,
}

struct Need {
    /// Succeeds when it is there.
    probe: Step,
    /// How to get it.
    remedy: &'static str,
}

/// Runs the checks one after another, and stops at the first failure.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let begin = Instant::now();
    let skipped = run_all(checks(), &workspace.root)?;
    println!("== all checks passed in {:.1} s", begin.elapsed().as_secs_f64());
    if !skipped.is_empty() {
        println!("== skipped: {}", skipped.join(", "));
    }
    Ok(())
}

/// Returns the names of the checks that were skipped.
fn run_all(checks: Vec<Check>, root: &Path) -> Result<Vec<&'static str>> {
    let mut skipped = Vec::new();
    for Check { name, step, needs } in checks {
        if let Some(Need { probe, remedy }) = needs.filter(|need| !need.probe.succeeds(root)) {
            println!("== {name}: skipped, because `{probe}` does not work here; {remedy}");
            skipped.push(name);
            continue;
        }
        println!("== {name}: {step}");
        let start = Instant::now();
        let result = step.run(root);
        let seconds = start.elapsed().as_secs_f64();
        if let Err(error) = result {
            println!("== {name}: FAILED after {seconds:.1} s");
            bail!("{error}; mend it, and repeat this check with: {step}");
        }
        println!("== {name}: passed in {seconds:.1} s");
    }
    Ok(skipped)
}

/// What is checked: the fast first.
fn checks() -> Vec<Check> {
    let check = |name, step| Check {
        name,
        step,
        needs: None,
    };
    vec![
        check("format", Step::cargo("fmt --all -- --check")),
        check(
            "format of the fuzz targets",
            Step::cargo("fmt --manifest-path fuzz/Cargo.toml -- --check"),
        ),
        check(
            "format of the plugin outside",
            Step::cargo("fmt --manifest-path examples/outside-plugin/Cargo.toml -- --check"),
        ),
        check("tidy", Step::cargo("xtask tidy")),
        Check {
            needs: Some(Need {
                probe: Step::cargo("deny --version"),
                remedy: "install it with `cargo install --locked cargo-deny`",
            }),
            ..check(
                "dependencies",
                Step::cargo("deny check --hide-inclusion-graph bans licenses sources"),
            )
        },
        check(
            "clippy",
            Step::cargo("clippy --workspace --all-targets --all-features -- -D warnings"),
        ),
        check(
            "clippy of the binaries without plugins",
            Step::cargo("clippy -p alumet-agent -p alumet-server --no-default-features -- -D warnings"),
        ),
        Check {
            needs: Some(Need {
                probe: Step::new(["c++", "--version"]),
                remedy: "install it with `apt-get install g++`",
            }),
            ..check("clippy of the fuzz targets", fuzz::clippy())
        },
        check("generated documentation", Step::cargo("xtask docs --check")),
        check(
            "documentation",
            Step::cargo("doc --no-deps --workspace --all-features").variable("RUSTDOCFLAGS", "-D warnings"),
        ),
        check(
            "clippy of the plugin outside",
            outside("clippy --all-targets").with(["--", "-D", "warnings"]),
        ),
        check("tests of the plugin outside", outside("test")),
        check("tests", Step::cargo("xtask test")),
    ]
}

/// A command of cargo for the crate outside of the workspace, which shares the built dependencies.
fn outside(line: &str) -> Step {
    Step::cargo(line)
        .with(["--manifest-path", "examples/outside-plugin/Cargo.toml"])
        .variable("CARGO_TARGET_DIR", "target")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, words: &[&str]) -> Check {
        Check {
            name,
            step: Step::new(words.iter().copied()),
            needs: None,
        }
    }

    #[test]
    fn the_first_failure_ends_it_with_the_command_to_repeat() {
        let mark = std::env::temp_dir().join(format!("xtask-ci-{}", std::process::id()));
        let path = mark.to_string_lossy();
        let checks = vec![
            check("good", &["true"]),
            check("bad", &["false", "x"]),
            check("late", &["touch", &path]),
        ];
        let error = run_all(checks, &std::env::temp_dir()).unwrap_err();
        assert!(
            error.to_string().ends_with("repeat this check with: false x"),
            "{error}"
        );
        assert!(!mark.exists());
    }

    #[test]
    fn a_check_whose_program_is_missing_is_skipped_and_named_at_the_end() {
        let needing = |program: &str, step: &[&str]| Check {
            needs: Some(Need {
                probe: Step::new([program]),
                remedy: "buy one",
            }),
            ..check("bad", step)
        };
        let folder = std::env::temp_dir();
        let skipped = run_all(vec![needing("no-such-program", &["false"])], &folder);
        assert_eq!(skipped.unwrap(), ["bad"]);
        assert!(run_all(vec![needing("true", &["false"])], &folder).is_err());
    }
}
