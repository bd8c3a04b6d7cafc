/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The end came too early.
    #[error(
        "the data ends within {what}, at byte {offset} of its part; it was cut off or damaged on its way"
    )]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it began, in the part of the decompressed data.
        offset: usize,
    },
    /// Another program wrote it, newer than this one.
    #[error(
        "the data is in version {found} of the format and this program knows only {known}; update this program"
    )]
    UnknownVersion {
        /// The version of the data.
        found: u8,
        /// The version that can be read.
        known: u8,
    },
    /// A payload names a series whose definition has not come.
    #[error(
        "series {index} is not defined: {defined} entries of its dictionary are known; send the others first"
    )]
    UnknownSeries {
        /// The number of the series.
        index: u32,
        /// How many entries of the generation are known.
        defined: u32,
    },
    /// A payload or a definition names an entry of the wrong sort.
    #[error("entry {index} of the dictionary is not a {expected}")]
    WrongEntry {
        /// The number of the entry.
        index: u32,
        /// `metric` or `series`.
        expected: &'static str,
    },
    /// A series has another value for an attribute of which each series of the sender must have that of the amendment.
    #[error("a series has the attribute {key}={found}, which is that of another sender")]
    Foreign {
        /// The attribute.
        key: String,
        /// Its value.
        found: String,
    },
    /// Definitions came that do not follow those that are known.
    #[error("the definitions begin at {first}, but the next one is {defined}; send those in between first")]
    Hole {
        /// The number of the first entry that came.
        first: u32,
        /// How many entries of the generation are known.
        defined: u32,
    },
    /// A limit would be exceeded.
    #[error("{what}: {found} is more than the limit of {limit}; send less at a time, or raise the limit")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
    /// It is not what an encoder writes.
    #[error("the data is damaged at byte {offset} of its part: {what}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Where, in the part of the decompressed data.
        offset: usize,
    },
}

impl DecodeError {
    /// Refuses more than the limit of something.
    pub(crate) const fn within(what: &'static str, found: u64, limit: usize) -> Result<(), Self> {
        let limit = limit as u64;
        if found > limit {
            return Err(Self::TooLarge { what, found, limit });
        }
        Ok(())
    }
}
