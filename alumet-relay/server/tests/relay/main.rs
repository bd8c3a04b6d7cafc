//! The server and clients of every kind, over loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails the test"
)]

mod client;
mod disk;
mod hostile;
mod limits;
mod nodes;
mod order;
mod reports;
mod rig;
mod security;
mod spool;
mod takeover;
mod tls;
