//! `certs`: what it writes, what it says, and what it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::program::Folder;

/// The part of the text that goes to a configuration.
pub(crate) fn snippet(text: &str) -> String {
    let begin = text.find("[plugins.").unwrap();
    let end = text[begin..]
        .find("\n\n")
        .map_or(text.len(), |length| begin + length);
    format!("{}\n", text[begin..end].trim_end())
}

#[test]
fn init_makes_an_authority_and_a_server_whose_snippet_passes_the_check() {
    let folder = Folder::new();
    let ended = folder.run(&[
        "certs",
        "init",
        "pki",
        "--name",
        "host.example",
        "--name",
        "10.0.0.5",
    ]);
    ended.expect_code(0);
    assert_eq!(ended.stderr, "");
    for name in ["ca.pem", "ca.key", "server.pem", "server.key"] {
        let path = folder.path("pki").join(name);
        assert!(path.is_file(), "{name}");
        // The same path is in the text, wherever the reader stands.
        assert!(
            ended.stdout.contains(&*path.to_string_lossy()),
            "{}",
            ended.stdout
        );
        if name.ends_with(".key") {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "others can read {name}");
        }
    }
    folder.write(
        "server.toml",
        &format!("{}\n[plugins.csv]\n", snippet(&ended.stdout)),
    );
    folder
        .run(&["--config", "server.toml", "config", "check"])
        .expect_code(0);
}

#[test]
fn certificates_are_listed_with_their_days_and_revoked_with_what_to_do_next() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| folder.run(&[&["certs"], arguments].concat());
    run(&["init", "pki", "--name", "host.example"]).expect_code(0);
    run(&["issue", "pki", "guest", "--days", "30"]).expect_code(0);
    let ended = run(&["revoke", "pki", "guest"]);
    ended.expect_code(0);
    let config: toml::Table = snippet(&ended.stdout).parse().unwrap();
    let list = config["plugins"]["relay-server"]["tls"]["client_crl"]
        .as_str()
        .unwrap();
    assert_eq!(list, folder.path("pki").join("ca.crl").to_string_lossy());
    let ended = run(&["list", "pki"]);
    ended.expect_code(0);
    let rows: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 4, "{}", ended.stdout);
    let has = |parts: &[&str]| rows.iter().any(|row| parts.iter().all(|part| row.contains(part)));
    assert!(
        has(&["host.example", "server", "825", "pki/server.pem"]),
        "{}",
        ended.stdout
    );
    assert!(
        has(&["guest", "node", "revoked", "pki/guest.pem"]),
        "{}",
        ended.stdout
    );
    // Another certificate of the same name.
    run(&["issue", "pki", "guest", "--days", "30", "--force"]).expect_code(0);
    assert!(run(&["list", "pki"]).stdout.contains("30 days left"));
    run(&["issue", "pki", "x", "--days", "0"]).expect_code(2);
}

#[test]
fn issue_makes_a_certificate_of_a_node_and_says_where_the_server_is() {
    let folder = Folder::new();
    folder
        .run(&["certs", "init", "pki", "--name", "host.example"])
        .expect_code(0);
    let ended = folder.run(&["certs", "issue", "pki", "node-1"]);
    ended.expect_code(0);
    let config: toml::Table = snippet(&ended.stdout).parse().unwrap();
    let client = &config["plugins"]["relay-client"];
    assert_eq!(client["client_name"].as_str(), Some("node-1"));
    assert_eq!(client["relay_server"].as_str(), Some("host.example:50051"));
    for (key, name) in [
        ("ca", "ca.pem"),
        ("certificate", "node-1.pem"),
        ("key", "node-1.key"),
    ] {
        let path = client["tls"][key].as_str().unwrap();
        assert_eq!(path, folder.path("pki").join(name).to_string_lossy());
        assert!(
            fs::read_to_string(path).unwrap().starts_with("-----BEGIN "),
            "{key}"
        );
    }
    assert!(
        ended.stdout.contains("the secret of the agent"),
        "{}",
        ended.stdout
    );
}

#[test]
fn an_ipv6_address_of_the_server_has_brackets() {
    let folder = Folder::new();
    folder
        .run(&["certs", "init", "pki", "--name", "fd00::1"])
        .expect_code(0);
    let ended = folder.run(&["certs", "issue", "pki", "n"]);
    assert!(
        ended.stdout.contains("relay_server = \"[fd00::1]:50051\""),
        "{}",
        ended.stdout
    );
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = Folder::new();
    folder.run(&["certs", "init", "pki"]).expect_code(0);
    folder.run(&["certs", "issue", "pki", "n"]).expect_code(0);
    let read = |name: &str| folder.read(&format!("pki/{name}"));
    let names = ["ca.pem", "ca.key", "server.pem", "server.key", "n.pem", "n.key"];
    let before = names.map(read);
    for arguments in [&["certs", "init", "pki"][..], &["certs", "issue", "pki", "n"]] {
        let refused = folder.run(arguments);
        refused.expect_code(1);
        assert_eq!(refused.stdout, "");
        assert!(refused.stderr.contains("exists already"), "{refused:?}");
        assert!(refused.stderr.contains("--force"), "{refused:?}");
    }
    assert_eq!(names.map(read), before);

    folder
        .run(&["certs", "issue", "pki", "n", "--force"])
        .expect_code(0);
    assert_ne!(read("n.pem"), before[4]);
    assert_eq!(read("ca.pem"), before[0]);
    folder.run(&["certs", "init", "pki", "--force"]).expect_code(0);
    assert_ne!(read("ca.pem"), before[0]);
    assert_ne!(read("server.pem"), before[2]);
}

#[test]
fn issue_without_an_authority_names_the_command_that_makes_one() {
    let folder = Folder::new();
    let ended = folder.run(&["certs", "issue", "pki", "n"]);
    ended.expect_code(1);
    assert!(ended.stderr.contains("certs init"), "{ended:?}");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_name_that_is_a_path_or_a_file_of_the_authority_is_refused() {
    let folder = Folder::new();
    folder.run(&["certs", "init", "pki"]).expect_code(0);
    for name in ["../n", "ca", "server", ""] {
        let ended = folder.run(&["certs", "issue", "pki", name, "--force"]);
        ended.expect_code(1);
        assert!(ended.stderr.contains("cannot be the name of a node"), "{ended:?}");
    }
    assert_eq!(folder.names(), ["pki"]);
}
