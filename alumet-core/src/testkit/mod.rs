//! What the tests of plugins and of the engine need (feature `testkit`).
//!
//! - [`ManualClock`]: time that moves only when told to;
//! - [`FakeRoot`]: a folder with `proc` and `sys` as a plugin shall find them;
//! - [`Bench`]: a plugin whose sources are polled by hand;
//! - [`findings`]: what a plugin finds out that is only tried;
//! - [`Contract`]: the suite that every plugin passes;
//! - [`assert_lines`]: a comparison whose failure can be read;
//! - [`CountingAllocator`]: how often memory is asked for.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test ends with a panic when its tools fail"
)]

mod allocations;
mod assert;
mod bench;
mod clock;
mod contract;
mod root;
mod trial;

pub use allocations::{Allocations, CountingAllocator};
pub use assert::{assert_lines, difference};
pub use bench::Bench;
pub use clock::ManualClock;
pub use contract::Contract;
pub use root::FakeRoot;
pub use trial::findings;
