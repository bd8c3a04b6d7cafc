/// How much a decoder takes, so that a damaged or hostile payload cannot use up the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most samples that one payload may have; each needs about 50 bytes while it is decoded.
    pub samples_per_batch: usize,
    /// The most entries that the dictionary of one generation may have; each needs some hundred bytes as long as
    /// it is known.
    pub dictionary_entries: usize,
    /// The most bytes that the definitions of one generation may have together when they are decompressed.
    pub dictionary_bytes: usize,
    /// The most names of metrics that one decoder takes in all generations together; a catalog never forgets one.
    pub metrics: usize,
    /// The most bytes that one payload, or the definitions that come at once, may have when they are decompressed.
    pub payload_bytes: usize,
    /// How many generations are kept at the same time, at least one.
    pub generations: usize,
}

/// More than any agent sends: 4 Mi samples; 1 Mi entries of 256 MiB, with 16 Ki metrics; 64 MiB at a time; 16
/// generations.
impl Default for Limits {
    fn default() -> Self {
        Self {
            samples_per_batch: 4 << 20,
            dictionary_entries: 1 << 20,
            dictionary_bytes: 256 << 20,
            metrics: 16 << 10,
            payload_bytes: 64 << 20,
            generations: 16,
        }
    }
}
