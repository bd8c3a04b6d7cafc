//! One encoding of batches, for the disk spool and for the wire between agent and server.
//!
//! An [`Encoder`] numbers the metrics and series that it sees in a *dictionary*, and writes each batch as a payload that
//! names series by their numbers. The entries of the dictionary travel once, as
//! [`Definitions`](alumet_core::spool::Definitions); a [`Decoder`] that has them reads every payload of the same
//! generation, in any order. A generation is one dictionary: a new one begins with each start of the program, and
//! when most series of the old one are gone.
//!
//! # Format
//!
//! Version 1. A *varint* has seven bits per byte, lowest first, with the top bit set on all bytes but the last (LEB128), and
//! at most 64 bits. A *signed* number is a varint of `2n` or `-2n - 1` (zigzag). A *text* is its length in bytes
//! as a varint, then UTF-8. Sums and products of values wrap around at 64 bits.
//!
//! Payloads and definitions are in the same envelope:
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | version of the format |
//! | 1 | 0: the body follows as it is; 1: the body is compressed |
//! | varint | if compressed, the length of the body |
//! | rest | the body, or the Zstandard frame of it |
//!
//! ## Body of a payload
//!
//! | bytes | meaning |
//! |---|---|
//! | varint | length of the head |
//! | varint | length of the high planes |
//! | … | the head, described below |
//! | … | the high planes: the upper byte of the numbers of each frame |
//! | rest | the low planes: all other bytes |
//!
//! The head is:
//!
//! 1. varint: how many samples there are.
//! 2. The series, as runs of numbers that stay the same or rise by one: signed, the first number minus the number that
//!    would have been next (at first 0); varint, `2 × (length - 1) + step`.
//! 3. The timestamps, as runs of equal ones: signed, how much the step to this timestamp differs from the step before (for
//!    the first run the timestamp itself, for the second the whole step); varint, `length - 1`.
//! 4. For each metric, in the order in which the samples name them first, the column of its values in the order of
//!    the samples:
//!    - integers: an *integer column*;
//!    - floats: one byte `d`. If it is 0, an integer column of their IEEE 754 bits. Otherwise they are near to
//!      decimals with `d - 1` places: an integer column of `k`, then a frame of what has to be added to the bits of
//!      `k / 10^(d - 1)`.
//! 5. Nothing, or how far the stream of the batch has come: varint, the number of the stream where it is made; signed, the
//!    wall clock until when it is complete, minus the last timestamp (0 without samples); varint, the monotonic clock at the
//!    same moment.
//!
//! An integer column begins with a varint, its *lag*. If that is 0, one frame of all values follows. Otherwise there is
//! one frame of the first `lag` values, then one frame of the differences of all others to the value `lag` places before.
//!
//! A frame holds numbers as `base + scale × r`. Its first byte has in the bits 0 to 3 the number of bytes that each `r`
//! has (0 to 8), in bit 4 whether a base follows (signed; otherwise 0), in bit 5 whether a scale follows (varint; otherwise 1).
//! The `r` are in byte planes: the highest byte of all of them in the high planes, then the others, lowest first,
//! in the low planes.
//!
//! The parts are what compresses well together: the head is nearly empty if the same series come in the same order, the
//! high planes hold few different bytes, the low planes often nothing but noise, for which Zstandard costs nearly
//! nothing.
//!
//! ## Body of definitions
//!
//! One entry after the other, in the order of their numbers.
//!
//! - Metric: byte 0; text, name; byte, kind (0 gauge, 1 delta, 2 counter); byte, type (0 `u64`, 1 `i64`, 2 `f64`); text,
//!   UCUM code of the unit; byte, quality (0 measured, 1 modelled, 2 estimated); text, description.
//! - Series: byte 1; varint, the number of its metric, which is lower than its own; texts, kind and id of the resource; texts,
//!   kind and id of the consumer; varint, how many attributes there are; for each of them, sorted by key, text,
//!   key; byte, type of the value; the value: 0 varint, 1 signed, 2 the eight bytes of a float, lowest first, 3 false,
//!   4 true, 5 text, 6 varint, length of a list, and its numbers as varints.
//!
//! A sample may later be written with all that is known of its series. So a series has at most [`LONGEST_ENTRY`] bytes with the
//! name and the unit of its metric, numbers counted as text, and at most [`MOST_ATTRIBUTES`] attributes. Of one that has more, texts
//! are cut and attributes left out, and the attribute `shortened` has a checksum of the whole, so that it stays apart from
//! others.

mod amendment;
mod bytes;
mod column;
mod columns;
mod decoder;
mod definition;
mod encoder;
mod envelope;
mod error;
mod payload;

pub use amendment::Amendment;
pub use columns::{Columns, ColumnsReader, ColumnsWriter, Place, Section};
pub use decoder::{Decoded, Decoder, Limits, Watermark};
pub use encoder::{Encoded, Encoder, WholeDictionary, WholeEncoder};
pub use error::DecodeError;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u8 = 1;

/// The most bytes of a metric or series that an encoder writes.
pub const LONGEST_ENTRY: usize = 2048;

/// The most attributes of a series that an encoder writes.
pub const MOST_ATTRIBUTES: usize = 64;
