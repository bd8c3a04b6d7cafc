use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts something that only rises. Cheap to clone: all clones are the same counter.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

/// Shows a state that rises and falls. Cheap to clone: all clones are the same gauge.
#[derive(Debug, Clone)]
pub struct Gauge(Arc<AtomicF64>);

/// Counts amounts by their size. Cheap to clone: all clones are the same histogram.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Amounts>);

#[derive(Debug)]
struct Amounts {
    /// Ascending.
    bounds: Box<[f64]>,
    /// How many amounts are at most each bound and above the one before; the last one is of those above all.
    buckets: Box<[AtomicU64]>,
    sum: AtomicF64,
}

/// A float as its bits.
#[derive(Debug)]
struct AtomicF64(AtomicU64);

impl Counter {
    /// Counts so many more: one atomic addition.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Lets the count be at least this much, for something that was counted elsewhere.
    #[inline]
    pub fn raise_to(&self, count: u64) {
        self.0.fetch_max(count, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Shows this from now on; not a number for nothing.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Shows so much more than before, or less; where nothing was shown, more than 0.
    #[inline]
    pub fn add(&self, more: f64) {
        self.0
            .update(|value| if value.is_nan() { more } else { value + more });
    }

    /// What it shows, if it was set.
    pub fn get(&self) -> Option<f64> {
        Some(self.0.get()).filter(|value| !value.is_nan())
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self(Arc::new(AtomicF64::new(f64::NAN)))
    }
}

impl Histogram {
    pub(super) fn new(bounds: &[f64]) -> Self {
        let mut bounds: Vec<f64> = bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        Self(Arc::new(Amounts {
            buckets: (0..=bounds.len()).map(|_| AtomicU64::default()).collect(),
            bounds: bounds.into(),
            sum: AtomicF64::new(0.0),
        }))
    }

    /// Counts one amount: a search among the bounds and two atomic additions. What is negative or not finite is no amount and is
    /// not counted, because the sum could not be told from then on.
    #[inline]
    pub fn record(&self, amount: f64) {
        if !(0.0..f64::INFINITY).contains(&amount) {
            return;
        }
        let bucket = self.0.bounds.partition_point(|bound| *bound < amount);
        self.0.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.sum.update(|sum| sum + amount);
    }

    pub(super) fn bounds(&self) -> &[f64] {
        &self.0.bounds
    }

    /// How many amounts each bucket has, without those of the buckets before.
    pub(super) fn buckets(&self) -> impl Iterator<Item = u64> {
        let buckets = self.0.buckets.iter();
        buckets.map(|bucket| bucket.load(Ordering::Relaxed))
    }

    pub(super) fn sum(&self) -> f64 {
        self.0.sum.get()
    }
}

impl AtomicF64 {
    const fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn update(&self, change: impl Fn(f64) -> f64) {
        let change = |bits| Some(change(f64::from_bits(bits)).to_bits());
        // Always changes it.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }
}
