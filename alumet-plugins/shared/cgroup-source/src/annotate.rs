//! Adds what is known about control groups to samples of others.

use std::time::Duration;

use alumet_core::series::SeriesHandle;
use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Attributes, Batch, Catalog, Consumer, Failure, SeriesId, SeriesMap};
use alumet_reader_cgroupfs::CgroupPath;

use crate::resolver::{Resolution, Resolver};

/// Adds the attributes of a resolver to all samples whose consumer is a control group that it knows.
///
/// What becomes of a series is found out once. Attributes that a series has already stay as they are.
pub struct CgroupAnnotator<R> {
    resolver: R,
    verdicts: SeriesMap<Verdict>,
}

enum Verdict {
    Leave,
    MoveTo(SeriesHandle),
    /// It is asked for again from this time on.
    AskAgain(Monotonic),
}

/// A resolver that does not know yet is asked again after this time.
const PATIENCE: Duration = Duration::from_secs(1);

impl<R: Resolver> CgroupAnnotator<R> {
    /// A transform that asks `resolver`.
    pub const fn new(resolver: R) -> Self {
        Self {
            resolver,
            verdicts: SeriesMap::new(),
        }
    }

    fn judge(&mut self, series: SeriesId, catalog: &Catalog, now: Monotonic) -> Verdict {
        let Some(info) = catalog.describe(series) else {
            return Verdict::Leave;
        };
        let Consumer::ControlGroup { path } = info.consumer() else {
            return Verdict::Leave;
        };
        let Ok(path) = path.parse::<CgroupPath>() else {
            return Verdict::Leave;
        };
        let attributes = match self.resolver.resolve(&path) {
            Resolution::Ignore => return Verdict::Leave,
            Resolution::Later => return Verdict::AskAgain(now + PATIENCE),
            Resolution::Measure { attributes } => attributes,
        };
        let own = info.attributes();
        if attributes.iter().all(|(key, _)| own.get(key).is_some()) {
            return Verdict::Leave;
        }
        let mut key = info.key.clone();
        // Later values win: those that the series has.
        let all = attributes.iter().chain(own.iter());
        key.attributes = all.fold(Attributes::EMPTY, |all, (key, value)| {
            all.with(key.clone(), value.clone())
        });
        Verdict::MoveTo(catalog.register(key))
    }
}

impl<R: Resolver> Transform for CgroupAnnotator<R> {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let now = context.now.monotonic;
        for index in 0..batch.len() {
            let series = batch.series()[index];
            let is_known = match self.verdicts.get(series) {
                Some(Verdict::AskAgain(at)) => now < *at,
                known => known.is_some(),
            };
            if !is_known {
                let verdict = self.judge(series, context.catalog, now);
                self.verdicts.insert(series, verdict);
            }
            if let Some(Verdict::MoveTo(annotated)) = self.verdicts.get(series) {
                // The metric is the same, and so is the type of its values.
                let _ = batch.set_series(index, annotated);
            }
        }
        Ok(())
    }

    /// Nothing is kept back, but a series that was made ends with the one that it was made from.
    fn waits(&self) -> bool {
        true
    }

    fn retired(&mut self, series: SeriesId) {
        self.verdicts.remove(series);
    }

    fn reset(&mut self) {
        self.verdicts.clear();
    }
}

impl<R> std::fmt::Debug for CgroupAnnotator<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CgroupAnnotator")
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::Resource;
    use alumet_core::output::RecordedSample;
    use alumet_core::testkit::ManualClock;
    use alumet_core::time::{Clock, Timestamp};

    use super::*;
    use crate::metrics;

    /// Knows `/job`, and `/slow` at the second question.
    struct Jobs {
        asked: u32,
    }

    impl Resolver for Jobs {
        fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution {
            self.asked += 1;
            let attributes = Attributes::EMPTY.with("job_id", 7_u64).with("kind", "job");
            match &*cgroup.text() {
                "/job" => Resolution::Measure { attributes },
                "/slow" if self.asked > 1 => Resolution::Measure { attributes },
                "/slow" => Resolution::Later,
                _ => Resolution::Ignore,
            }
        }
    }

    fn apply(
        annotator: &mut CgroupAnnotator<Jobs>,
        catalog: &Catalog,
        clock: &ManualClock,
        path: &str,
    ) -> String {
        let metric = catalog.metric(&metrics::CPU_TIME_DELTA).unwrap();
        let path = path.into();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::ControlGroup { path })
            .attribute("kind", "total")
            .register();
        let mut batch = catalog.batch();
        batch.push(&series, Timestamp::default(), 5);
        let now = clock.now();
        annotator
            .apply(&mut batch, &TransformContext { catalog, now })
            .unwrap();
        RecordedSample::of_batch(&batch)[0]
            .series
            .attributes()
            .to_string()
    }

    #[test]
    fn a_known_group_gets_its_attributes_and_keeps_those_it_has_and_is_asked_for_once() {
        let (catalog, clock) = (Catalog::new(), ManualClock::new());
        let metric = catalog.metric(&metrics::CPU_TIME_DELTA).unwrap();
        let path = "/job".into();
        let _kept = catalog
            .series(metric, Resource::LocalMachine, Consumer::ControlGroup { path })
            .attribute("kind", "total")
            .register();
        let mut annotator = CgroupAnnotator::new(Jobs { asked: 0 });
        for _ in 0..3 {
            let text = apply(&mut annotator, &catalog, &clock, "/job");
            assert!(text.contains("job_id") && text.contains("total"), "{text}");
        }
        assert_eq!(annotator.resolver.asked, 1);
        assert!(!apply(&mut annotator, &catalog, &clock, "/other").contains("job_id"));
    }

    #[test]
    fn a_group_that_is_resolved_late_is_annotated_from_then_on() {
        let (catalog, clock) = (Catalog::new(), ManualClock::new());
        let metric = catalog.metric(&metrics::CPU_TIME_DELTA).unwrap();
        let path = "/slow".into();
        let _kept = catalog
            .series(metric, Resource::LocalMachine, Consumer::ControlGroup { path })
            .attribute("kind", "total")
            .register();
        let mut annotator = CgroupAnnotator::new(Jobs { asked: 0 });
        assert!(!apply(&mut annotator, &catalog, &clock, "/slow").contains("job_id"));
        assert!(!apply(&mut annotator, &catalog, &clock, "/slow").contains("job_id"));
        clock.advance(PATIENCE);
        assert!(apply(&mut annotator, &catalog, &clock, "/slow").contains("job_id"));
    }

    #[test]
    fn an_annotated_series_ends_with_the_one_that_it_was_made_from() {
        let (catalog, clock) = (Catalog::new(), ManualClock::new());
        let mut annotator = CgroupAnnotator::new(Jobs { asked: 0 });
        apply(&mut annotator, &catalog, &clock, "/job");
        assert_eq!((catalog.live_series(), annotator.waits()), (1, true));
        let made: Vec<SeriesId> = annotator.verdicts.iter().map(|(series, _)| series).collect();
        made.into_iter().for_each(|series| annotator.retired(series));
        assert_eq!(catalog.live_series(), 0);
    }
}
