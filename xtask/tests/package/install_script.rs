//! What `packaging/install.sh` does before anything is installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::release::served;
use crate::{output, packaging, succeeds};

/// The files of a release, with their checksums.
fn release(folder: &Path) {
    for program in ["agent", "server"] {
        for file in [
            format!("alumet-{program}_1.2.3_amd64.deb"),
            format!("alumet-{program}_1.2.3_arm64.deb"),
            format!("alumet-{program}-1.2.3-1.x86_64.rpm"),
            format!("alumet-{program}-1.2.3-1.aarch64.rpm"),
            format!("alumet-{program}-1.2.3-x86_64-linux.tar.gz"),
            format!("alumet-{program}-1.2.3-aarch64-linux.tar.gz"),
        ] {
            fs::write(folder.join(&file), file).unwrap();
        }
    }
    succeeds(
        Command::new("sh")
            .args(["-c", "sha256sum * > SHA256SUMS"])
            .current_dir(folder),
    );
}

fn install(release: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg(packaging().join("install.sh"))
        .arg("--dry-run")
        .args(arguments)
        .env("ALUMET_RELEASES", release);
    command
}

#[test]
fn the_install_script_finds_the_file_of_a_program_and_says_what_it_would_run() {
    let folder = tempfile::tempdir().unwrap();
    release(folder.path());
    let address = served(folder.path().to_owned());
    let machine = std::env::consts::ARCH;
    let file = format!("alumet-server-1.2.3-{machine}-linux.tar.gz");
    for version in [&[][..], &["--version", "1.2.3"]] {
        let said = succeeds(install(&address, &["--archive", "server"]).args(version));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], format!("{file}: the checksum is right"));
        assert!(
            lines[1].starts_with("+ tar ") && lines[1].contains(&file),
            "{said}"
        );
        assert!(lines[1].contains(" --directory /usr/local "), "{said}");
    }
    // The package of whatever manager is here; the agent, if nothing is said.
    let said = succeeds(&mut install(&address, &[]));
    assert!(said.starts_with("alumet-agent"), "{said}");
}

#[test]
fn the_install_script_refuses_what_is_not_the_file_of_the_release() {
    let folder = tempfile::tempdir().unwrap();
    release(folder.path());
    let address = served(folder.path().to_owned());
    let machine = std::env::consts::ARCH;
    let file = format!("alumet-agent-1.2.3-{machine}-linux.tar.gz");
    fs::write(folder.path().join(&file), "something else").unwrap();
    for (arguments, phrase) in [
        (
            &["--archive"][..],
            "its checksum is another. Nothing is installed",
        ),
        (&["--version", "9.9.9"], "/download/v9.9.9 has no list of files"),
        (&["--version"], "--version takes a version"),
        (&["--wrong"], "'--wrong' is not known"),
    ] {
        let (succeeded, said) = output(&mut install(&address, arguments));
        assert!(!succeeded && said.contains(phrase), "{arguments:?}: {said}");
        assert!(!said.contains("+ "), "{said}");
    }
}
