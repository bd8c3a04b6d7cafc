#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api_server;
mod client;
mod config;
mod directory;
mod kubelet;
mod legacy;
mod names;
mod naming;
mod object;
mod owner;
mod pause;
mod plugin;
mod resolver;
mod token;
mod trouble;

pub use config::{Config, KubectlToken, NamesFrom, TokenRetrieval};
pub use plugin::K8sPlugin;
