//! Certificates that are made, renewed, refused.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use alumet_relay_protocol::certs::{init, issue, list, revoke};
use alumet_relay_protocol::identity::node_of;
use alumet_shared_trust::valid_until;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn file_names(paths: &[std::path::PathBuf]) -> Vec<&str> {
    paths
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn one_command_makes_an_authority_and_a_server_and_another_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("a/b");
    let made = init(&dir, &names(&["server.example", "192.0.2.1", "::1"]), false).unwrap();
    assert_eq!(
        file_names(&made),
        ["ca.pem", "ca.key", "ca.crl", "server.pem", "server.key"]
    );
    let made = issue(&dir, "node-1.example", None, false).unwrap();
    assert_eq!(file_names(&made), ["node-1.example.pem", "node-1.example.key"]);
    for name in ["ca", "server", "node-1.example"] {
        assert_eq!(mode(&dir.join(format!("{name}.key"))), 0o600);
        valid_until(&dir.join(format!("{name}.pem"))).unwrap();
    }
    assert_eq!(mode(&dir), 0o700);
    let certificate = CertificateDer::from_pem_file(dir.join("node-1.example.pem")).unwrap();
    assert_eq!(node_of(&certificate).as_deref(), Some("node-1.example"));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 7, "nothing else is left");
}

#[test]
fn a_list_tells_whose_each_certificate_is_for_how_long_and_whether_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    init(dir, &names(&["server.example"]), false).unwrap();
    issue(dir, "long", None, false).unwrap();
    issue(dir, "short", Some(3), false).unwrap();
    for _ in 0..2 {
        assert_eq!(revoke(dir, "short").unwrap(), dir.join("ca.crl"));
    }
    assert_eq!(mode(&dir.join("ca.crl")), 0o644);
    let rows = || {
        let listed = list(dir).unwrap().into_iter();
        let rows =
            listed.map(|row| format!("{} {} {} {}", row.name, row.kind, row.days_left, row.is_revoked));
        rows.collect::<Vec<_>>()
    };
    let expected = [
        "Alumet relay authority authority 3653 false",
        "long node 825 false",
        "server.example server 825 false",
        "short node 3 true",
    ];
    assert_eq!(rows(), expected);
    // A new one of the same name is another one, and a second revocation keeps the first.
    issue(dir, "short", Some(9), true).unwrap();
    revoke(dir, "long").unwrap();
    assert_eq!(rows()[1], "long node 825 true");
    assert_eq!(rows()[3], "short node 9 false");
}

#[test]
fn only_nodes_that_are_there_are_revoked_and_a_damaged_list_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    init(dir, &[], false).unwrap();
    issue(dir, "node", None, false).unwrap();
    for (node, phrase) in [
        ("server", "is no node"),
        ("CA", "is no node"),
        ("nobody", "nobody.pem cannot be read"),
    ] {
        let error = revoke(dir, node).unwrap_err().to_string();
        assert!(error.contains(phrase), "{error}");
    }
    fs::write(dir.join("ca.crl"), "rubbish").unwrap();
    let error = revoke(dir, "node").unwrap_err().to_string();
    assert!(error.contains("ca.crl is no list"), "{error}");
    assert_eq!(fs::read_to_string(dir.join("ca.crl")).unwrap(), "rubbish");
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    init(dir, &[], false).unwrap();
    issue(dir, "n", None, false).unwrap();
    let before = fs::read(dir.join("ca.pem")).unwrap();
    let error = init(dir, &[], false).unwrap_err().to_string();
    assert!(
        error.contains("ca.pem exists already") && error.contains("--force"),
        "{error}"
    );
    let error = issue(dir, "n", None, false).unwrap_err().to_string();
    assert!(
        error.contains("n.pem exists already") && error.contains("--force"),
        "{error}"
    );
    assert_eq!(fs::read(dir.join("ca.pem")).unwrap(), before);

    issue(dir, "n", None, true).unwrap();
    init(dir, &[], true).unwrap();
    assert_ne!(fs::read(dir.join("ca.pem")).unwrap(), before);
}

#[test]
fn a_removed_server_certificate_is_made_again_by_the_same_authority() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    init(dir, &[], false).unwrap();
    let authority = fs::read(dir.join("ca.pem")).unwrap();
    fs::remove_file(dir.join("server.pem")).unwrap();
    assert!(
        init(dir, &[], false).is_err(),
        "a key without certificate may be in use"
    );
    fs::remove_file(dir.join("server.key")).unwrap();
    let made = init(dir, &[], false).unwrap();
    assert_eq!(file_names(&made), ["server.pem", "server.key"]);
    assert_eq!(fs::read(dir.join("ca.pem")).unwrap(), authority);
}

/// Moves files of a complete set back to where they were made, as a run leaves them that is killed in between.
fn interrupt(dir: &Path, made: &str, moved_back: &[&str]) {
    fs::create_dir_all(dir.join(made)).unwrap();
    for name in moved_back {
        fs::rename(dir.join(name), dir.join(made).join(name)).unwrap();
    }
}

#[test]
fn what_an_interrupted_run_left_needs_no_force() {
    let all = ["ca.key", "server.key", "ca.pem", "server.pem"];
    for count in 0..=all.len() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        init(dir, &names(&["first.example"]), false).unwrap();
        let authority = fs::read(dir.join("ca.pem")).unwrap();
        interrupt(dir, ".server.made", &all[count..]);
        let made = init(dir, &names(&["second.example"]), false).unwrap();
        assert_eq!(file_names(&made), ["server.pem", "server.key"]);
        assert_eq!(fs::read(dir.join("ca.pem")).unwrap(), authority);
        let certificate = CertificateDer::from_pem_file(dir.join("server.pem")).unwrap();
        assert_eq!(node_of(&certificate).as_deref(), Some("second.example"));

        issue(dir, "n", None, false).unwrap();
        interrupt(dir, ".n.made", &["n.pem"]);
        issue(dir, "n", None, false).unwrap();
        assert_eq!(fs::read_dir(dir).unwrap().count(), 7, "nothing else is left");
        assert!(init(dir, &[], false).is_err() && issue(dir, "n", None, false).is_err());
    }
    // Before the set was complete.
    let folder = tempfile::tempdir().unwrap();
    let making = folder.path().join(".server.making");
    fs::create_dir(&making).unwrap();
    fs::write(making.join("ca.key"), "half of a k").unwrap();
    init(folder.path(), &[], false).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn what_cannot_be_made_is_told_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let error = issue(dir, "n", None, false).unwrap_err().to_string();
    assert!(error.contains("certs init"), "{error}");
    for name in ["é", "[::1]", "server.example:50051", ""] {
        let error = init(dir, &names(&["localhost", name]), false).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("cannot be for `{name}`; use")),
            "{error}"
        );
    }
    init(dir, &[], false).unwrap();
    for name in ["../n", "", "a b"] {
        let error = issue(dir, name, None, false).unwrap_err().to_string();
        assert!(error.contains("cannot be the name of a node; use"), "{error}");
    }
    for name in ["ca", "Server"] {
        let error = issue(dir, name, None, true).unwrap_err().to_string();
        assert!(error.contains("cannot be the name of a node here"), "{error}");
    }
    let error = init(Path::new("/proc/certs"), &[], false).unwrap_err();
    assert!(error.source().is_some());
    assert!(
        error.to_string().starts_with("/proc/certs cannot be written"),
        "{error}"
    );
    fs::write(dir.join("ca.key"), "nonsense").unwrap();
    let error = issue(dir, "m", None, false).unwrap_err().to_string();
    assert!(
        error.contains("ca.key is no usable part of an authority"),
        "{error}"
    );
}

#[test]
fn a_node_may_be_named_like_an_ip_address_or_longer_than_a_common_name() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[], false).unwrap();
    let long = format!("{}.{}", "a".repeat(60), "b".repeat(60));
    for name in ["10.0.0.1", long.as_str()] {
        let made = issue(folder.path(), name, None, false).unwrap();
        let certificate = CertificateDer::from_pem_file(&made[0]).unwrap();
        assert_eq!(node_of(&certificate).as_deref(), Some(name));
    }
}
