//! The program itself: its help, its configuration, the certificates that it makes, and what it receives from an agent.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod certs;
mod configuration;
mod help;
mod process;
mod program;
mod relay;
