//! The HTTP client of all plugins, gRPC included: addresses, TLS, proxies, credentials, compression, and what each answer means.
//!
//! An output makes a [`Request`] while it encodes, sends it with [`HttpClient::send`], and reads what an [`Answer`] says of
//! single samples. All else is decided here, once: what is worth another attempt and when, what is too large, and what the
//! server will never take. Nothing is sent twice behind the back of the delivery that counts attempts.

mod answer;
mod client;
mod config;
mod explain;
mod grpc;
mod json;
mod request;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use answer::Answer;
pub use client::HttpClient;
pub use config::{Compression, HttpConfig};
pub use json::json;
pub use request::Request;
pub use reqwest::StatusCode;
