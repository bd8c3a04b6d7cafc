//! The configuration layer from the outside: sources in, document or problems out.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test itself does"
)]

mod aliases;
mod errors;
mod properties;
mod reference;
mod sample;
mod section;
mod show;
mod sources;
mod substitution;
