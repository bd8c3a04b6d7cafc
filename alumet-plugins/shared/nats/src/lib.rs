//! What the two NATS plugins have in common: the connection to the servers, the stream on them, the subjects in it, and what its
//! messages hold.
//!
//! A message is a batch, which only another Alumet reads, or a record of one measured thing at one instant in JSON, which any
//! program reads. Both say everything that they need: whoever reads a message may have seen none before it.

mod config;
mod connection;
mod explain;
mod message;
mod stream;
mod subject;

pub use config::{ConnectionConfig, StreamConfig, check_name};
pub use connection::{Connector, Session};
pub use explain::{refused, with_causes};
pub use message::{BatchMessage, Damaged, is_batch, seal};
pub use subject::{check_prefix, token};

/// The header with the name of the node that has measured.
pub const NODE_HEADER: &str = "Alumet-Node";
