//! An agent and a server that cannot trust each other: every place that somebody reads says why, and how to mend it.

use std::fs;
use std::path::Path;

use alumet_relay_protocol::certs::{init, issue, revoke};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, date_time_ymd};

use crate::program::{Agent, Folder, procfs_with, wait_until};

/// What is wrong, and what is said where.
struct Row {
    server: &'static str,
    client: &'static str,
    /// In the log of the client, by `config check --connect` and by `doctor`.
    by_client: &'static str,
    /// In the log of the server, with the address of the client; empty if the client does not even come there.
    by_server: &'static str,
    /// By `config check`, which needs no server; empty if the files say nothing.
    by_check: &'static str,
}

const TLS: &str = "tls.certificate = 'server.pem'\ntls.key = 'server.key'\ntls.client_ca = 'ca.pem'\ntls.client_crl = 'ca.crl'";
const RIGHT: &str = "tls = { ca = 'ca.pem', certificate = 'node.pem', key = 'node.key' }";

const ROWS: &[Row] = &[
    Row {
        server: TLS,
        client: "",
        by_client: "speaks TLS; write its address with `https://`",
        by_server: "the client does not speak TLS; set `tls` there",
        by_check: "",
    },
    Row {
        server: "",
        client: RIGHT,
        by_client: "the server does not speak TLS; check the port, or write the address with `http://`",
        by_server: "the client speaks TLS, and this server does not; set `tls.certificate`",
        by_check: "",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem' }",
        by_client: "the server wants a certificate; set `tls.certificate` and `tls.key`",
        by_server: "the client shows no certificate; set `tls.certificate` and `tls.key` there",
        by_check: "",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'other/ca.pem', certificate = 'node.pem', key = 'node.key' }",
        by_client: "is not signed by an authority in other/ca.pem; copy the certificate of its authority",
        by_server: "does not take the certificate in server.pem (it is signed by an authority that is not known there)",
        by_check: "",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem', certificate = 'other/node.pem', key = 'other/node.key' }",
        by_client: "the server does not take the certificate in other/node.pem",
        by_server: "the certificate of the client is not signed by an authority in ca.pem; issue one there",
        by_check: "",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem', certificate = 'node.pem', key = 'node.key', server_name = 'elsewhere.example' }",
        by_client: "connect to one of the names in the certificate, or set `tls.server_name`",
        by_server: "has another name than is wanted there",
        by_check: "",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem', certificate = 'gone.pem', key = 'gone.key' }",
        by_client: "the server does not take the certificate in gone.pem (it was revoked)",
        by_server: "the certificate of the client was revoked in ca.crl; issue a new one",
        by_check: "",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem', certificate = 'old.pem', key = 'old.key' }",
        by_client: "the certificate in old.pem expired at",
        by_server: "",
        by_check: "the certificate in old.pem expired at",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem', certificate = 'new.pem', key = 'new.key' }",
        by_client: "the certificate in new.pem is valid only from",
        by_server: "",
        by_check: "the certificate in new.pem is valid only from",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem', certificate = 'node.pem', key = 'gone.key' }",
        by_client: "the key in gone.key is not that of the certificate in node.pem; name two files",
        by_server: "",
        by_check: "the key in gone.key is not that of the certificate in node.pem; name two files",
    },
    Row {
        server: TLS,
        client: "tls = { ca = 'ca.pem', certificate = 'nowhere.pem', key = 'node.key' }",
        by_client: "nowhere.pem cannot be read; check its path",
        by_server: "",
        by_check: "nowhere.pem cannot be read; check its path",
    },
];

/// The certificate of a client that is valid in these years, signed by the authority in `dir`.
fn dated(dir: &Path, name: &str, years: [i32; 2]) {
    let authority = fs::read_to_string(dir.join("ca.pem")).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(dir.join("ca.key")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&authority, key).unwrap();
    let mut params = CertificateParams::new(vec!["node".to_owned()]).unwrap();
    [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    fs::write(
        dir.join(format!("{name}.pem")),
        params.signed_by(&key, &issuer).unwrap().pem(),
    )
    .unwrap();
    fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// The port at which a server listens.
fn port(server: &Agent) -> String {
    wait_until("the server listens", || {
        let log = server.log();
        let (_, rest) = log.split_once("listening for agents address=127.0.0.1:")?;
        Some(rest.lines().next()?.trim().to_owned())
    })
}

/// A text in one line, however it was wrapped.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_wrong_side_is_named_with_its_remedy_wherever_somebody_looks() {
    let folder = Folder::new();
    let dir = folder.path("");
    for dir in [dir.clone(), dir.join("other")] {
        init(&dir, &["127.0.0.1".to_owned()], false).unwrap();
        issue(&dir, "node", None, false).unwrap();
    }
    issue(&dir, "gone", None, false).unwrap();
    revoke(&dir, "gone").unwrap();
    dated(&dir, "old", [2001, 2002]);
    dated(&dir, "new", [2900, 2901]);
    for (number, row) in ROWS.iter().enumerate() {
        let server = format!(
            "spool.path = 'server-{number}.db'\n[plugins.relay-server]\naddress = '127.0.0.1:0'\n{}\n[plugins.csv]\noutput_path = 'server.csv'\n",
            row.server
        );
        folder.write("server.toml", server);
        let mut server = folder.start(&["--config", "server.toml"]);
        let client = format!(
            "spool.path = 'client-{number}.db'\n[plugins.relay-client]\nclient_name = 'node'\nrelay_server = '127.0.0.1:{}'\n{}\n{}",
            port(&server),
            row.client,
            procfs_with("kernel.poll_interval = '50ms'")
        );
        folder.write("client.toml", client);
        let run = |arguments: &[&str]| folder.run(&[&["--config", "client.toml"], arguments].concat());
        let expect = |text: &str, phrase: &str| {
            let text = unwrapped(text);
            assert!(text.contains(phrase), "row {number}, {phrase}, in\n{text}");
        };
        expect(&run(&["config", "check"]).stderr, row.by_check);
        let connected = run(&["config", "check", "--connect"]);
        connected.expect_code(1);
        expect(&connected.stderr, row.by_client);
        expect(&run(&["doctor"]).stdout, row.by_client);
        let client = folder.start(&["--config", "client.toml"]);
        wait_until(row.by_client, || {
            client.log().contains(row.by_client).then_some(())
        });
        if !row.by_server.is_empty() {
            server.wait_for_log(row.by_server);
            let log = server.log();
            let line = log.lines().find(|line| line.contains(row.by_server)).unwrap();
            assert!(line.contains("peer=127.0.0.1:"), "row {number}: {line}");
        }
    }
}
