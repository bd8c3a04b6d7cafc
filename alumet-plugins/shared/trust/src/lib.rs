//! Whom a program trusts and how it proves who it is: TLS and secrets, from files that may change.
//!
//! Whoever begins a connection uses what the files hold at that time, and connections that exist go on. The cryptography is
//! that of ring, always named and never the default of the process, so that a program that embeds this keeps its own.

mod client;
mod config;
mod error;
mod explain;
mod files;
mod reload;
mod secret;
mod server;
mod trial;

use std::sync::Arc;

use alumet_core::pipeline::CertificateStatus;
use rustls::crypto::CryptoProvider;

pub use client::ClientTls;
pub use config::{ServerTlsConfig, TlsConfig};
pub use error::{TlsError, Unreadable};
pub use explain::{begins_tls, explain_client, explain_server};
pub use files::valid_until;
pub use reload::Reloading;
pub use secret::{Secret, open_to_others, read_secret};
pub use server::{ServerFiles, ServerTls};
pub use trial::{certificate, open_secret, try_server};

/// What was made of files, with the certificates in them.
#[derive(Debug)]
struct Made<T> {
    config: Arc<T>,
    certificates: Vec<CertificateStatus>,
}

impl<T> Clone for Made<T> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            certificates: self.certificates.clone(),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
