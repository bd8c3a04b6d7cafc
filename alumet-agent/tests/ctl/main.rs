//! `alumet-agent ctl` with an agent that runs: what it prints, how it ends, what the agent does.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod agent;
mod elements;
mod replies;
mod unreachable;
