//! The side of a server of SCRAM-SHA-256 (RFC 5802 and 7677), which the driver uses for names and passwords.

use alumet_plugin_mongodb::MongodbPlugin;
use alumet_shared_output_testkit::{account, delivered, finish, has_said, run, until};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use sha2::{Digest, Sha256};

use crate::answering::answering;
use crate::mongo::config;

const SALT: &[u8; 16] = b"sixteen of salt.";
const ROUNDS: usize = 4096;
/// What the server adds to the nonce of the client.
const NONCE: &str = "server";

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text);
    let outer = Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner.finalize());
    outer.finalize().into()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, at| {
            number << 8 | usize::from(*three.get(at).unwrap_or(&0))
        });
        for at in 0..4 {
            let is_there = at <= three.len();
            let digit = DIGITS[number >> (18 - 6 * at) & 63];
            text.push(if is_there { char::from(digit) } else { '=' });
        }
    }
    text
}

fn xor(mut one: [u8; 32], other: [u8; 32]) -> [u8; 32] {
    one.iter_mut().zip(other).for_each(|(one, other)| *one ^= other);
    one
}

/// The second message of the server: `None` if the client does not know the password.
fn verify(client_final: &str, user: &str, password: &str) -> Option<String> {
    let (without_proof, proof) = client_final.split_once(",p=")?;
    let nonce = without_proof.strip_prefix("c=biws,r=")?;
    let message = format!(
        "n={user},r={},{},{without_proof}",
        nonce.strip_suffix(NONCE)?,
        server_first(nonce)
    );
    let mut round = hmac(password.as_bytes(), &[&SALT[..], &[0, 0, 0, 1]].concat());
    let mut salted = round;
    for _ in 1..ROUNDS {
        round = hmac(password.as_bytes(), &round);
        salted = xor(salted, round);
    }
    let client = hmac(&salted, b"Client Key");
    let signature = hmac(&Sha256::digest(client), message.as_bytes());
    let server = hmac(&hmac(&salted, b"Server Key"), message.as_bytes());
    (proof == base64(&xor(client, signature))).then(|| format!("v={}", base64(&server)))
}

fn server_first(nonce: &str) -> String {
    format!("r={nonce},s={},i={ROUNDS}", base64(SALT))
}

/// What a server answers that lets only this user in.
fn answer(command: &Document, user: &str, password: &str) -> Document {
    let payload = command.get_binary_generic("payload").cloned().unwrap_or_default();
    let payload = String::from_utf8(payload).unwrap();
    let (done, said) = match command.keys().next().map(String::as_str) {
        Some("saslStart") => {
            assert_eq!(command.get_str("$db").unwrap(), "people");
            let nonce = payload.strip_prefix(&format!("n,,n={user},r="));
            (false, nonce.map(|nonce| server_first(&format!("{nonce}{NONCE}"))))
        }
        Some("saslContinue") => (true, verify(&payload, user, password)),
        _ => return Document::new(),
    };
    let Some(said) = said else {
        return doc! { "ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "no such user" };
    };
    let payload = Binary {
        subtype: BinarySubtype::Generic,
        bytes: said.into_bytes(),
    };
    doc! { "conversationId": 1, "done": done, "payload": payload }
}

#[test]
fn a_password_that_becomes_right_lets_everything_through_that_has_waited() {
    const USER: &str = "us:e@r/%";
    const PASSWORD: &str = "h:u@n/t%e?r2";
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong").unwrap();
    let mut config = config(answering(|command| answer(command, USER, PASSWORD)));
    config.username = Some(USER.to_owned());
    config.password_file = Some(password.clone());
    config.auth_source = Some("people".to_owned());
    let pipeline = run::<MongodbPlugin>(folder.path(), config, 0);
    until("it is refused", || {
        has_said(&pipeline, &["no such user", "`password_file`"])
    });
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    until("it is let through", || delivered(&pipeline) > 100);
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
}
