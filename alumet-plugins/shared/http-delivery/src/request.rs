use std::fmt;
use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};

use crate::config::Compression;

/// A request to the server of an [`HttpClient`](crate::HttpClient), which makes it.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    /// What follows the address: `/write?precision=ns`.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) accepted: Vec<StatusCode>,
    pub(crate) answer_limit: usize,
}

/// An answer larger than this is not what an output has asked for.
const ANSWER_LIMIT: usize = 16 << 20;

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            accepted: Vec::new(),
            answer_limit: ANSWER_LIMIT,
        }
    }

    pub(crate) fn with_body(mut self, content_type: &'static str, body: Vec<u8>, how: Compression) -> Self {
        let (body, encoding) = match how {
            Compression::None => (body, None),
            Compression::Gzip => (gzip(&body), Some("gzip")),
            // Only a level that does not exist is refused.
            Compression::Zstd => match zstd::bulk::compress(&body, zstd::DEFAULT_COMPRESSION_LEVEL) {
                Ok(compressed) => (compressed, Some("zstd")),
                Err(_) => (body, None),
            },
        };
        self = self.header(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(encoding) = encoding {
            self = self.header(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        self.body = body.into();
        self
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The output judges a status by itself, which would otherwise be a failure: `404` of what it then creates.
    #[must_use]
    pub fn accepting(mut self, status: StatusCode) -> Self {
        self.accepted.push(status);
        self
    }

    /// How many bytes an answer may have.
    #[must_use]
    pub const fn answer_limit(mut self, bytes: usize) -> Self {
        self.answer_limit = bytes;
        self
    }
}

/// Without headers, which may hold secrets, and body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Request({} {}, {} bytes)",
            self.method,
            self.path,
            self.body.len()
        )
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
