use std::time::Duration;

use hashbrown::HashMap;

use super::{SeriesHandle, SeriesKey};
use crate::catalog::Catalog;
use crate::time::Monotonic;

/// Holds the handles of series that were pushed as complete points, and drops those not seen for a while.
#[derive(Debug)]
pub struct Interner {
    catalog: Catalog,
    idle: Duration,
    entries: HashMap<SeriesKey, Entry>,
    next_sweep: Monotonic,
}

#[derive(Debug)]
struct Entry {
    handle: SeriesHandle,
    used: Monotonic,
}

impl Interner {
    /// How long a series without samples is kept.
    pub const IDLE: Duration = Duration::from_secs(300);

    /// An interner for the series of `catalog`.
    pub fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            idle: Self::IDLE,
            entries: HashMap::new(),
            next_sweep: Monotonic::default(),
        }
    }

    /// The same with another time after which an unused series is dropped.
    pub const fn idle_after(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// The handle of the series with this key, registered if need be.
    pub fn intern(&mut self, key: SeriesKey, now: Monotonic) -> &SeriesHandle {
        self.sweep(now);
        let catalog = &self.catalog;
        let entry = self.entries.entry(key).or_insert_with_key(|key| Entry {
            handle: catalog.register(key.clone()),
            used: now,
        });
        entry.used = now;
        &entry.handle
    }

    /// Drops what was not used for the idle time; looks at all entries at most twice in that time.
    fn sweep(&mut self, now: Monotonic) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + self.idle / 2;
        let idle = self.idle;
        self.entries.retain(|_, entry| now.since(entry.used) < idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::Attributes;
    use crate::catalog::tests::catalog_with_metric;
    use crate::{Consumer, Resource};

    fn key_of(metric: crate::catalog::MetricId, pid: u32) -> SeriesKey {
        SeriesKey {
            metric,
            resource: Resource::LocalMachine,
            consumer: Consumer::Process { pid },
            attributes: Attributes::EMPTY,
        }
    }

    #[test]
    fn an_unused_series_retires_and_a_used_one_stays() {
        let (catalog, metric) = catalog_with_metric();
        let mut interner = Interner::new(catalog.clone()).idle_after(Duration::from_secs(10));
        let key = |pid| key_of(metric.id(), pid);
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);

        let unused = interner.intern(key(1), at(0)).id();
        let used = interner.intern(key(2), at(0)).id();
        assert_eq!(interner.intern(key(2), at(8)).id(), used);
        interner.intern(key(3), at(16));
        assert!(!catalog.is_live(unused));
        assert!(catalog.is_live(used));
        interner.intern(key(3), at(18));
        assert!(
            catalog.is_live(used),
            "the sweep comes at most twice in the idle time"
        );
        interner.intern(key(3), at(21));
        assert!(!catalog.is_live(used));
    }

    #[test]
    fn a_series_retires_when_the_idle_time_is_over_and_not_a_nanosecond_before() {
        let (catalog, metric) = catalog_with_metric();
        for (end, live) in [(9_999_999_999, true), (10_000_000_000, false)] {
            let mut interner = Interner::new(catalog.clone()).idle_after(Duration::from_secs(10));
            let key = |pid| key_of(metric.id(), pid);
            let first = interner.intern(key(1), Monotonic::from_nanos(0)).id();
            interner.intern(key(2), Monotonic::from_nanos(end));
            assert_eq!(catalog.is_live(first), live, "after {end} ns");
        }
    }
}
