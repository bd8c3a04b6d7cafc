//! The packages of `cargo xtask package`, and how people install them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends with a panic when its tools fail, and says what it leaves out"
)]

mod install_script;
mod packages;
mod release;
mod root;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder of units, configurations and scripts.
fn packaging() -> PathBuf {
    repository().join("packaging")
}

/// Whether a line of shell succeeds; says what is left out where it does not.
fn works(probe: &str, install: &str) -> bool {
    let output = Command::new("sh").args(["-c", probe]).output().unwrap();
    let works = output.status.success();
    if !works {
        eprintln!("left out: `{probe}` does not work here; {install}");
    }
    works
}

/// What a command prints, which must succeed.
fn succeeds(command: &mut Command) -> String {
    let (succeeded, said) = output(command);
    assert!(succeeded, "{command:?}:\n{said}");
    said
}

/// Whether a command succeeds, and all that it prints.
fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_units_expose_no_more_than_what_measuring_takes() {
    if works(
        "systemd-analyze security --help",
        "install it with `apt-get install systemd`",
    ) {
        for (unit, tenths) in [("alumet-agent", 25), ("alumet-server", 15)] {
            let path = packaging().join(format!("systemd/{unit}.service"));
            succeeds(
                Command::new("systemd-analyze")
                    .args(["security", "--offline=true", "--no-pager"])
                    .arg(format!("--threshold={tenths}"))
                    .arg(path),
            );
        }
    }
}

#[test]
fn the_scripts_are_those_of_any_shell() {
    if works(
        "shellcheck --version",
        "install it with `apt-get install shellcheck`",
    ) {
        let scripts = ["install.sh", "debian/postinst", "debian/postrm"];
        succeeds(Command::new("shellcheck").args(scripts).current_dir(packaging()));
    }
}
