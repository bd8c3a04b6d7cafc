//! What a server has of what was sent, and what becomes of samples while it errs.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod faults;
mod kwollect;
mod sorts;
