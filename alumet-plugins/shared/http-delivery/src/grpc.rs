//! Calls of gRPC with one message each way: requests of [HTTP/2] and their answers.
//!
//! [HTTP/2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

use std::time::Duration;

use alumet_core::Failure;
use alumet_core::failure::words;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Buf, Bytes};
use percent_encoding::percent_decode_str;
use prost::Message;

use crate::answer::{Answer, LONGEST_PAUSE};

/// A message as it is sent: whether it is compressed, its length, and itself.
pub(crate) fn frame(message: &[u8], is_compressed: bool) -> Bytes {
    let mut framed = Vec::with_capacity(5 + message.len());
    framed.push(u8::from(is_compressed));
    // No server takes one that is longer than four bytes can say.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

/// The answer with the message that was in the frame, or what is to be done about its status. `server` is named then.
pub(crate) fn judge(mut answer: Answer, server: &str) -> Result<Answer, Failure> {
    let text = |name| answer.headers.get(name)?.to_str().ok();
    let no_grpc = || {
        Failure::retry(format!(
            "{server} does not answer as gRPC does; check the port and what listens there"
        ))
    };
    let code = text("grpc-status").and_then(|code| code.parse().ok());
    match code.ok_or_else(no_grpc)? {
        0 => {}
        code => {
            let details = text("grpc-status-details-bin");
            let message: Vec<u8> = percent_decode_str(text("grpc-message").unwrap_or_default()).collect();
            return Err(failure(
                code,
                &words(&message),
                details.and_then(retry_delay),
                server,
            ));
        }
    }
    let body = &mut answer.body;
    // Nothing has asked for a compressed one.
    if body.len() < 5 || body.get_u8() != 0 || body.get_u32() as usize != body.len() {
        return Err(no_grpc());
    }
    Ok(answer)
}

/// What is to be done about a call that has failed with this [status]; `pause` is what the server asks for.
///
/// [status]: https://grpc.io/docs/guides/status-codes/
fn failure(code: u32, message: &str, pause: Option<Duration>, server: &str) -> Failure {
    let name = STATUSES.get(code as usize).unwrap_or(&"UNKNOWN");
    let said = format!("{server} answers {name}: {message}");
    let is_too_large = || {
        // No server says it otherwise than in words.
        let words = ["larger than", "too large", "exceeds maximum"];
        words.iter().any(|words| message.contains(words))
    };
    match *name {
        "RESOURCE_EXHAUSTED" | "OUT_OF_RANGE" if is_too_large() => Failure::too_large(said),
        // Whatever a message is refused for as a whole, parts of it may be taken.
        "INVALID_ARGUMENT" => Failure::too_large(said),
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Failure::retry(format!(
            "{said}; check `token`, `token_file`, `user` and `password_file`, and what they are allowed there"
        )),
        "UNIMPLEMENTED" => Failure::retry(format!(
            "{said}; check the address and what listens there; perhaps it does not know this `compression`"
        )),
        "CANCELLED" | "DEADLINE_EXCEEDED" | "RESOURCE_EXHAUSTED" | "ABORTED" | "OUT_OF_RANGE"
        | "UNAVAILABLE" | "DATA_LOSS" => match pause {
            Some(pause) => Failure::retry_after(pause.min(LONGEST_PAUSE), said),
            None => Failure::retry(said),
        },
        _ => Failure::skip(said),
    }
}

/// The names of the statuses, by their numbers.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// `google.rpc.Status`, as far as it is of use here.
#[derive(prost::Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`
#[derive(prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// How long the server wants to be left alone.
fn retry_delay(details: &str) -> Option<Duration> {
    let status = STANDARD_NO_PAD.decode(details.trim_end_matches('=')).ok()?;
    let details = Status::decode(&*status).ok()?.details;
    let info = details
        .iter()
        .find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&*info.value).ok()?.retry_delay?;
    let nanos = u32::try_from(delay.nanos).unwrap_or_default();
    Some(Duration::new(
        u64::try_from(delay.seconds).unwrap_or_default(),
        nanos.min(999_999_999),
    ))
}

#[cfg(test)]
mod tests {
    use alumet_core::failure::Remedy;
    use reqwest::StatusCode;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn answer(headers: &[(&'static str, &str)], body: &[u8]) -> Result<Answer, Failure> {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::try_from(*value).unwrap();
            (HeaderName::from_static(name), value)
        });
        let answer = Answer {
            status: StatusCode::OK,
            headers: headers.collect(),
            body: Bytes::copy_from_slice(body),
        };
        judge(answer, "s:1")
    }

    #[test]
    fn an_answer_is_one_whole_message() {
        let ok = [("grpc-status", "0")];
        assert_eq!(&*answer(&ok, &frame(b"abc", false)).unwrap().body, b"abc");
        assert_eq!(&*answer(&ok, &frame(b"", false)).unwrap().body, b"");
        for (headers, body) in [
            (&[][..], &frame(b"abc", false)[..]),
            (&[("grpc-status", "fine")], &frame(b"abc", false)),
            (&ok, b""),
            (&ok, &frame(b"abc", true)),
            (&ok, &frame(b"abc", false)[..7]),
        ] {
            let failure = answer(headers, body).unwrap_err();
            assert_eq!(failure.remedy(), Remedy::Retry);
            assert!(failure.to_string().contains("check the port"), "{failure}");
        }
    }

    #[test]
    fn each_status_says_what_is_to_be_done_in_the_words_of_the_server() {
        let large = "grpc: received message larger than max (5 vs. 4)";
        for (status, message, name, remedy) in [
            ("1", "no", "CANCELLED", Remedy::Retry),
            ("2", "no", "UNKNOWN", Remedy::Skip),
            ("3", "no", "INVALID_ARGUMENT", Remedy::Split),
            ("4", "no", "DEADLINE_EXCEEDED", Remedy::Retry),
            ("7", "no", "PERMISSION_DENIED", Remedy::Retry),
            ("8", "no", "RESOURCE_EXHAUSTED", Remedy::Retry),
            ("8", large, "RESOURCE_EXHAUSTED", Remedy::Split),
            ("10", "no", "ABORTED", Remedy::Retry),
            ("11", "no", "OUT_OF_RANGE", Remedy::Retry),
            (
                "11",
                "decoded%20message%20length%20too%20large",
                "OUT_OF_RANGE",
                Remedy::Split,
            ),
            ("12", "no", "UNIMPLEMENTED", Remedy::Retry),
            ("13", "no", "INTERNAL", Remedy::Skip),
            ("14", "no", "UNAVAILABLE", Remedy::Retry),
            ("15", "no", "DATA_LOSS", Remedy::Retry),
            ("16", "no", "UNAUTHENTICATED", Remedy::Retry),
            ("99", "no", "UNKNOWN", Remedy::Skip),
        ] {
            let failure = answer(&[("grpc-status", status), ("grpc-message", message)], b"").unwrap_err();
            assert_eq!(failure.remedy(), remedy, "{status}");
            let text = failure.to_string();
            let message = message.replace("%20", " ");
            assert!(
                text.starts_with(&format!("s:1 answers {name}: {message}")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_pause_is_what_the_server_says_and_never_too_long() {
        let details = |seconds, nanos| {
            let value = RetryInfo {
                retry_delay: Some(Delay { seconds, nanos }),
            };
            let detail = Detail {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
                value: value.encode_to_vec(),
            };
            let status = Status {
                details: vec![Detail::default(), detail],
            };
            STANDARD_NO_PAD.encode(status.encode_to_vec())
        };
        for (details, millis) in [
            (details(7, 500_000_000), Some(7500)),
            (details(7, 0) + "==", Some(7000)),
            (details(1 << 40, -1), Some(600_000)),
            (details(-1, i32::MAX), Some(999)),
            ("AAAA".to_owned(), None),
            ("~".to_owned(), None),
        ] {
            let headers = [("grpc-status", "14"), ("grpc-status-details-bin", &*details)];
            let after = answer(&headers, b"").unwrap_err().after();
            assert_eq!(after.map(|after| after.as_millis()), millis, "{details}");
        }
    }
}
