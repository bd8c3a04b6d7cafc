//! `cargo xtask ci`: all that a change must pass.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::step::Step;
use crate::workspace::Workspace;

struct Check {
    name: &'static str,
    step: Step,
    /// The program that must be there; without it, the check is skipped aloud.
    needs: Option<Step>,
}

/// Runs the checks one after another, and stops at the first failure.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let begin = Instant::now();
    run_all(checks(), &workspace.root)?;
    println!("== all checks passed in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn run_all(checks: Vec<Check>, root: &Path) -> Result<()> {
    for Check { name, step, needs } in checks {
        if let Some(probe) = needs.filter(|probe| !probe.succeeds(root)) {
            println!("== {name}: skipped, because `{probe}` does not work here");
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
    Ok(())
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
        check("tidy", Step::cargo("xtask tidy")),
        Check {
            needs: Some(Step::cargo("deny --version")),
            ..check(
                "dependencies",
                Step::cargo("deny --offline check bans licenses sources"),
            )
        },
        check(
            "clippy",
            Step::cargo("clippy --workspace --all-targets --all-features -- -D warnings"),
        ),
        check(
            "clippy of the agent without plugins",
            Step::cargo("clippy -p alumet-agent --lib --no-default-features -- -D warnings"),
        ),
        check("generated documentation", Step::cargo("xtask docs --check")),
        check(
            "documentation",
            Step::cargo("doc --no-deps --workspace").variable("RUSTDOCFLAGS", "-D warnings"),
        ),
        check("tests", Step::cargo("xtask test")),
    ]
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
    fn a_check_whose_program_is_missing_is_skipped() {
        let skipped = Check {
            needs: Some(Step::new(["no-such-program"])),
            ..check("bad", &["false"])
        };
        assert!(run_all(vec![skipped], &std::env::temp_dir()).is_ok());
    }
}
