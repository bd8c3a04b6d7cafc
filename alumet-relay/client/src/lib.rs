#![doc = include_str!("../README.md")]

mod backoff;
mod config;
mod credentials;
mod diagnose;
mod dictionary;
mod error;
mod feed;
mod in_flight;
mod link;
mod output;
mod overheard;
mod pace;
mod plugin;
mod pump;
mod queue;
mod resume;
mod servers;
mod session;
mod target;
mod wire;

pub use alumet_shared_trust::{Secret, TlsConfig};
pub use config::{Config, RetryConfig};
#[doc(hidden)]
pub use feed::RecordFeed;
#[doc(hidden)]
pub use output::RelayOutput;
pub use plugin::RelayClientPlugin;
pub use servers::Servers;
