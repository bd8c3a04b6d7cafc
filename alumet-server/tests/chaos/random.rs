//! Numbers that can be had again.

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016).
pub(crate) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub(crate) fn new() -> Self {
        let given = std::env::var("ALUMET_CHAOS_SEED").ok();
        let clock = alumet_core::time::SystemClock;
        let now = alumet_core::time::Clock::now(&clock)
            .wall
            .as_nanos()
            .unsigned_abs();
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or(now);
        Self {
            seed,
            state: seed | 1,
        }
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    /// A number from 0 to `bound` - 1.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % bound
    }
}
