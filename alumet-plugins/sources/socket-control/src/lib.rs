#![doc = include_str!("../README.md")]

mod config;
mod connection;
mod error;
mod execute;
mod plugin;
mod server;
mod socket_file;

pub use config::Config;
pub use error::SocketError;
pub use plugin::SocketControlPlugin;
