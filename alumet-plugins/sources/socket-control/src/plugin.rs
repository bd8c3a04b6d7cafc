//! From the configuration to the socket.

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::server::Server;
use crate::socket_file::SocketFile;

/// Lets programs on the same machine steer the agent through a Unix socket.
///
/// It adds no element to the pipeline: it measures nothing, must not keep an agent alive whose sources have all ended,
/// and must be there to answer when all elements are stopped.
#[derive(Debug)]
pub struct SocketControlPlugin {
    /// Missing when the plugin is only tried.
    _server: Option<Server>,
}

impl Plugin for SocketControlPlugin {
    const ID: &'static str = "socket-control";
    const SUMMARY: &'static str = "Lets programs on the same machine steer the agent through a Unix socket.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if alumet.is_trial() {
            SocketFile::probe(&config.socket_path)?;
            return Ok(Self { _server: None });
        }
        let server = Server::start(config, alumet.control().clone())?;
        Ok(Self {
            _server: Some(server),
        })
    }
}
