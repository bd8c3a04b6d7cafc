//! Batches that wait on disk, in one SQLite file, until every output has written them.
//!
//! From the outside to the inside: [`DiskSpool`] and its readers turn batches into records and back. The module `log`
//! knows only opaque records: their order, who has read what, what must go when there is no room, and one thread that
//! writes it all. The module `disk` is the file.
//!
//! Nothing that a file contains and nothing that a disk does keeps a spool from working. While the disk fails, the
//! newest records are kept in memory and [`SpoolStatus::fault`](alumet_core::spool::SpoolStatus::fault) says what would
//! mend it; a file that is not a spool of this version and machine is set aside under another name, never deleted.

mod config;
mod dictionary;
mod disk;
mod log;
mod machine;
mod reader;
mod recent;
mod record;
mod spool;

pub use config::SpoolConfig;
pub use spool::DiskSpool;
