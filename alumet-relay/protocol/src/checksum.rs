//! Checksums over everything that is said, so that nothing that was damaged on its way is taken for something else.

use bytes::Bytes;
use prost::Message as _;
use tonic::{Code, Status};

use crate::v1::{ClientMessage, ServerMessage, client_message, server_message};

/// A message was damaged on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} was damaged on its way: its checksum is {found:08x} and should be {expected:08x}; send it again"
)]
pub struct Damaged {
    what: &'static str,
    found: u32,
    expected: u32,
}

impl Damaged {
    const fn check(what: &'static str, found: u32, expected: u32) -> Result<(), Self> {
        if found == expected {
            return Ok(());
        }
        Err(Self {
            what,
            found,
            expected,
        })
    }
}

impl ClientMessage {
    /// A message with its checksum. That of a batch is known where the batch comes from.
    pub fn sealed(mut message: client_message::Message) -> Self {
        if let client_message::Message::Definitions(definitions) = &mut message {
            definitions.checksum = crc32fast::hash(&definitions.payload);
        }
        let mut sealed = Self {
            message: Some(message),
            checksum: 0,
        };
        sealed.checksum = sealed.head();
        sealed
    }

    /// Makes sure that it is what was sent.
    ///
    /// # Errors
    /// When one of its checksums is wrong.
    pub fn verify(&self) -> Result<(), Damaged> {
        Damaged::check("a message", self.head(), self.checksum)?;
        let (payload, expected) = match &self.message {
            Some(client_message::Message::Definitions(definitions)) => {
                (&definitions.payload, definitions.checksum)
            }
            Some(client_message::Message::Batch(batch)) => (&batch.payload, batch.checksum),
            _ => return Ok(()),
        };
        Damaged::check("the payload of a message", crc32fast::hash(payload), expected)
    }

    /// The checksum of all but the payload, which is not copied for it.
    fn head(&self) -> u32 {
        let mut head = self.clone();
        head.checksum = 0;
        match &mut head.message {
            Some(client_message::Message::Definitions(definitions)) => definitions.payload = Bytes::new(),
            Some(client_message::Message::Batch(batch)) => batch.payload = Bytes::new(),
            _ => {}
        }
        crc32fast::hash(&head.encode_to_vec())
    }
}

impl ServerMessage {
    /// A message with its checksum.
    pub fn sealed(message: server_message::Message) -> Self {
        let mut sealed = Self {
            message: Some(message),
            checksum: 0,
        };
        sealed.checksum = sealed.content();
        sealed
    }

    /// Makes sure that it is what was sent.
    ///
    /// # Errors
    /// When its checksum is wrong.
    pub fn verify(&self) -> Result<(), Damaged> {
        Damaged::check("a message", self.content(), self.checksum)
    }

    fn content(&self) -> u32 {
        let content = Self {
            checksum: 0,
            ..self.clone()
        };
        crc32fast::hash(&content.encode_to_vec())
    }
}

/// A refusal with its checksum.
pub fn sealed_status(code: Code, message: &str) -> Status {
    let checksum = status_checksum(code, message).to_be_bytes();
    Status::with_details(code, message, Bytes::copy_from_slice(&checksum))
}

/// Whether a refusal is what a server has sent.
pub fn is_sealed(status: &Status) -> bool {
    status.details() == status_checksum(status.code(), status.message()).to_be_bytes()
}

fn status_checksum(code: Code, message: &str) -> u32 {
    crc32fast::hash(format!("{}:{message}", code as i32).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Ack, Batch, Definitions, Gap, GapReason, Hello, Range, Welcome};

    fn of_a_client() -> Vec<ClientMessage> {
        use client_message::Message;
        let payload = Bytes::from_static(b"\x01\x00kernel_cpu_time");
        [
            Message::Hello(Hello {
                protocol_min: 2,
                protocol_max: 2,
                instance: vec![7; 16].into(),
                run: vec![8; 16].into(),
                node: "node1".to_owned(),
                software: "test".to_owned(),
                next_sequence: 300,
            }),
            Message::Definitions(Definitions {
                generation: 1,
                first: 0,
                count: 2,
                payload: payload.clone(),
                checksum: 0,
            }),
            Message::Batch(Batch {
                sequence: 300,
                generation: 1,
                samples: 8000,
                checksum: crc32fast::hash(&payload),
                payload,
                previous: 299,
            }),
            Message::Gap(Gap {
                first: 301,
                last: 400,
                samples: 9,
                first_timestamp: Some(-1),
                last_timestamp: Some(5),
                reason: GapReason::Full.into(),
                previous: 300,
            }),
        ]
        .map(ClientMessage::sealed)
        .into()
    }

    fn of_a_server() -> Vec<ServerMessage> {
        use server_message::Message;
        let welcome = Welcome {
            protocol: 2,
            last_sequence: 299,
            last_checksum: 5,
            server: "test".to_owned(),
            max_message_bytes: 1 << 20,
            window_bytes: 1 << 20,
            max_batch_samples: 65_536,
            wanted: vec![Range { first: 7, last: 9 }],
            wants_others: true,
        };
        let ack = Ack { sequence: 400 };
        [Message::Welcome(welcome), Message::Ack(ack)]
            .map(ServerMessage::sealed)
            .into()
    }

    /// Every way to change one bit.
    fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        (0..8 * bytes.len()).map(|bit| {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        })
    }

    #[test]
    fn no_bit_of_a_session_can_change_so_that_something_else_is_taken() {
        for sent in of_a_client() {
            assert_eq!(sent.verify(), Ok(()));
            for bytes in flipped(&sent.encode_to_vec()) {
                if let Ok(came) = ClientMessage::decode(&*bytes) {
                    assert!(came == sent || came.verify().is_err(), "{sent:?} became {came:?}");
                }
            }
        }
        for sent in of_a_server() {
            assert_eq!(sent.verify(), Ok(()));
            for bytes in flipped(&sent.encode_to_vec()) {
                if let Ok(came) = ServerMessage::decode(&*bytes) {
                    assert!(came == sent || came.verify().is_err(), "{sent:?} became {came:?}");
                }
            }
        }
    }

    #[test]
    fn a_refusal_that_became_another_one_is_known() {
        let sent = sealed_status(Code::Unavailable, "the server stops");
        assert!(is_sealed(&sent));
        let details = Bytes::copy_from_slice(sent.details());
        let became = Status::with_details(Code::AlreadyExists, "the server stops", details);
        assert!(!is_sealed(&became) && !is_sealed(&Status::already_exists("")));
    }
}
