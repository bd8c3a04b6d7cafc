//! The catalog: every metric and every live series, each registered once.

mod metric_table;
mod series_table;

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::attributes::Attributes;
use crate::batch::{Batch, BufferPool};
use crate::consumer::Consumer;
use crate::metric::{Metric, MetricDef};
use crate::resource::Resource;
use crate::series::{Registration, SeriesBuilder, SeriesHandle, SeriesId, SeriesInfo, SeriesKey};
use crate::value::{Number, ValueType};

use metric_table::MetricTable;
pub(crate) use series_table::EpochPin;
use series_table::SeriesTable;

/// Names a registered metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricId(u32);

/// Names a registered metric whose values are known to be `T`.
#[derive(Debug, Clone, Copy)]
pub struct MetricHandle<T> {
    id: MetricId,
    value: PhantomData<fn() -> T>,
}

impl<T: Number> MetricHandle<T> {
    /// The id without the type.
    pub const fn id(self) -> MetricId {
        self.id
    }
}

/// A metric was registered under a name that already means something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "metric `{}` is already registered as {existing}, which does not go together with {refused}; \
     give one of them another name",
    .existing.name
)]
pub struct IncompatibleMetric {
    /// What is registered.
    pub existing: Box<Metric>,
    /// What was to be registered.
    pub refused: Box<Metric>,
}

/// Values of one type were given to a metric of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metric `{metric}` has values of type {expected}, not {found}")]
pub struct TypeMismatch {
    /// The name of the metric.
    pub metric: String,
    /// Its type.
    pub expected: ValueType,
    /// The type that was given.
    pub found: ValueType,
}

/// Every metric and every live series of a pipeline. Cheap to clone; all clones are the same catalog.
#[derive(Clone, Default)]
pub struct Catalog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    metrics: RwLock<MetricTable>,
    series: RwLock<SeriesTable>,
    buffers: Mutex<BufferPool>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a metric that a plugin defines as a constant, and declares its attributes. The same metric may be registered
    /// any number of times.
    ///
    /// # Errors
    /// When another plugin has a metric of this name with another kind, type, unit or quality.
    pub fn metric<T: Number>(
        &self,
        definition: &MetricDef<T>,
    ) -> Result<MetricHandle<T>, IncompatibleMetric> {
        let handle = self.register_typed(definition.metric())?;
        self.declare_attributes(definition.doc.attribute_keys());
        Ok(handle)
    }

    /// Registers a metric of a program, whose values are of type `T`.
    pub(crate) fn register_typed<T: Number>(
        &self,
        metric: Metric,
    ) -> Result<MetricHandle<T>, IncompatibleMetric> {
        let value = PhantomData;
        self.register_metric(Metric {
            value_type: T::TYPE,
            ..metric
        })
        .map(|id| MetricHandle { id, value })
    }

    /// Registers a metric of a plugin that is known only at run time.
    ///
    /// # Errors
    /// When another plugin has a metric of this name with another kind, type, unit or quality.
    pub fn register_metric(&self, metric: Metric) -> Result<MetricId, IncompatibleMetric> {
        self.0.metrics.write().register(metric)
    }

    /// Notes the keys of attributes that series may have before any series has them: for metrics that are known only at run
    /// time, and for whoever adds attributes to the series of others.
    pub fn declare_attributes<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        self.0.metrics.write().declare(keys);
    }

    /// The keys of all attributes that were declared, so that an output can make room for them before they come; with
    /// [`SeriesInfo::QUALITY`] if a plugin has a metric that is not measured.
    pub fn declared_attributes(&self) -> BTreeSet<Box<str>> {
        self.0.metrics.read().declared()
    }

    /// The keys of all attributes that live series have, declared or not. Looks at each of these series.
    pub fn attributes_in_use(&self) -> BTreeSet<Box<str>> {
        self.0.series.read().attributes()
    }

    /// Takes a metric as another program defines it, or as it follows from one: with its name, kind, type, unit and quality it
    /// is a metric of its own, whatever else has this name, and whoever came first. It stays as long as somebody holds what is
    /// given back or a series of it.
    pub fn admit_metric(&self, metric: Metric) -> (MetricId, Arc<Metric>) {
        self.0.metrics.write().admit(metric)
    }

    /// Lets go of metrics of other programs that nobody holds any more.
    pub fn forget_unused_metrics(&self) {
        self.0.metrics.write().forget_unused();
    }

    /// The metric of that name; if there are several, that of a plugin, or else the oldest.
    pub fn find_metric(&self, name: &str) -> Option<(MetricId, Arc<Metric>)> {
        self.0.metrics.read().find(name)
    }

    /// The metric with that id; one without name for an id of another catalog.
    pub fn metric_info(&self, id: MetricId) -> Arc<Metric> {
        self.0.metrics.read().get(id)
    }

    /// All metrics, in the order of their registration.
    pub fn metrics(&self) -> Vec<Arc<Metric>> {
        self.0.metrics.read().all()
    }

    /// A typed handle for a metric known only at run time.
    ///
    /// # Errors
    /// When the metric has values of another type.
    pub fn typed_metric<T: Number>(&self, id: MetricId) -> Result<MetricHandle<T>, TypeMismatch> {
        let metric = self.metric_info(id);
        if metric.value_type != T::TYPE {
            return Err(TypeMismatch {
                metric: metric.name.to_string(),
                expected: metric.value_type,
                found: T::TYPE,
            });
        }
        let value = PhantomData;
        Ok(MetricHandle { id, value })
    }

    /// Begins to describe a series of `metric`.
    pub fn series<T: Number>(
        &self,
        metric: MetricHandle<T>,
        resource: Resource,
        consumer: Consumer,
    ) -> SeriesBuilder<'_, T> {
        let key = SeriesKey {
            metric: metric.id,
            resource,
            consumer,
            attributes: Attributes::EMPTY,
        };
        SeriesBuilder {
            catalog: self,
            key,
            value: PhantomData,
        }
    }

    /// Registers the series with that key, or finds it. It stays registered as long as a handle exists.
    ///
    /// A key whose metric belongs to another catalog gets a series of a metric without name.
    pub fn register(&self, key: SeriesKey) -> SeriesHandle {
        let metric = self.metric_info(key.metric);
        let registration = self.0.series.write().register(SeriesInfo { key, metric }, |id| {
            Arc::new(Registration {
                id,
                catalog: self.clone(),
            })
        });
        SeriesHandle::new(registration)
    }

    /// What a series id stands for; `None` once the series has retired and no batch can name it any more.
    pub fn describe(&self, id: SeriesId) -> Option<Arc<SeriesInfo>> {
        self.0.series.read().describe(id)
    }

    /// A handle for a series that a batch in hand names, to keep one of its samples for later.
    ///
    /// If the series has retired meanwhile, it is registered anew, so that the handle may have another id; push with the
    /// handle, and drop it with the last sample that is kept.
    pub fn keep(&self, id: SeriesId) -> Option<SeriesHandle> {
        let info = self.describe(id)?;
        Some(self.register(info.key.clone()))
    }

    /// Whether a handle of the series still exists.
    pub fn is_live(&self, id: SeriesId) -> bool {
        self.0.series.read().is_live(id)
    }

    /// How many series have a handle.
    pub fn live_series(&self) -> usize {
        self.0.series.read().live()
    }

    /// How many slots the table of series has: the largest number of series that existed at the same time.
    pub fn series_slots(&self) -> usize {
        self.0.series.read().slots()
    }

    /// An empty batch for samples of this catalog.
    pub fn batch(&self) -> Batch {
        Batch::new(self.clone(), self.0.buffers.lock().take())
    }

    /// Keeps all series that are live now describable until it is dropped.
    pub(crate) fn pin(&self) -> EpochPin {
        self.0.series.write().pin()
    }

    /// From now on, or no longer, notes which series are gone.
    pub(crate) fn note_gone(&self, wanted: bool) {
        self.0.series.write().note_gone(wanted);
    }

    /// The series that are gone since this was last asked: no batch names them any more.
    pub(crate) fn take_gone(&self) -> Vec<SeriesId> {
        self.0.series.write().take_gone()
    }

    pub(crate) fn retire(&self, id: SeriesId) {
        self.0.series.write().retire(id);
    }

    pub(crate) fn buffers(&self) -> &Mutex<BufferPool> {
        &self.0.buffers
    }
}

/// The number of metrics and live series.
impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Catalog({} metrics, {} live series)",
            self.metrics().len(),
            self.live_series()
        )
    }
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "a table of metrics has a public list")]
pub(crate) mod tests {
    use super::*;
    use crate::unit::Unit;

    crate::metrics! {
        TEST = Gauge<u64> {
            name: "test",
            unit: Unit::ONE,
            description: "For tests.",
            resources: ["local_machine"],
            consumers: ["process"],
            attributes: [],
        };
    }

    pub(crate) fn catalog_with_metric() -> (Catalog, MetricHandle<u64>) {
        let catalog = Catalog::new();
        let metric = catalog.metric(&TEST).unwrap();
        (catalog, metric)
    }

    #[test]
    fn a_metric_is_registered_once_and_its_description_does_not_matter() {
        let (catalog, metric) = catalog_with_metric();
        let mut again = TEST.metric();
        again.description = "Other words.".into();
        assert_eq!(catalog.register_metric(again), Ok(metric.id()));
        assert_eq!(all().len(), 1);
    }

    #[test]
    fn attributes_are_known_once_they_are_declared_and_in_use_while_a_series_has_them() {
        let (catalog, metric) = catalog_with_metric();
        assert!(catalog.declared_attributes().is_empty());
        let mut definition = TEST;
        definition.doc.attributes = &["kind=user|system", "device"];
        catalog.metric(&definition).unwrap();
        let mut modelled = TEST.metric();
        (modelled.name, modelled.quality) = ("modelled".into(), crate::metric::Quality::Modelled);
        catalog.admit_metric(Metric {
            name: "foreign".into(),
            ..modelled.clone()
        });
        catalog.declare_attributes(["node", "device"]);
        let keys = |keys: BTreeSet<Box<str>>| keys.into_iter().map(String::from).collect::<Vec<_>>();
        assert_eq!(keys(catalog.declared_attributes()), ["device", "kind", "node"]);
        catalog.register_metric(modelled).unwrap();
        assert_eq!(
            keys(catalog.declared_attributes()),
            ["device", "kind", "metric_quality", "node"]
        );

        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .attribute("label", "x")
            .register();
        assert_eq!(keys(catalog.attributes_in_use()), ["label"]);
        drop(series);
        assert!(catalog.attributes_in_use().is_empty());
        assert_eq!(catalog.declared_attributes().len(), 4);
    }

    #[test]
    fn a_metric_with_another_unit_is_refused_to_a_plugin_and_is_another_one_of_another_program() {
        let (catalog, own) = catalog_with_metric();
        let mut other = TEST.metric();
        other.unit = Unit::BYTE;
        let error = catalog.register_metric(other.clone()).unwrap_err();
        assert!(error.to_string().contains("test (gauge u64, 1)"), "{error}");
        let (first, metric) = catalog.admit_metric(other.clone());
        assert_eq!(*metric, other);
        assert_eq!(catalog.admit_metric(other).0, first);
        assert_eq!(catalog.admit_metric(TEST.metric()).0, own.id());
        assert_eq!(catalog.find_metric("test").unwrap().0, own.id());
    }

    #[test]
    fn another_program_takes_no_name_from_a_plugin() {
        let catalog = Catalog::new();
        let mut other = TEST.metric();
        other.unit = Unit::BYTE;
        let (first, _held) = catalog.admit_metric(other);
        let own = catalog.metric(&TEST).unwrap();
        assert_ne!(own.id(), first);
        assert_eq!(*catalog.metric_info(own.id()), TEST.metric());
    }

    #[test]
    fn metrics_of_other_programs_are_forgotten_with_their_last_series() {
        let (catalog, _) = catalog_with_metric();
        let named = |number: u32| {
            let mut metric = TEST.metric();
            metric.name = format!("foreign_{number}").into();
            catalog.admit_metric(metric)
        };
        let (id, held) = named(0);
        let series = catalog.register(SeriesKey {
            metric: id,
            resource: Resource::LocalMachine,
            consumer: Consumer::LocalMachine,
            attributes: Attributes::EMPTY,
        });
        drop(held);
        for number in 1..100_000 {
            named(number);
        }
        assert!(catalog.metrics().len() <= 2048, "{catalog:?}");
        assert_eq!(catalog.metric_info(id).name, "foreign_0");
        drop(series);
        drop(catalog.pin());
        catalog.forget_unused_metrics();
        let names: Vec<_> = catalog
            .metrics()
            .iter()
            .map(|metric| metric.name.clone())
            .collect();
        assert_eq!(names, ["test"], "that of a plugin stays");
    }

    #[test]
    fn the_same_key_is_the_same_series_until_its_last_handle_is_dropped() {
        let (catalog, metric) = catalog_with_metric();
        let register = || {
            let process = Consumer::Process { pid: 1 };
            catalog
                .series(metric, Resource::LocalMachine, process)
                .attribute("a", 1_u64)
                .register()
        };
        let (one, two) = (register(), register());
        assert_eq!(one.id(), two.id());
        drop(one);
        assert!(catalog.is_live(two.id()));
        let id = two.id();
        drop(two);
        assert!(!catalog.is_live(id));
        assert_ne!(register().id(), id);
    }

    #[test]
    fn a_batch_in_flight_keeps_the_meaning_of_retired_series() {
        let (catalog, metric) = catalog_with_metric();
        let series = |pid| {
            catalog
                .series(metric, Resource::LocalMachine, Consumer::Process { pid })
                .register()
        };
        let mut batch = catalog.batch();
        let old = series(1);
        let id = old.id();
        batch.push(&old, crate::Timestamp::default(), 1);
        drop(old);
        for pid in 2..100 {
            drop(catalog.pin());
            assert_ne!(
                series(pid).id().slot(),
                id.slot(),
                "the slot is reused while a batch can name it"
            );
        }
        assert_eq!(
            catalog.describe(id).unwrap().consumer(),
            &Consumer::Process { pid: 1 }
        );
        drop(batch);
        drop(catalog.pin());
        assert!(catalog.describe(id).is_none());
    }

    #[test]
    fn a_batch_without_samples_keeps_nothing() {
        let (catalog, metric) = catalog_with_metric();
        let _batch = catalog.batch();
        for pid in 0..100 {
            let process = Consumer::Process { pid };
            catalog.series(metric, Resource::LocalMachine, process).register();
        }
        assert_eq!(catalog.series_slots(), 1);
    }

    #[test]
    fn a_series_is_kept_under_its_id_while_it_lives_and_under_a_new_one_afterwards() {
        let (catalog, metric) = catalog_with_metric();
        let process = Consumer::Process { pid: 1 };
        let series = catalog
            .series(metric, Resource::LocalMachine, process.clone())
            .register();
        let id = series.id();
        let mut batch = catalog.batch();
        batch.push(&series, crate::Timestamp::default(), 1);
        assert_eq!(catalog.keep(id).unwrap().id(), id);
        drop(series);
        let kept = catalog.keep(id).unwrap();
        assert!(catalog.is_live(kept.id()) && !catalog.is_live(id));
        assert_eq!(catalog.describe(kept.id()).unwrap().consumer(), &process);
        drop(batch);
        drop(catalog.pin());
        assert!(catalog.keep(id).is_none(), "nothing names it any more");
    }

    #[test]
    fn a_million_short_lived_series_use_a_handful_of_slots() {
        let (catalog, metric) = catalog_with_metric();
        for pid in 0..1_000_000 {
            if pid % 1000 == 0 {
                drop(catalog.pin());
            }
            catalog
                .series(metric, Resource::LocalMachine, Consumer::Process { pid })
                .register();
        }
        assert!(catalog.series_slots() <= 2000, "{} slots", catalog.series_slots());
        assert_eq!(catalog.live_series(), 0);
    }

    #[test]
    fn a_metric_gives_only_handles_of_its_type() {
        let (catalog, metric) = catalog_with_metric();
        let error = catalog.typed_metric::<f64>(metric.id()).unwrap_err();
        assert_eq!(error.to_string(), "metric `test` has values of type u64, not f64");
        assert!(catalog.typed_metric::<i64>(metric.id()).is_err());
        assert!(catalog.typed_metric::<u64>(metric.id()).is_ok());
    }

    #[test]
    fn threads_that_register_and_drop_the_same_key_never_get_a_dead_series() {
        let (catalog, metric) = catalog_with_metric();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let series = catalog
                            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                            .register();
                        assert!(catalog.is_live(series.id()));
                        assert!(catalog.describe(series.id()).is_some());
                    }
                });
            }
        });
        assert_eq!(catalog.live_series(), 0);
    }

    #[test]
    fn metrics_are_found_by_name_and_listed_in_their_order() {
        let (catalog, metric) = catalog_with_metric();
        let mut other = TEST.metric();
        other.name = "other".into();
        let other = catalog.register_metric(other).unwrap();
        let names = || {
            catalog
                .metrics()
                .iter()
                .map(|metric| metric.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(), ["test", "other"]);
        let (id, found) = catalog.find_metric("other").unwrap();
        assert_eq!((id, &*found.name), (other, "other"));
        assert_eq!(catalog.find_metric("test").unwrap().0, metric.id());
        assert!(catalog.find_metric("nothing").is_none());
        assert_eq!(Catalog::new().metric_info(other).name, "");
    }

    #[test]
    fn live_series_and_slots_are_counted() {
        let (catalog, metric) = catalog_with_metric();
        let series = |pid| {
            let process = Consumer::Process { pid };
            catalog.series(metric, Resource::LocalMachine, process).register()
        };
        let mut alive: Vec<_> = (0..5).map(series).collect();
        assert_eq!((catalog.live_series(), catalog.series_slots()), (5, 5));
        alive.truncate(2);
        assert_eq!((catalog.live_series(), catalog.series_slots()), (2, 5));
    }

    #[test]
    fn a_slot_that_is_used_again_has_a_new_id_and_the_old_one_means_nothing() {
        let (catalog, metric) = catalog_with_metric();
        let series = |pid| {
            let process = Consumer::Process { pid };
            catalog.series(metric, Resource::LocalMachine, process).register()
        };
        let mut seen = vec![series(0).id()];
        for pid in 1..10 {
            drop(catalog.pin());
            let next = series(pid);
            assert_eq!(
                next.id().slot(),
                seen[0].slot(),
                "there is one slot for all of them"
            );
            assert!(!seen.contains(&next.id()), "an id was given twice");
            assert_eq!(
                catalog.describe(next.id()).unwrap().consumer(),
                &Consumer::Process { pid }
            );
            for old in &seen {
                assert!(!catalog.is_live(*old) && catalog.describe(*old).is_none());
            }
            seen.push(next.id());
        }
    }

    #[test]
    fn batches_that_always_overlap_do_not_keep_slots_for_ever() {
        let (catalog, metric) = catalog_with_metric();
        let mut batch = catalog.pin();
        for pid in 0..1000 {
            let next = catalog.pin();
            let process = Consumer::Process { pid };
            let series = catalog.series(metric, Resource::LocalMachine, process).register();
            drop(series);
            drop(std::mem::replace(&mut batch, next));
        }
        assert!(catalog.series_slots() <= 4, "{} slots", catalog.series_slots());
    }

    #[test]
    fn an_id_of_another_catalog_names_nothing() {
        let (catalog, metric) = catalog_with_metric();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let other = Catalog::new();
        assert!(!other.is_live(series.id()));
        assert!(other.describe(series.id()).is_none());
        assert!(catalog.is_live(series.id()));
    }
}
