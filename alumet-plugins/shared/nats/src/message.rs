//! A batch as a message.
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | 1, the version; a record in JSON begins otherwise |
//! | 4 | CRC-32 (ISO-HDLC) of all that follows, lowest byte first |
//! | 4 | how many entries the dictionary has, lowest byte first |
//! | 4 | the length of the dictionary in bytes, lowest byte first |
//! | … | the dictionary: metrics and series, encoded as in `shared/batch-encoding` |
//! | rest | the payload: the samples, encoded as there |

use alumet_core::spool::Definitions;
use alumet_shared_batch_encoding::Encoded;

const VERSION: u8 = 1;
const HEAD: usize = 13;

/// What is in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMessage<'a> {
    /// How many entries the dictionary has.
    pub entries: u32,
    /// The dictionary.
    pub dictionary: &'a [u8],
    /// The samples.
    pub payload: &'a [u8],
}

/// A message is not as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is damaged or cut off: it is not as its checksum says")]
pub struct Damaged;

/// The message of a batch that was the first of its encoder, so that all it needs came with it.
pub fn seal(encoded: &Encoded) -> Vec<u8> {
    let (entries, dictionary) = match &encoded.definitions {
        Some(definitions) => (definitions.count, &*definitions.payload),
        None => (0, &[][..]),
    };
    let mut message = Vec::with_capacity(HEAD + dictionary.len() + encoded.payload.len());
    message.extend([VERSION, 0, 0, 0, 0]);
    message.extend(entries.to_le_bytes());
    // A message of 4 GiB would be refused by every server.
    message.extend((dictionary.len() as u32).to_le_bytes());
    message.extend(dictionary);
    message.extend(&*encoded.payload);
    let checksum = crc32fast::hash(&message[5..]);
    message[1..5].copy_from_slice(&checksum.to_le_bytes());
    message
}

/// Whether a message begins like a batch.
pub fn is_batch(message: &[u8]) -> bool {
    message.first() == Some(&VERSION)
}

impl<'a> BatchMessage<'a> {
    /// Reads a message that begins like a batch.
    ///
    /// # Errors
    /// When it is not as it was sent.
    pub fn read(message: &'a [u8]) -> Result<Self, Damaged> {
        let (head, rest) = message.split_at_checked(HEAD).ok_or(Damaged)?;
        let number = |at: usize| {
            head[at..at + 4]
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        if crc32fast::hash(&message[5..]) != number(1) {
            return Err(Damaged);
        }
        let (dictionary, payload) = rest.split_at_checked(number(9) as usize).ok_or(Damaged)?;
        Ok(Self {
            entries: number(5),
            dictionary,
            payload,
        })
    }

    /// The dictionary for a decoder, as the generation that the payload is decoded with.
    pub fn definitions(&self, generation: u32) -> Definitions {
        Definitions {
            generation,
            first: 0,
            count: self.entries,
            payload: self.dictionary.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        seal(&Encoded {
            definitions: Some(Definitions {
                generation: 0,
                first: 0,
                count: 70_000,
                payload: [1, 2, 3].into(),
            }),
            generation: 0,
            samples: 1,
            payload: [4, 5].into(),
            checksum: 0,
            time: None,
        })
    }

    #[test]
    fn the_parts_of_a_message_come_back() {
        let message = message();
        assert!(is_batch(&message) && !is_batch(b"{\"gpu_id\": 1}") && !is_batch(b""));
        let expected = BatchMessage {
            entries: 70_000,
            dictionary: &[1, 2, 3],
            payload: &[4, 5],
        };
        assert_eq!(BatchMessage::read(&message), Ok(expected));
    }

    #[test]
    fn no_bit_and_no_end_of_a_message_can_be_lost_unnoticed() {
        let message = message();
        for end in 0..message.len() {
            assert_eq!(BatchMessage::read(&message[..end]), Err(Damaged));
        }
        for bit in 8..message.len() * 8 {
            let mut message = message.clone();
            message[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BatchMessage::read(&message), Err(Damaged), "bit {bit}");
        }
    }
}
