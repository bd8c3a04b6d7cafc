//! Why there is no reading.

use std::io;
use std::net::SocketAddr;

/// The module has not shown the power.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModuleError {
    /// No connection stands.
    #[error(
        "no connection to the module at {address} ({error}); check `quarch_ip`, that it is on, and that nobody else (a QIS, \
         another agent) holds it"
    )]
    Connect { address: SocketAddr, error: io::Error },
    /// The connection broke, or no answer came in time.
    #[error("the module does not answer `{command}` ({error}); the connection is made anew")]
    Broken { command: String, error: io::Error },
    /// It refuses what it is asked to do.
    #[error("the module refuses `{command}`: {said}")]
    Refused { command: String, said: String },
    /// It answers something else than voltages and currents.
    #[error(
        "the module shows `{said}`, in which no rail has both voltage and current; check that it is a power module"
    )]
    Nonsense { said: String },
}
