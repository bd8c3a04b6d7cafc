#![doc = include_str!("../README.md")]

mod client;
mod config;
mod error;
mod first_word;
mod link;
mod output;
mod plugin;
mod pump;
mod resume;
mod servers;
mod session;
mod target;
mod trial;
mod wire;

pub use alumet_shared_trust::{Secret, TlsConfig};
pub use config::{Config, RetryConfig};
#[doc(hidden)]
pub use output::RelayOutput;
pub use plugin::RelayClientPlugin;
pub use servers::Servers;
