//! The output from outside: batches in, files and pipes out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod checkpoint;
mod columns;
mod file;
mod full_disk;
mod lines;
mod metadata;
mod reader;
mod rig;
mod rotation;
mod stream;
mod tools;
