//! What a server has of what was sent, and what becomes of samples while it errs in every way.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod elastic;
mod faults;
mod items;
mod sorts;
mod victoria_logs;
