//! What can be wrong with a SQLite file, and how it is set aside.

mod aside;
mod error;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use aside::{free_name, journal, set_aside, with_suffix};
pub use error::{DiskError, is_damage};
