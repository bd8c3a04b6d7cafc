//! A server behind TLS.

use std::path::Path;

use alumet_plugin_mongodb::{Config, MongodbPlugin};
use alumet_relay_protocol::certs::{init, issue};
use alumet_shared_output_testkit::{account, are_all, delivered, finish, has_said, run, until};
use alumet_shared_trust::{ServerFiles, ServerTls, TlsConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::mongo::{Mongo, config};

/// Passes on what comes encrypted from those who have a certificate of the authority in a folder. Gives its port.
fn front(runtime: &Runtime, folder: &Path, server: u16) -> u16 {
    let files = ServerFiles {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        client_ca: Some(folder.join("ca.pem")),
        client_crl: None,
        client_certificate_optional: false,
    };
    let tls = ServerTls::new(files, b"mongodb").unwrap();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(tls.config());
            tokio::spawn(async move {
                let mut client = acceptor.accept(stream).await?;
                let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

#[test]
fn both_sides_prove_who_they_are_or_it_is_said_what_is_missing() {
    let Some(mongo) = Mongo::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    init(folder.path(), &[], false).unwrap();
    issue(folder.path(), "node", None, false).unwrap();
    let both = [at("node.pem"), at("node.key")].map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::write(at("both.pem"), both.concat()).unwrap();
    let runtime = Runtime::new().unwrap();
    let port = front(&runtime, folder.path(), mongo.port);
    let with = |tls| Config { tls, ..config(port) };
    let right = TlsConfig {
        ca: Some(at("ca.pem")),
        certificate: Some(at("both.pem")),
        key: Some(at("both.pem")),
        ..TlsConfig::default()
    };
    let system = TlsConfig {
        ca: None,
        ..right.clone()
    };
    for (tls, words) in [(None, "`tls`"), (Some(system), "`tls.ca`")] {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = run::<MongodbPlugin>(folder.path(), with(tls), 0);
        until(words, || has_said(&pipeline, &[words]));
    }
    let spool = tempfile::tempdir().unwrap();
    let pipeline = run::<MongodbPlugin>(spool.path(), with(Some(right)), 0);
    until("some are there", || delivered(&pipeline) > 100);
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
    assert!(are_all(&mongo.numbers(), ledger.produced));
}
