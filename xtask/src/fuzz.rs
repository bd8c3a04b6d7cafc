//! `cargo xtask fuzz`: the fuzz targets, with the usual toolchain.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell;
use crate::workspace::Workspace;

const MANIFEST: &str = "fuzz/Cargo.toml";
const SOURCES: &str = "fuzz/fuzz_targets";

/// What the fuzzer wants to see of a run: which branches it takes, and what it compares.
const FLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What `cargo xtask fuzz` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The targets; without any, all of them, one after another.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs the targets; all of them, even when the first ones find something.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = &workspace.root;
    let targets = chosen(all(root)?, &options.targets)?;
    let seconds = options.seconds;
    let mut failed = Vec::new();
    for target in targets {
        // Where cargo-fuzz has them, too.
        let (corpus, artifacts) = (
            format!("fuzz/corpus/{target}"),
            format!("fuzz/artifacts/{target}/"),
        );
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(root.join(folder)).with_context(|| format!("cannot make {folder}"))?;
        }
        // With an explicit machine to build for, the flags do not reach build scripts.
        let line = format!(
            "RUSTFLAGS='{FLAGS}' cargo run --quiet --release --manifest-path {MANIFEST} \
             --target $(rustc --print host-tuple) --bin {target} -- -max_total_time={seconds} \
             -artifact_prefix={artifacts} -timeout=10 -verbosity=0 -print_final_stats=1 {corpus}"
        );
        println!("== {target} for {seconds} s");
        if shell::run(&line, root).is_err() {
            println!("== {target} found something, or was not built; repeat it with: {line}");
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!(
            "failed: {}; inputs that were found are in fuzz/artifacts, and a target tries one that is its last argument",
            failed.join(", ")
        );
    }
    Ok(())
}

/// The names of all targets: one file each.
fn all(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(SOURCES)).with_context(|| format!("cannot list {SOURCES}"))? {
        let file = entry?.file_name();
        names.extend(file.to_string_lossy().strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn chosen(all: Vec<String>, wanted: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        bail!("there is no target `{unknown}`; choose among {}", all.join(", "));
    }
    Ok(if wanted.is_empty() { all } else { wanted.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_run_unless_some_are_chosen() {
        let all = || vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(chosen(all(), &[]).unwrap(), ["a", "b"]);
        assert_eq!(chosen(all(), &["b".to_owned()]).unwrap(), ["b"]);
        let error = chosen(all(), &["c".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "there is no target `c`; choose among a, b");
    }

    #[test]
    fn every_target_is_a_program_of_the_manifest_and_the_other_way_round() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifest = fs::read_to_string(root.join(MANIFEST)).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let programs = manifest["bin"].as_array().unwrap();
        let mut programs: Vec<&str> = programs.iter().filter_map(|one| one["name"].as_str()).collect();
        programs.sort_unstable();
        assert_eq!(all(&root).unwrap(), programs);
    }
}
