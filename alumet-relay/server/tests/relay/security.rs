//! Who may speak, and in which version.

use std::collections::BTreeMap;

use alumet_core::Catalog;
use alumet_plugin_relay_server::{Config, RelaySource};
use alumet_relay_protocol::v1::client_message::Message;
use alumet_relay_protocol::v1::{ClientMessage, Hello};
use tonic::Code;

use crate::client::{begin, begin_on, hello, message, plain};
use crate::hostile::{end, framed_message, raw};
use crate::rig::Rig;
use crate::spool::GatedSpool;

const TOKEN_A: &str = "token-of-a-0123456789";
const TOKEN_B: &str = "token-of-b-0123456789";

fn code<T>(result: Result<T, tonic::Status>) -> Code {
    result.err().expect("a refusal").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_that_of_one_node() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, format!("b {TOKEN_B}\n")).unwrap();
    let rig = Rig::with(|config| {
        config.tokens = BTreeMap::from([("a".to_owned(), TOKEN_A.to_owned())]);
        config.tokens_file = Some(path);
    });
    let channel = plain(rig.address).await;
    let with = |node, number, token| begin_on(channel.clone(), hello(node, number, 1), token);
    assert!(with("a", 1, Some(TOKEN_A)).await.is_ok());
    assert!(with("b", 2, Some(TOKEN_B)).await.is_ok());
    let status = with("b", 2, Some(TOKEN_A)).await.err().expect("a refusal");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(
        status.message().contains("credentials are those of `a`"),
        "{status}"
    );
    assert_eq!(
        code(with("a", 1, Some("unknown-0123456789")).await),
        Code::Unauthenticated
    );
    assert_eq!(code(with("a", 1, None).await), Code::Unauthenticated);
    drop(channel);
    let report = rig.stop();
    let counted = |reason: &str, count: &str| {
        report
            .iter()
            .any(|line| line.contains(&format!("reason={reason}")) && line.ends_with(count))
    };
    assert!(
        counted("identity", "= 1") && counted("credentials", "= 2"),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_version_is_told_which_side_to_update() {
    let rig = Rig::start();
    let next = Hello {
        protocol_min: 3,
        protocol_max: 4,
        ..hello("a", 1, 1)
    };
    let status = begin(rig.address, next).await.err().expect("a refusal");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().ends_with("update the server"), "{status}");
    let newer = Hello {
        protocol_max: 9,
        ..hello("a", 1, 1)
    };
    assert_eq!(begin(rig.address, newer).await.unwrap().welcome.protocol, 2);

    // Version 1 had no checksum over its first word.
    let (to, status) = raw(rig.address).await;
    let old = ClientMessage {
        checksum: 0,
        ..message(Message::Hello(Hello {
            protocol_min: 1,
            protocol_max: 1,
            ..hello("a", 1, 1)
        }))
    };
    to.send(framed_message(&old)).await.unwrap();
    let (code, message) = end(status).await;
    assert_eq!(code, Code::FailedPrecondition as i32);
    assert!(message.ends_with("update%20the%20client"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_is_none_is_refused() {
    let rig = Rig::start();
    for wrong in [
        Hello {
            instance: vec![1; 15].into(),
            ..hello("a", 1, 1)
        },
        Hello {
            run: vec![].into(),
            ..hello("a", 1, 1)
        },
        Hello {
            node: "../a".to_owned(),
            ..hello("a", 1, 1)
        },
        Hello {
            node: String::new(),
            ..hello("a", 1, 1)
        },
    ] {
        assert_eq!(code(begin(rig.address, wrong).await), Code::InvalidArgument);
    }
}

#[test]
fn a_server_does_not_start_where_everybody_could_listen() {
    let bind = |address: &str, insecure| {
        let config = Config {
            address: address.to_owned(),
            insecure,
            ..Config::default()
        };
        RelaySource::bind(
            config,
            &Catalog::new(),
            std::sync::Arc::new(GatedSpool::default()),
        )
    };
    let error = bind("0.0.0.0:0", false).err().unwrap().to_string();
    assert!(
        error.starts_with("`address`: ") && error.contains("`tls`") && error.contains("insecure = true"),
        "{error}"
    );
    assert!(bind("0.0.0.0:0", true).is_ok());
    assert!(bind("127.0.0.1:0", false).is_ok());
}

#[test]
fn an_address_in_use_is_told_with_its_remedy() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        address: other.local_addr().unwrap().to_string(),
        ..Config::default()
    };
    let error = RelaySource::bind(
        config,
        &Catalog::new(),
        std::sync::Arc::new(GatedSpool::default()),
    )
    .err()
    .unwrap();
    assert!(error.to_string().contains("stop the program"), "{error}");
}
