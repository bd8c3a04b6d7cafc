//! What a real server has of what was sent.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "../answering/mod.rs"]
mod answering;
mod answers;
mod faults;
mod mongo;
mod scram;
mod sorts;
mod tls;
