//! Series and their samples in one SQLite file: compressed, thinned out with age, and asked by whoever has questions.
//!
//! # The file
//!
//! What series there are is in tables that anyone can read, best through the view `series_named`. Their samples are in *runs*. A run
//! has the samples of many series in one *window*, an hour, sorted by series, in *parts* of some ten kilobytes; it never changes.
//! Each commit writes a small run, and a thread of its own makes few large runs of many small ones, so that a series is found in few
//! places and costs few bytes: a log-structured merge tree (O'Neil and others, "The Log-Structured Merge-Tree", 1996). When
//! an hour is over, it is one run, and what its samples come to in each minute and each hour is written, as runs of other
//! *resolutions* with longer windows. Samples are dropped first, then the minutes, then the hours.
//!
//! A part is what [`ColumnsWriter`](alumet_shared_batch_encoding::ColumnsWriter) writes. Its index has the columns: how many lists and
//! how many chunks there are; of each list, how many instants it has, and where it begins in each of three streams; of each chunk,
//! its series, the type of the values, its list, and where it begins. The data are the lists, nanoseconds since 1970, and
//! the chunks: the values of a series at the instants of its list. Of intervals, the instants are their beginnings, and a chunk has
//! the columns count, sum, least, greatest, first and last value, the instants of these two after the beginning, and by
//! how much a counter has risen. The checksum of a part is the CRC-32 (ISO-HDLC) of it.

#![forbid(unsafe_code)]

#[cfg(test)]
mod ageing;
mod backend;
#[cfg(test)]
mod behaviour;
mod config;
#[cfg(test)]
mod damage;
mod entries;
mod file;
mod find;
mod identity;
mod keeper;
mod live;
mod merge;
#[cfg(test)]
mod model;
mod part;
mod plan;
#[cfg(test)]
mod power;
mod read;
#[cfg(test)]
mod rig;
mod rows;
mod run;
mod store;
mod tools;
mod writer;

pub use config::StoreConfig;
pub use store::SeriesStore;
pub use tools::{Imported, Report, ToolError, check, export, import};
