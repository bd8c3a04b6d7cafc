use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::config::Compression;

/// A request to the server of an [`HttpClient`](crate::HttpClient), which makes it.
#[derive(Clone, Default)]
pub struct Request {
    pub(crate) method: Method,
    /// What follows the address: `/write?precision=ns`.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Statuses of errors that are answers like any other.
    pub(crate) accepted: &'static [u16],
}

impl Request {
    /// Gives answers of these statuses to whoever sends it, because they say what has become of single samples.
    pub const fn accepting(mut self, statuses: &'static [u16]) -> Self {
        self.accepted = statuses;
        self
    }

    pub(crate) fn post(path: String, content_type: &'static str, body: Bytes, how: Compression) -> Self {
        let (body, encoding) = match how {
            Compression::None => (body, None),
            Compression::Gzip => (gzip(&body).into(), Some("gzip")),
            // Only a level that does not exist is refused.
            Compression::Zstd => match zstd::bulk::compress(&body, zstd::DEFAULT_COMPRESSION_LEVEL) {
                Ok(compressed) => (compressed.into(), Some("zstd")),
                Err(_) => (body, None),
            },
        };
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        headers.extend(encoding.map(|encoding| (CONTENT_ENCODING, HeaderValue::from_static(encoding))));
        Self {
            method: Method::POST,
            path,
            headers,
            body,
            accepted: &[],
        }
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
