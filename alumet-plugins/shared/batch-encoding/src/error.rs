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
    /// It needs what is not known here: a version of the format, or entries of its dictionary.
    #[error("{0}")]
    Unknown(String),
    /// A series has another value for an attribute of which each series of the sender must have that of the amendment.
    #[error("a series has the attribute {key}={found}, which is that of another sender")]
    Foreign {
        /// The attribute.
        key: String,
        /// Its value.
        found: String,
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
    /// A payload or a definition names an entry that is no `expected`.
    pub(crate) fn wrong_entry(index: u32, expected: &str) -> Self {
        Self::Unknown(format!("entry {index} of the dictionary is not a {expected}"))
    }

    /// Refuses more than the limit of something.
    pub(crate) const fn within(what: &'static str, found: u64, limit: usize) -> Result<(), Self> {
        let limit = limit as u64;
        if found > limit {
            return Err(Self::TooLarge { what, found, limit });
        }
        Ok(())
    }
}
