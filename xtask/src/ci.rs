//! `cargo xtask ci`: all that a change must pass.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::shell;
use crate::workspace::Workspace;

struct Check {
    name: &'static str,
    line: &'static str,
    needs: Option<Need>,
}

/// What a check cannot do without; where it is missing, the check is skipped aloud.
struct Need {
    /// Succeeds when it is there.
    probe: &'static str,
    /// How to get it.
    remedy: &'static str,
}

/// What is checked: the fast first. The crates outside of the workspace share the dependencies that are built.
const CHECKS: &[Check] = &[
    Check::new("format", "cargo fmt --all -- --check"),
    Check::new(
        "format of the fuzz targets",
        "cargo fmt --manifest-path fuzz/Cargo.toml -- --check",
    ),
    Check::new(
        "format of the plugin outside",
        "cargo fmt --manifest-path examples/outside-plugin/Cargo.toml -- --check",
    ),
    Check::new("tidy", "cargo xtask tidy"),
    Check::new(
        "dependencies",
        "cargo deny check --hide-inclusion-graph bans licenses sources",
    )
    .needs(
        "cargo deny --version",
        "install it with `cargo install --locked cargo-deny`",
    ),
    Check::new(
        "clippy",
        "cargo clippy --workspace --all-targets --all-features -- -D warnings",
    ),
    Check::new(
        "clippy of the binaries without plugins",
        "cargo clippy -p alumet-agent -p alumet-server --no-default-features -- -D warnings",
    ),
    Check::new(
        "clippy of the fuzz targets",
        "CARGO_TARGET_DIR=target cargo clippy --manifest-path fuzz/Cargo.toml --bins -- -D warnings",
    )
    .needs("c++ --version", "install it with `apt-get install g++`"),
    Check::new("generated documentation", "cargo xtask docs --check"),
    Check::new(
        "documentation",
        "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --workspace --all-features",
    ),
    Check::new(
        "clippy of the plugin outside",
        "CARGO_TARGET_DIR=target cargo clippy --manifest-path examples/outside-plugin/Cargo.toml --all-targets -- \
         -D warnings",
    ),
    Check::new(
        "tests of the plugin outside",
        "CARGO_TARGET_DIR=target cargo test --manifest-path examples/outside-plugin/Cargo.toml",
    ),
    Check::new("tests", "cargo xtask test"),
];

impl Check {
    const fn new(name: &'static str, line: &'static str) -> Self {
        let needs = None;
        Self { name, line, needs }
    }

    const fn needs(mut self, probe: &'static str, remedy: &'static str) -> Self {
        self.needs = Some(Need { probe, remedy });
        self
    }
}

/// Runs the checks one after another, and stops at the first failure.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let begin = Instant::now();
    let skipped = run_all(CHECKS, &workspace.root)?;
    println!("== all checks passed in {:.1} s", begin.elapsed().as_secs_f64());
    if !skipped.is_empty() {
        println!("== skipped: {}", skipped.join(", "));
    }
    Ok(())
}

/// Returns the names of the checks that were skipped.
fn run_all(checks: &[Check], root: &Path) -> Result<Vec<&'static str>> {
    let mut skipped = Vec::new();
    for Check { name, line, needs } in checks {
        if let Some(Need { probe, remedy }) = needs
            && !shell::succeeds(probe, root)
        {
            println!("== {name}: skipped, because `{probe}` does not work here; {remedy}");
            skipped.push(*name);
            continue;
        }
        println!("== {name}: {line}");
        let start = Instant::now();
        let result = shell::run(line, root);
        let seconds = start.elapsed().as_secs_f64();
        if let Err(error) = result {
            println!("== {name}: FAILED after {seconds:.1} s");
            bail!("{error}; mend it, and repeat this check with: {line}");
        }
        println!("== {name}: passed in {seconds:.1} s");
    }
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_ends_it_with_the_command_to_repeat() {
        let mark = std::env::temp_dir().join("xtask-ci-late");
        let _ = std::fs::remove_file(&mark);
        let checks = [
            Check::new("good", "true"),
            Check::new("bad", "false x"),
            Check::new("late", "touch xtask-ci-late"),
        ];
        let error = run_all(&checks, &std::env::temp_dir()).unwrap_err();
        assert!(
            error.to_string().ends_with("repeat this check with: false x"),
            "{error}"
        );
        assert!(!mark.exists());
    }

    #[test]
    fn a_check_whose_program_is_missing_is_skipped_and_named_at_the_end() {
        let needing = |probe| [Check::new("bad", "false").needs(probe, "buy one")];
        let folder = std::env::temp_dir();
        let skipped = run_all(&needing("no-such-program"), &folder);
        assert_eq!(skipped.unwrap(), ["bad"]);
        assert!(run_all(&needing("true"), &folder).is_err());
    }
}
