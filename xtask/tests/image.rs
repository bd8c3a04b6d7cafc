//! The images work, and one commit gives one image.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the programs that other tests have built, if this machine can make and run images of them.
fn programs() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let programs = target.join("debug");
    let line = "test $(id -u) = 0 && test -x alumet-agent && test -x alumet-server && \
                buildah --version && skopeo --version && umoci --version && runc --version";
    let probe = Command::new("sh")
        .args(["-c", line])
        .current_dir(&programs)
        .output();
    probe
        .is_ok_and(|probe| probe.status.success())
        .then_some(programs)
}

/// Makes images below `out`, and gives what is printed.
fn image(out: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("image")
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The digest of the server in what is printed.
fn digest(printed: &str) -> &str {
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("ghcr.io/alumet-dev/alumet-server:"));
    line.unwrap().split_whitespace().next_back().unwrap()
}

#[test]
fn samples_go_from_image_to_image_as_any_user_without_rights_and_images_are_the_same_twice() {
    let Some(programs) = programs() else {
        eprintln!("left out: this takes root, the programs of a build, buildah, skopeo, umoci and runc");
        return;
    };
    let programs = programs.to_str().unwrap();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
    let once = image(&out, &["agent", "server", "--check", "--programs", programs]);
    assert!(once.contains("works: what the image agent measured"), "{once}");
    let again = image(&out.join("again"), &["server", "--programs", programs]);
    assert_eq!(digest(&once), digest(&again));
    assert!(digest(&once).starts_with("sha256:"), "{once}");
    fs::remove_dir_all(out).unwrap();
}
