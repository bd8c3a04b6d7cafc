//! The output between a spool and servers, with everything that may happen between them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod copies;
mod cuts;
mod ends;
mod failover;
mod pipeline;
mod proxy;
mod rig;
mod sending;
mod server;
mod spool;
mod trust;
