//! Records as messages.

use alumet_core::spool::{Definitions, Gap, GapReason, Record};
use alumet_relay_protocol::v1;
use alumet_relay_protocol::v1::client_message::Message;
use bytes::Bytes;

/// The message that carries a record; its payload is shared, not copied.
pub(crate) fn batch(record: &Record, previous: u64) -> v1::ClientMessage {
    message(Message::Batch(v1::Batch {
        sequence: record.sequence,
        generation: record.generation,
        samples: record.samples,
        checksum: record.checksum,
        payload: Bytes::from_owner(record.payload.clone()),
        previous,
    }))
}

/// The message that carries entries of a dictionary.
pub(crate) fn definitions(definitions: &Definitions) -> v1::ClientMessage {
    message(Message::Definitions(v1::Definitions {
        generation: definitions.generation,
        first: definitions.first,
        count: definitions.count,
        payload: Bytes::from_owner(definitions.payload.clone()),
        checksum: 0,
    }))
}

/// The message that says what is lost.
pub(crate) fn gap(gap: &Gap, previous: u64) -> v1::ClientMessage {
    let reason = match gap.reason {
        GapReason::Full => v1::GapReason::Full,
        GapReason::Expired => v1::GapReason::Expired,
        GapReason::Damaged => v1::GapReason::Damaged,
    };
    message(Message::Gap(v1::Gap {
        first: gap.first,
        last: gap.last,
        samples: gap.samples,
        first_timestamp: gap.time.map(|(first, _)| first.as_nanos()),
        last_timestamp: gap.time.map(|(_, last)| last.as_nanos()),
        reason: reason.into(),
        previous,
    }))
}

/// The message that says that a record is larger than the server takes.
pub(crate) fn too_large(record: &Record, previous: u64) -> v1::ClientMessage {
    message(Message::Gap(v1::Gap {
        first: record.sequence,
        last: record.sequence,
        samples: u64::from(record.samples),
        reason: v1::GapReason::TooLarge.into(),
        previous,
        ..v1::Gap::default()
    }))
}

/// A message of any kind, with its checksum.
pub(crate) fn message(message: Message) -> v1::ClientMessage {
    v1::ClientMessage::sealed(message)
}

#[cfg(test)]
mod tests {
    use alumet_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_gap_keeps_its_counts_its_times_and_its_reason() {
        for (reason, name) in [
            (GapReason::Full, v1::GapReason::Full),
            (GapReason::Expired, v1::GapReason::Expired),
            (GapReason::Damaged, v1::GapReason::Damaged),
        ] {
            let time = (Timestamp::from_nanos(-1), Timestamp::from_nanos(9));
            let sent = gap(
                &Gap {
                    first: 3,
                    last: 5,
                    samples: 70,
                    time: Some(time),
                    reason,
                },
                2,
            );
            let Some(Message::Gap(sent)) = sent.message else {
                panic!("no gap");
            };
            assert_eq!(
                (sent.previous, sent.first, sent.last, sent.samples),
                (2, 3, 5, 70)
            );
            assert_eq!((sent.first_timestamp, sent.last_timestamp), (Some(-1), Some(9)));
            assert_eq!(sent.reason(), name);
        }
    }

    #[test]
    fn the_payload_of_a_record_is_shared() {
        let payload: std::sync::Arc<[u8]> = vec![1, 2, 3].into();
        let record = Record {
            sequence: 7,
            generation: 2,
            samples: 4,
            checksum: 9,
            payload: payload.clone(),
            batch: None,
        };
        let Some(Message::Batch(sent)) = batch(&record, 5).message else {
            panic!("no batch");
        };
        assert_eq!(
            (
                sent.sequence,
                sent.previous,
                sent.generation,
                sent.samples,
                sent.checksum
            ),
            (7, 5, 2, 4, 9)
        );
        assert_eq!(sent.payload.as_ptr(), payload.as_ptr());
    }
}
