//! How late ticks come, as a histogram.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::time::nanos;

/// Counts durations in buckets that are at most an eighth of their value wide.
#[derive(Debug, Clone)]
pub struct Lateness {
    buckets: Box<[u64; Self::BUCKETS]>,
    count: u64,
    max: Duration,
}

impl Lateness {
    /// Eight buckets for each power of two of nanoseconds.
    const PER_OCTAVE: usize = 8;
    const BUCKETS: usize = Self::PER_OCTAVE * 62;

    /// Counts one duration.
    pub fn record(&mut self, lateness: Duration) {
        self.buckets[Self::bucket(nanos(lateness))] += 1;
        self.count += 1;
        self.max = self.max.max(lateness);
    }

    /// The duration that a share `quantile` (0 to 1) of all recorded ones does not exceed, at most an eighth too long.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (quantile.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(Self::upper_bound(bucket)).min(self.max);
            }
        }
        self.max
    }

    /// How many durations were recorded.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest one.
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// Values below 8 have a bucket each; above, the three bits after the leading one choose among eight.
    const fn bucket(nanos: u64) -> usize {
        if nanos < Self::PER_OCTAVE as u64 {
            return nanos as usize;
        }
        let octave = nanos.ilog2() as usize;
        let sub = (nanos >> (octave - 3)) as usize & 0b111;
        (octave - 2) * Self::PER_OCTAVE + sub
    }

    const fn upper_bound(bucket: usize) -> u64 {
        if bucket < Self::PER_OCTAVE {
            return bucket as u64;
        }
        let octave = bucket / Self::PER_OCTAVE + 2;
        let sub = (bucket % Self::PER_OCTAVE) as u64;
        let width = 1_u64 << (octave - 3);
        (1_u64 << octave) + sub * width + (width - 1)
    }
}

/// As its count and some quantiles in seconds.
impl Serialize for Lateness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Lateness", 4)?;
        fields.serialize_field("count", &self.count)?;
        fields.serialize_field("p50_seconds", &self.quantile(0.5).as_secs_f64())?;
        fields.serialize_field("p99_seconds", &self.quantile(0.99).as_secs_f64())?;
        fields.serialize_field("max_seconds", &self.max.as_secs_f64())?;
        fields.end()
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; Self::BUCKETS]),
            count: 0,
            max: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_is_at_most_an_eighth_wide_and_holds_its_value(nanos: u64) {
            let bound = Lateness::upper_bound(Lateness::bucket(nanos));
            prop_assert!(bound >= nanos);
            prop_assert!(bound - nanos <= nanos / 8);
        }
    }

    #[test]
    fn quantiles_follow_the_counts() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.quantile(0.5), Duration::ZERO);
        for micros in 1..=1000 {
            lateness.record(Duration::from_micros(micros));
        }
        let p50 = lateness.quantile(0.5).as_micros();
        assert!((500..=563).contains(&p50), "{p50}");
        assert_eq!(lateness.quantile(1.0), Duration::from_micros(1000));
    }
}
