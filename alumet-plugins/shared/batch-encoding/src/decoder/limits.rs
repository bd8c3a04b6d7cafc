/// How much a decoder takes of one sender, counted in what it becomes here, so that neither a damaged nor a hostile message
/// can use up the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most samples that one payload may have; each needs about 50 bytes while it is decoded.
    pub samples_per_batch: usize,
    /// The most bytes that the samples of one payload may have as text, each with all that is known of its series. A few bytes
    /// can name a series with a long name thousands of times.
    pub text_per_batch: usize,
    /// The most metrics and series that may be defined at the same time, in all generations together.
    pub dictionary_entries: usize,
    /// The most memory in bytes that these may need.
    pub dictionary_bytes: usize,
    /// The most bytes that one of them may have as it is encoded.
    pub entry_bytes: usize,
    /// The most metrics among them.
    pub metrics: usize,
    /// The most attributes that one series may have.
    pub attributes_per_series: usize,
    /// The most different keys that the attributes of all series may have that ever came: each may become a column of every
    /// file.
    pub attribute_keys: usize,
    /// The most bytes that the definitions that come at once may have when they are decompressed.
    pub definitions_bytes: usize,
    /// How many generations are kept at the same time, at least one.
    pub generations: usize,
}

impl Limits {
    /// More than what an [`Encoder`](crate::Encoder) of one agent writes.
    pub const OF_AN_AGENT: Self = Self {
        samples_per_batch: alumet_core::Batch::LARGEST,
        text_per_batch: alumet_core::Batch::LARGEST * crate::LONGEST_ENTRY,
        dictionary_entries: 20_000,
        dictionary_bytes: 10 << 20,
        entry_bytes: crate::LONGEST_ENTRY,
        metrics: 4096,
        attributes_per_series: crate::MOST_ATTRIBUTES,
        attribute_keys: 128,
        definitions_bytes: 16 << 20,
        generations: 1,
    };
}

/// What a program takes of its own records, which have a checksum.
impl Default for Limits {
    fn default() -> Self {
        Self {
            samples_per_batch: 4 << 20,
            text_per_batch: usize::MAX,
            dictionary_entries: u32::MAX as usize,
            dictionary_bytes: usize::MAX,
            entry_bytes: usize::MAX,
            metrics: usize::MAX,
            attributes_per_series: usize::MAX,
            attribute_keys: usize::MAX,
            definitions_bytes: 256 << 20,
            generations: 16,
        }
    }
}
