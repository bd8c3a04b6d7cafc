//! The socket from outside: lines to a real pipeline, replies back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agent;
mod commands;
mod connections;
mod file;
