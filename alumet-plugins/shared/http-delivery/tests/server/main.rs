//! A server that errs in every way, and what the client makes of it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod credentials;
mod errors;
mod proxies;
mod rig;
mod tls;
