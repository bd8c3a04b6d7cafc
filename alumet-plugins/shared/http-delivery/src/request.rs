use std::io::Write;

use alumet_core::Failure;
use bytes::Bytes;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};

use crate::client::sensitive;
use crate::config::Compression;
use crate::grpc::frame;

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

    /// Gives it a header with a secret, which no debug form shows.
    ///
    /// # Errors
    /// When the value has characters that no header can carry.
    pub fn secret_header(mut self, name: &'static str, value: &str) -> Result<Self, Failure> {
        self.headers
            .insert(HeaderName::from_static(name), sensitive(value, name)?);
        Ok(self)
    }

    pub(crate) fn post(path: String, content_type: &'static str, body: Bytes, how: Compression) -> Self {
        let (body, encoding) = match compressed(&body, how) {
            Some((body, encoding)) => (body.into(), Some((CONTENT_ENCODING, encoding))),
            None => (body, None),
        };
        Self::with(
            path,
            [(CONTENT_TYPE, content_type)].into_iter().chain(encoding),
            body,
        )
    }

    pub(crate) fn call(path: String, message: &[u8], how: Compression) -> Self {
        let (body, encoding) = match compressed(message, how) {
            Some((body, encoding)) => (frame(&body, true), Some((GRPC_ENCODING, encoding))),
            None => (frame(message, false), None),
        };
        let headers = [(CONTENT_TYPE, "application/grpc"), (TE, "trailers")];
        Self::with(path, headers.into_iter().chain(encoding), body)
    }

    fn with(path: String, headers: impl Iterator<Item = (HeaderName, &'static str)>, body: Bytes) -> Self {
        Self {
            method: Method::POST,
            path,
            headers: headers
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .collect(),
            body,
            accepted: &[],
        }
    }
}

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// A body as it is sent, and the name of that form; `None` for as it is.
fn compressed(body: &[u8], how: Compression) -> Option<(Vec<u8>, &'static str)> {
    match how {
        Compression::None => None,
        Compression::Gzip => Some((gzip(body), "gzip")),
        // Only a level that does not exist is refused.
        Compression::Zstd => {
            let compressed = zstd::bulk::compress(body, zstd::DEFAULT_COMPRESSION_LEVEL).ok()?;
            Some((compressed, "zstd"))
        }
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
