//! What goes one way through a connection, taken apart.

use alumet_relay_protocol::v1::ClientMessage;
use alumet_relay_protocol::v1::client_message::Message;
use prost::Message as _;

/// Type, version and length of a TLS record, and for those with data the type within and the tag (RFC 8446, 5.1, 5.2).
const TLS_HEADER: usize = 5;
const TLS_DATA: u8 = 23;
const TLS_INNER: usize = 17;

/// What a client of HTTP/2 begins with, the length of the head of a frame, and the type of one with data (RFC 9113, 3.4, 4.1,
/// 6.1).
const HTTP2_PREFACE: usize = 24;
const HTTP2_HEADER: usize = 9;
const HTTP2_DATA: u8 = 0;

/// A flag and a length before each message (gRPC over HTTP/2).
const GRPC_HEADER: usize = 5;

/// Bytes, by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// All that the program wrote to the socket.
    pub(crate) total: u64,
    /// What TLS adds: heads and tags of records, and the handshake.
    pub(crate) tls: u64,
    /// HTTP/2 without the data of its frames; only known without TLS, as all that follows.
    pub(crate) http2: u64,
    /// Lengths and fields of the messages around the payloads.
    pub(crate) grpc: u64,
    pub(crate) definitions: u64,
    pub(crate) payload: u64,
    pub(crate) samples: u64,
    pub(crate) batches: u64,
}

/// Takes apart what a client sends.
pub(crate) struct Dissector {
    flow: Flow,
    has_tls: bool,
    /// What is not complete yet.
    bytes: Vec<u8>,
    messages: Vec<u8>,
    has_begun: bool,
}

impl Flow {
    /// What came since.
    pub(crate) const fn since(&self, before: &Self) -> Self {
        Self {
            total: self.total - before.total,
            tls: self.tls - before.tls,
            http2: self.http2 - before.http2,
            grpc: self.grpc - before.grpc,
            definitions: self.definitions - before.definitions,
            payload: self.payload - before.payload,
            samples: self.samples - before.samples,
            batches: self.batches - before.batches,
        }
    }
}

impl Dissector {
    pub(crate) fn new(has_tls: bool) -> Self {
        Self {
            flow: Flow::default(),
            has_tls,
            bytes: Vec::new(),
            messages: Vec::new(),
            has_begun: false,
        }
    }

    pub(crate) const fn flow(&self) -> Flow {
        self.flow
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.flow.total += bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        let mut rest = std::mem::take(&mut self.bytes);
        let mut at = 0;
        if !self.has_tls && !self.has_begun && rest.len() >= HTTP2_PREFACE {
            at = HTTP2_PREFACE;
            self.flow.http2 += HTTP2_PREFACE as u64;
            self.has_begun = true;
        }
        while self.has_tls || self.has_begun {
            let used = match self.has_tls {
                true => self.tls_record(&rest[at..]),
                false => self.http2_frame(&rest[at..]),
            };
            let Some(used) = used else { break };
            at += used;
        }
        rest.drain(..at);
        self.bytes = rest;
    }

    /// How long the record is; `None` while it is not complete.
    fn tls_record(&mut self, bytes: &[u8]) -> Option<usize> {
        let length = usize::from(u16::from_be_bytes([*bytes.get(3)?, *bytes.get(4)?]));
        let record = TLS_HEADER + length;
        bytes.get(..record)?;
        let overhead = match bytes[0] {
            TLS_DATA => TLS_HEADER + TLS_INNER,
            _ => record,
        };
        self.flow.tls += overhead as u64;
        Some(record)
    }

    fn http2_frame(&mut self, bytes: &[u8]) -> Option<usize> {
        let length = u32::from_be_bytes([0, *bytes.first()?, *bytes.get(1)?, *bytes.get(2)?]) as usize;
        let frame = HTTP2_HEADER + length;
        let data = bytes.get(HTTP2_HEADER..frame)?;
        self.flow.http2 += HTTP2_HEADER as u64;
        if bytes[3] == HTTP2_DATA {
            self.messages.extend_from_slice(data);
            self.take_messages();
        } else {
            self.flow.http2 += length as u64;
        }
        Some(frame)
    }

    fn take_messages(&mut self) {
        while let Some(head) = self.messages.first_chunk::<GRPC_HEADER>() {
            let [_, length @ ..] = *head;
            let end = GRPC_HEADER + u32::from_be_bytes(length) as usize;
            let Some(message) = self.messages.get(GRPC_HEADER..end) else {
                break;
            };
            let message = ClientMessage::decode(message).expect("a message of the relay");
            let payload = match message.message {
                Some(Message::Batch(batch)) => {
                    self.flow.payload += batch.payload.len() as u64;
                    self.flow.samples += u64::from(batch.samples);
                    self.flow.batches += 1;
                    batch.payload.len()
                }
                Some(Message::Definitions(definitions)) => {
                    self.flow.definitions += definitions.payload.len() as u64;
                    definitions.payload.len()
                }
                _ => 0,
            };
            self.flow.grpc += (end - payload) as u64;
            self.messages.drain(..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_relay_protocol::v1::Batch;

    use super::*;

    fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 1], data].concat()
    }

    fn taken_in_pieces(bytes: &[u8], piece: usize, has_tls: bool) -> Flow {
        let mut dissector = Dissector::new(has_tls);
        bytes.chunks(piece).for_each(|piece| dissector.take(piece));
        dissector.flow()
    }

    #[test]
    fn every_byte_of_plain_text_has_one_purpose_however_it_is_cut() {
        let batch = Batch {
            samples: 7,
            payload: vec![1; 300].into(),
            ..Batch::default()
        };
        let message = ClientMessage {
            message: Some(Message::Batch(batch)),
            ..ClientMessage::default()
        };
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let message = [&[0], &length[..], &message].concat();
        let (begin, end) = message.split_at(100);
        let bytes = [
            vec![b'P'; HTTP2_PREFACE],
            frame(4, &[0; 6]),
            frame(0, begin),
            frame(0, end),
        ]
        .concat();
        for piece in [1, 10, bytes.len()] {
            let flow = taken_in_pieces(&bytes, piece, false);
            assert_eq!((flow.payload, flow.samples, flow.batches), (300, 7, 1));
            assert_eq!(flow.http2, (HTTP2_PREFACE + 3 * HTTP2_HEADER + 6) as u64);
            assert_eq!(flow.grpc, (message.len() - 300) as u64);
            assert_eq!(flow.total, flow.http2 + flow.grpc + flow.payload);
        }
    }

    #[test]
    fn the_handshake_and_the_frame_of_each_record_belong_to_tls() {
        let record = |kind, length: u16| {
            let [high, low] = length.to_be_bytes();
            [vec![kind, 3, 3, high, low], vec![0; usize::from(length)]].concat()
        };
        let bytes = [record(22, 50), record(TLS_DATA, 117), record(TLS_DATA, 17)].concat();
        for piece in [1, 10, bytes.len()] {
            let flow = taken_in_pieces(&bytes, piece, true);
            assert_eq!(flow.total - flow.tls, 100);
        }
    }
}
