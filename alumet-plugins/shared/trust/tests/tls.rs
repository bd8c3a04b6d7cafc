//! Two programs that trust each other, or say why not.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::pipeline::PipelineBuilder;
use alumet_relay_protocol::certs::{init, issue, revoke};
use alumet_relay_protocol::identity::node_of;
use alumet_shared_trust::{
    ClientTls, ServerFiles, ServerTls, TlsConfig, TlsError, explain_client, explain_server,
};
use rcgen::{CertificateParams, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A folder with an authority, a server for `localhost` and the node `node`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[], false).unwrap();
    issue(folder.path(), "node", None, false).unwrap();
    folder
}

fn server_files(dir: &Path) -> ServerFiles {
    ServerFiles {
        certificate: dir.join("server.pem"),
        key: dir.join("server.key"),
        client_ca: Some(dir.join("ca.pem")),
        client_crl: None,
        client_certificate_optional: false,
    }
}

fn client_files(dir: &Path) -> TlsConfig {
    TlsConfig {
        ca: Some(dir.join("ca.pem")),
        certificate: Some(dir.join("node.pem")),
        key: Some(dir.join("node.key")),
        ..TlsConfig::default()
    }
}

fn serve(files: ServerFiles) -> ServerTls {
    ServerTls::new(files, b"h2").unwrap()
}

fn dial(config: &TlsConfig) -> ClientTls {
    ClientTls::new(config, Some(b"h2")).unwrap()
}

/// A certificate that was valid some years ago, signed by the authority in `dir`.
fn expired(dir: &Path, name: &str, dns_name: &str) -> (PathBuf, PathBuf) {
    let authority = fs::read_to_string(dir.join("ca.pem")).unwrap();
    let key = KeyPair::from_pem(&fs::read_to_string(dir.join("ca.key")).unwrap()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&authority, key).unwrap();
    let mut params = CertificateParams::new(vec![dns_name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let paths = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    fs::write(&paths.0, certificate.pem()).unwrap();
    fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

/// What each side says of a handshake: the node that the server sees, or why there is no connection.
async fn shake(
    server: &ServerTls,
    client: &ClientTls,
    host: &str,
) -> (Result<Option<String>, String>, Result<(), String>) {
    shake_with(
        server.config(),
        server.files(),
        client.config().unwrap(),
        client.source(),
        host,
    )
    .await
}

async fn shake_with(
    server: Arc<rustls::ServerConfig>,
    server_files: &ServerFiles,
    client: Arc<rustls::ClientConfig>,
    client_files: &TlsConfig,
    host: &str,
) -> (Result<Option<String>, String>, Result<(), String>) {
    let (near, far) = duplex(1 << 16);
    let server = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        stream.write_all(b"x").await?;
        let chain = stream.get_ref().1.peer_certificates();
        let node = chain.and_then(|chain| node_of(&chain[0]));
        std::io::Result::Ok(node)
    };
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).unwrap();
    let client = async {
        let mut stream = TlsConnector::from(client).connect(name, near).await?;
        // A client is told that its certificate is refused only after its own handshake.
        stream.read_u8().await?;
        std::io::Result::Ok(())
    };
    let (server, client) = tokio::join!(server, client);
    let text = |error: &(dyn Error + 'static), explained: Option<String>| {
        explained.unwrap_or_else(|| panic!("not explained: {error}"))
    };
    (
        server.map_err(|error| text(&error, explain_server(&error, server_files))),
        client.map_err(|error| text(&error, explain_client(&error, client_files))),
    )
}

#[tokio::test]
async fn each_side_knows_the_other() {
    let folder = folder();
    let server = serve(server_files(folder.path()));
    let client = dial(&client_files(folder.path()));
    for host in ["localhost", "127.0.0.1", "::1"] {
        let (seen, result) = shake(&server, &client, host).await;
        assert_eq!(seen.unwrap().as_deref(), Some("node"));
        assert_eq!(result, Ok(()));
    }
}

#[tokio::test]
async fn a_client_without_certificate_is_told_to_get_one_unless_it_may_do_without() {
    let folder = folder();
    let anonymous = TlsConfig {
        certificate: None,
        key: None,
        ..client_files(folder.path())
    };
    let client = dial(&anonymous);
    let server = serve(server_files(folder.path()));
    let (seen, result) = shake(&server, &client, "localhost").await;
    assert!(seen.unwrap_err().contains("shows no certificate"));
    assert!(result.unwrap_err().contains("set `tls.certificate`"));

    let optional = ServerFiles {
        client_certificate_optional: true,
        ..server_files(folder.path())
    };
    let server = serve(optional);
    assert_eq!(shake(&server, &client, "localhost").await, (Ok(None), Ok(())));
}

#[tokio::test]
async fn a_foreign_authority_is_named_with_the_file_on_both_sides() {
    let (ours, theirs) = (folder(), folder());
    let server = serve(server_files(ours.path()));
    let client = dial(&client_files(theirs.path()));
    let (seen, result) = shake(&server, &client, "localhost").await;
    let (seen, result) = (seen.unwrap_err(), result.unwrap_err());
    assert!(
        result.contains(&*theirs.path().join("ca.pem").to_string_lossy()),
        "{result}"
    );
    assert!(
        seen.contains(&*ours.path().join("server.pem").to_string_lossy()),
        "{seen}"
    );

    // The client trusts the server, but not the other way round.
    let stranger = TlsConfig {
        ca: Some(ours.path().join("ca.pem")),
        ..client_files(theirs.path())
    };
    let client = dial(&stranger);
    let (seen, result) = shake(&server, &client, "localhost").await;
    let (seen, result) = (seen.unwrap_err(), result.unwrap_err());
    assert!(
        seen.contains(&*ours.path().join("ca.pem").to_string_lossy()),
        "{seen}"
    );
    assert!(result.contains("node.pem"), "{result}");
}

#[tokio::test]
async fn another_name_of_the_server_is_named() {
    let folder = folder();
    let server = serve(server_files(folder.path()));
    let client = dial(&client_files(folder.path()));
    let (_, result) = shake(&server, &client, "elsewhere.example").await;
    let error = result.unwrap_err();
    assert!(error.contains("tls.server_name"), "{error}");
}

#[tokio::test]
async fn an_expired_certificate_is_named_with_its_date_and_replaced_without_a_new_start() {
    let folder = folder();
    let (certificate, key) = expired(folder.path(), "old", "old");
    let client = dial(&TlsConfig {
        certificate: Some(certificate.clone()),
        key: Some(key.clone()),
        ..client_files(folder.path())
    });
    let error = client.config().unwrap_err();
    assert!(matches!(error, TlsError::OutOfDate { .. }));
    let error = error.to_string();
    assert!(error.contains("old.pem") && error.contains("2002"), "{error}");
    fs::copy(folder.path().join("node.pem"), certificate).unwrap();
    fs::copy(folder.path().join("node.key"), key).unwrap();
    let server = serve(server_files(folder.path()));
    let (seen, result) = shake(&server, &client, "localhost").await;
    assert_eq!((seen.unwrap().as_deref(), result), (Some("node"), Ok(())));
}

#[tokio::test]
async fn a_name_of_ones_own_and_a_certificate_of_anybody_must_be_asked_for() {
    let (ours, theirs) = (folder(), folder());
    let server = serve(server_files(ours.path()));
    let named = TlsConfig {
        server_name: Some("localhost".to_owned()),
        ..client_files(ours.path())
    };
    assert_eq!(shake(&server, &dial(&named), "elsewhere.example").await.1, Ok(()));
    let blind = TlsConfig {
        ca: None,
        insecure_skip_verify: true,
        ..client_files(ours.path())
    };
    assert_eq!(shake(&server, &dial(&blind), "elsewhere.example").await.1, Ok(()));
    // Without either, the system says whom to trust, and it does not know this authority.
    let system = TlsConfig {
        ca: None,
        ..client_files(theirs.path())
    };
    match ClientTls::new(&system, None) {
        Ok(client) => {
            let error = shake(&server, &client, "localhost").await.1.unwrap_err();
            assert!(error.contains("nobody whom this system trusts"), "{error}");
        }
        Err(error) => assert!(error.to_string().contains("ca-certificates"), "{error}"),
    }
}

/// The configuration of a client whose certificate expired while it ran, which `ClientTls` would not load.
fn client_of(dir: &Path, certificate: &Path, key: &Path) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap();
    Arc::new(config)
}

#[tokio::test]
async fn a_certificate_that_expired_meanwhile_is_named_on_both_sides() {
    let folder = folder();
    let (certificate, key) = expired(folder.path(), "old", "old");
    let server = serve(server_files(folder.path()));
    let config = client_of(folder.path(), &certificate, &key);
    let files = TlsConfig {
        certificate: Some(certificate),
        key: Some(key),
        ..client_files(folder.path())
    };
    let (seen, result) = shake_with(server.config(), server.files(), config, &files, "localhost").await;
    let (seen, result) = (seen.unwrap_err(), result.unwrap_err());
    assert!(seen.contains("client has expired"), "{seen}");
    assert!(
        result.contains("old.pem") && result.contains("expired"),
        "{result}"
    );
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_as_soon_as_the_list_has_it_and_others_are_not() {
    let folder = folder();
    let dir = folder.path();
    issue(dir, "other", None, false).unwrap();
    let server = serve(ServerFiles {
        client_crl: Some(dir.join("ca.crl")),
        ..server_files(dir)
    });
    let client = dial(&client_files(dir));
    assert_eq!(shake(&server, &client, "localhost").await.1, Ok(()));
    revoke(dir, "node").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (seen, result) = shake(&server, &client, "localhost").await;
    let (seen, result) = (seen.unwrap_err(), result.unwrap_err());
    assert!(
        seen.contains("client was revoked in") && seen.contains("ca.crl"),
        "{seen}"
    );
    assert!(
        result.contains("node.pem") && result.contains("it was revoked"),
        "{result}"
    );
    let other = TlsConfig {
        certificate: Some(dir.join("other.pem")),
        key: Some(dir.join("other.key")),
        ..client_files(dir)
    };
    assert_eq!(shake(&server, &dial(&other), "localhost").await.1, Ok(()));
}

#[test]
fn a_status_tells_until_when_each_certificate_is_valid_and_which_is_out_of_date() {
    let folder = folder();
    let dir = folder.path();
    issue(dir, "short", Some(3), false).unwrap();
    let pipeline = PipelineBuilder::new().start().unwrap();
    let control = pipeline.control();
    let server = serve(server_files(dir));
    server.report_to(control);
    let short = dial(&TlsConfig {
        certificate: Some(dir.join("short.pem")),
        key: Some(dir.join("short.key")),
        ..client_files(dir)
    });
    short.report_to(control);
    let (certificate, key) = expired(dir, "old", "old");
    let old = dial(&TlsConfig {
        certificate: Some(certificate),
        key: Some(key),
        ..client_files(dir)
    });
    old.report_to(control);
    let status = control.status().unwrap();
    let files = status
        .certificates
        .iter()
        .map(|certificate| certificate.path.strip_prefix(dir).unwrap());
    let expected = ["ca.pem", "server.pem", "short.pem"].map(Path::new);
    assert_eq!(files.collect::<Vec<_>>(), expected);
    let told = |phrase: &str| status.obstacles.iter().any(|obstacle| obstacle.contains(phrase));
    assert!(
        told("short.pem expires in 2 days") || told("short.pem expires in 71 h"),
        "{:?}",
        status.obstacles
    );
    assert!(told("old.pem expired at"), "{:?}", status.obstacles);
    assert!(!told("server.pem"), "{:?}", status.obstacles);
}

#[tokio::test]
async fn new_files_are_used_by_new_connections_and_broken_ones_are_not() {
    let folder = folder();
    let dir = folder.path();
    let server = serve(server_files(dir));
    let before = server.config();
    fs::write(dir.join("server.pem"), "broken").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(Arc::ptr_eq(&server.config(), &before));

    init(dir, &[], true).unwrap();
    issue(dir, "node", None, true).unwrap();
    // The client has the new authority: only a server with the new certificate suits it.
    let client = dial(&client_files(dir));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(
        shake(&server, &client, "localhost").await,
        (Ok(Some("node".to_owned())), Ok(()))
    );
}

#[test]
fn what_is_wrong_with_files_is_told_with_their_path() {
    let folder = folder();
    let dir = folder.path();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(
        dir.join("torn"),
        &fs::read(dir.join("server.pem")).unwrap()[..200],
    )
    .unwrap();
    let file = |name: &str| dir.join(name);
    for (certificate, key, ca, phrase) in [
        ("missing", "server.key", "ca.pem", "missing cannot be read"),
        ("empty", "server.key", "ca.pem", "empty holds no certificate"),
        ("torn", "server.key", "ca.pem", "torn"),
        ("server.pem", "empty", "ca.pem", "empty holds no private key"),
        (
            "server.pem",
            "server.pem",
            "ca.pem",
            "server.pem holds no private key",
        ),
        (
            "server.pem",
            "node.key",
            "ca.pem",
            "node.key is not that of the certificate",
        ),
        ("server.pem", "server.key", "empty", "empty holds no certificate"),
    ] {
        let files = ServerFiles {
            certificate: file(certificate),
            key: file(key),
            client_ca: Some(file(ca)),
            client_crl: None,
            client_certificate_optional: false,
        };
        let error = ServerTls::new(files, b"h2").unwrap_err().to_string();
        assert!(error.contains(phrase), "{certificate} {key} {ca}: {error}");
    }
    for (list, phrase) in [
        ("empty", "empty holds no list of revoked certificates"),
        ("missing", "missing cannot be read"),
    ] {
        let files = ServerFiles {
            client_crl: Some(file(list)),
            ..server_files(dir)
        };
        let error = ServerTls::new(files, b"h2").unwrap_err().to_string();
        assert!(error.contains(phrase), "{list}: {error}");
    }
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_is_told_so_in_the_log_of_the_server() {
    let folder = folder();
    let server = serve(server_files(folder.path()));
    let (mut near, far) = duplex(1 << 16);
    near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let error = TlsAcceptor::from(server.config()).accept(far).await.unwrap_err();
    let explained = explain_server(&error, server.files()).unwrap();
    assert!(explained.contains("does not speak TLS"), "{explained}");
}
