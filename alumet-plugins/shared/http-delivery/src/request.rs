use std::fmt;
use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::config::Compression;

/// A request to the server of an [`HttpClient`](crate::HttpClient), which makes it.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    /// What follows the address: `/write?precision=ns`.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
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
