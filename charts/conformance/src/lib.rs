//! The programs that the tests of the charts, dashboards and rules run; the tests themselves are in `tests`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "a helper of a test fails the test, or says why it is left out"
)]

use std::env;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The path of a program, which `cargo xtask charts test --install` or the machine has. Says so if it is not there; the test
/// is left out then.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = iter::once(root().join("target/tools/bin"))
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        println!("left out: `{program}` is not installed; `cargo xtask charts test --install` does that");
    }
    found
}

/// `alumet-agent` or `alumet-server` of this build. When only this crate is tested, cargo does not build it, so this does.
pub fn of_this_build(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let program = profile.join(name);
    if !program.is_file() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "-p", name]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        build.env("CARGO_TARGET_DIR", profile.parent().unwrap());
        output(build.current_dir(root())).unwrap();
    }
    program
}

/// What a command prints, or what it complains about.
pub fn output(command: &mut Command) -> Result<String, String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if status.success() {
        Ok(stdout)
    } else {
        Err(format!("{stdout}{stderr}").trim().to_owned())
    }
}
