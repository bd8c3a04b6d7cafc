use std::io;

use alumet_core::catalog::IncompatibleMetric;
use alumet_core::plugin::Faults;
use alumet_relay_protocol::address::Address;
use alumet_relay_protocol::tokens::TokenError;
use alumet_shared_trust::TlsError;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Nothing is stored durably.
    #[error(
        "there is no spool, so that nothing could be stored before it is acknowledged; \
         set `spool.path` in the configuration of the program"
    )]
    NoSpool,
    /// A key of the configuration is wrong.
    #[error(transparent)]
    Config(#[from] Faults),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// A metric of the server means something else already.
    #[error(transparent)]
    Metric(#[from] IncompatibleMetric),
    /// The address cannot be used.
    #[error("the server cannot listen on {address}; {}", remedy(.source))]
    Listen {
        /// The address.
        address: Address,
        /// The reason.
        source: io::Error,
    },
}

pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the program that listens there, or choose another port in `address`"
        }
        io::ErrorKind::AddrNotAvailable => {
            "set `address` to one of this machine, or to [::]:50051 for all of them"
        }
        io::ErrorKind::PermissionDenied => "choose a port above 1023 in `address`",
        _ => "set `address` to one of this machine",
    }
}
