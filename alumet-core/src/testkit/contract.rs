use std::collections::BTreeSet;
use std::fmt::Display;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::consumer::Consumer;
use crate::metric::{Metric, MetricDoc, MetricKind, Quality};
use crate::output::RecordedSample;
use crate::pipeline::PipelineBuilder;
use crate::plugin::{Host, Plugin, PluginDescriptor, StartContext};
use crate::progress::{Progress, StreamId};
use crate::resource::Resource;
use crate::series::SeriesKey;
use crate::spool::SpoolSlot;
use crate::time::{Clock, SystemClock, Timestamp};
use crate::unit::Unit;
use crate::value::{Value, ValueType};

use super::{Bench, FakeRoot, ManualClock};

/// The suite that every plugin passes; one call in `tests/contract.rs`.
///
/// It checks the files of the crate, the default configuration, the table of metrics, and what the elements do: a source
/// pushes only what the table announces, begins delta series with a 0, and survives a reset and an empty machine; a transform and an output take every
/// type of value and survive a reset; what a transform adds, at once, when it is woken or at the end, is announced, too, and
/// it does not want to be woken again and again; an output goes back to its checkpoint. A plugin that must start can also
/// be tried, and runs in a pipeline with all its elements.
///
/// ```no_run
/// # use alumet_core::testkit::Contract;
/// # fn example<MyPlugin: alumet_core::plugin::Plugin>() {
/// Contract::<MyPlugin>::of_crate(env!("CARGO_MANIFEST_DIR")).check();
/// # }
/// ```
#[must_use = "nothing is checked before `check`"]
pub struct Contract<P: Plugin> {
    folder: PathBuf,
    root: PathBuf,
    config: P::Config,
    /// Whether the plugin must start: the root or the configuration is one on which it works.
    must_start: bool,
    spool: SpoolSlot,
    plugin: PhantomData<fn() -> P>,
}

impl<P: Plugin> Contract<P> {
    /// The contract of the plugin whose crate is in `folder`, with its default configuration on the real machine.
    pub fn of_crate(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            root: PathBuf::from("/"),
            config: P::Config::default(),
            must_start: false,
            spool: SpoolSlot::default(),
            plugin: PhantomData,
        }
    }

    /// Runs the elements on another root, on which the plugin must start.
    pub fn on(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self.must_start = true;
        self
    }

    /// Runs the elements with another configuration, for instance an output that writes to a temporary folder. The
    /// plugin must start with it.
    pub fn with(mut self, config: P::Config) -> Self {
        self.config = config;
        self.must_start = true;
        self
    }

    /// Lets the plugin find this spool.
    pub fn spool(mut self, spool: SpoolSlot) -> Self {
        self.spool = spool;
        self
    }

    /// Checks everything.
    ///
    /// # Panics
    /// At the first clause that is broken.
    pub fn check(self) {
        Self::check_names();
        Self::check_metrics(&P::metrics());
        Self::check_config(&self.folder);
        check_readme(&self.folder.join("README.md"));
        self.check_sources();
        self.check_transforms();
        self.check_outputs();
        self.check_in_pipeline();
    }

    fn check_names() {
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(
            !P::ID.is_empty() && P::ID.chars().all(kebab),
            "the id `{}` is not in kebab-case",
            P::ID
        );
        assert!(
            P::SUMMARY.ends_with('.'),
            "the summary of `{}` is no sentence: {}",
            P::ID,
            P::SUMMARY
        );
    }

    fn check_metrics(metrics: &[MetricDoc]) {
        let mut names = BTreeSet::new();
        for metric in metrics {
            let name = metric.name;
            // A name that another program has made known can be in capitals.
            let has_capitals = name.chars().all(|c| !c.is_ascii_lowercase());
            let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(
                name.to_ascii_lowercase().chars().all(snake) && (has_capitals || name.chars().all(snake)),
                "the metric `{name}` is not in snake_case"
            );
            assert!(names.insert(name), "the metric `{name}` is there twice");
            assert!(
                metric.description.ends_with('.'),
                "the description of `{name}` is no sentence"
            );
            assert!(
                !metric.resources.is_empty(),
                "the metric `{name}` names no resource"
            );
            assert!(
                !metric.consumers.is_empty(),
                "the metric `{name}` names no consumer"
            );
            let unit = &metric.unit;
            assert_eq!(
                &Unit::parse(&unit.code()),
                unit,
                "the unit of `{name}` does not survive its code"
            );
        }
    }

    fn check_config(folder: &Path) {
        let descriptor = PluginDescriptor::of::<P>();
        let default = descriptor
            .default_config()
            .expect("a default configuration that TOML can express");
        let parse = |table: toml::Table| {
            let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(table);
            descriptor
                .parse(&mut deserializer)
                .must("the default does not parse")
        };
        descriptor
            .check(&parse(default.clone()))
            .expect("a default configuration that is right");
        // Every key has a default.
        parse(toml::Table::new());
        let empty: P::Config = toml::Table::new()
            .try_into()
            .expect("a configuration without keys");
        assert_eq!(
            toml::Table::try_from(empty).unwrap(),
            default,
            "an empty table is not the default"
        );

        let path = folder.join("config.toml");
        let text = std::fs::read_to_string(&path).must(path.display());
        let file: toml::Table = text.parse().must(path.display());
        let table = file
            .get("plugins")
            .and_then(|plugins| plugins.get(P::ID))
            .and_then(toml::Value::as_table);
        let table = table.unwrap_or_else(|| panic!("{} has no table [plugins.{}]", path.display(), P::ID));
        let config: P::Config = table.clone().try_into().expect("a config.toml that parses");
        assert_eq!(
            toml::Table::try_from(config).unwrap(),
            default,
            "{} is not the default",
            path.display()
        );
    }

    /// The plugin at work; `None` if the machine lacks what it needs.
    fn bench(&self) -> Option<Bench> {
        self.bench_on(Arc::new(SystemClock), None)
    }

    fn bench_on(&self, clock: Arc<dyn Clock>, manual: Option<ManualClock>) -> Option<Bench> {
        let mut host = Host::new(clock, &self.root);
        host.spool = self.spool.clone();
        match Bench::start_on::<P>(self.config.clone(), host, manual) {
            Ok(bench) => Some(bench),
            Err(error) if self.must_start => panic!("it does not start: {error}"),
            Err(_) => None,
        }
    }

    fn check_sources(&self) {
        // On a machine that has nothing, a plugin starts with less or says why not; it does not panic.
        let nothing = FakeRoot::new();
        match Bench::start::<P>(self.config.clone(), nothing.path()) {
            Ok(mut bench) => {
                for name in bench.sources().into_iter().map(str::to_owned).collect::<Vec<_>>() {
                    let _ = bench.poll(&name);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty(), "a start error without a message"),
        }
        let Some(mut bench) = self.bench() else { return };
        for name in bench.sources().into_iter().map(str::to_owned).collect::<Vec<_>>() {
            let mut begun = BTreeSet::new();
            for poll in 0..4 {
                if poll == 2 {
                    bench.reset(&name);
                    begun.clear();
                }
                for sample in bench.poll(&name).must(format_args!("poll {poll} of `{name}`")) {
                    check_sample(&sample, &P::metrics());
                    check_beginning(&sample, &mut begun);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn check_transforms(&self) {
        let clock = ManualClock::new();
        let Some(mut bench) = self.bench_on(Arc::new(clock.clone()), Some(clock.clone())) else {
            return;
        };
        let (catalog, stream) = (bench.catalog().clone(), StreamId::new());
        for round in 0..2 {
            // After each hour, the series of the hour before are gone.
            for mut batch in (0..3).flat_map(|_| batches(&catalog, clock.now().wall)) {
                let until = clock.now();
                batch.set_progress(Progress { stream, until });
                bench
                    .transform(&mut batch)
                    .must(format_args!("apply in round {round}"));
                check_transformed(&RecordedSample::of_batch(&batch), &P::metrics());
                drop(batch);
                clock.advance(Duration::from_secs(1800));
                let emitted = bench.tick().must(format_args!("tick in round {round}"));
                check_transformed(&emitted, &P::metrics());
                assert!(
                    bench.wake_at().is_none_or(|at| at > clock.now().monotonic),
                    "a transform wants to be woken at an instant that has passed, though it was just then"
                );
            }
            let last = bench.finish().must(format_args!("finish in round {round}"));
            check_transformed(&last, &P::metrics());
            bench.reset_transforms();
        }
    }

    fn check_outputs(&self) {
        let Some(mut bench) = self.bench() else { return };
        for output in 0..bench.outputs() {
            for round in ["", " after a reset"] {
                for batch in batches(bench.catalog(), SystemClock.now().wall) {
                    // One that takes records has its turn in the pipeline.
                    if !bench.takes_records(output) {
                        bench.deliver(output, batch).must(format_args!("deliver{round}"));
                    }
                }
                let position = bench
                    .output(output)
                    .checkpoint()
                    .must(format_args!("checkpoint{round}"));
                if let Some(position) = position {
                    assert!(!position.is_empty(), "a position is never empty");
                    bench
                        .output(output)
                        .resume(&position)
                        .must(format_args!("resume{round}"));
                }
                bench.output(output).reset();
            }
        }
    }

    /// A trial changes nothing, and all elements together run and end.
    fn check_in_pipeline(&self) {
        if !self.must_start {
            return;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let trial = Host {
            spool: self.spool.clone(),
            ..Host::trial(Arc::clone(&clock), &self.root)
        };
        P::start(self.config.clone(), &mut StartContext::new(&trial)).must("the plugin cannot be tried");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let mut builder = PipelineBuilder::with_clock(clock)
            .root(&self.root)
            .spool(self.spool.clone())
            .runtime(runtime.handle().clone());
        builder
            .plugin::<P>(self.config.clone())
            .must("the plugin cannot start");
        let pipeline = builder.start().must("the pipeline cannot start");
        let report = pipeline.stop(Duration::from_secs(10));
        assert!(report.ledger.is_balanced(), "{:#?}", report.ledger);
        assert!(report.stuck.is_empty(), "it does not end: {:?}", report.stuck);
    }
}

/// What must not fail.
trait Must<T> {
    /// The value; a panic that says what failed otherwise.
    fn must(self, what: impl Display) -> T;
}

impl<T, E: Display> Must<T> for Result<T, E> {
    #[track_caller]
    fn must(self, what: impl Display) -> T {
        self.unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

/// A transform leaves what came in, changed or not, and adds what the table of metrics announces.
fn check_transformed(samples: &[RecordedSample], metrics: &[MetricDoc]) {
    let added = samples
        .iter()
        .filter(|sample| !sample.series.metric.name.starts_with(OF_CONTRACT));
    added.for_each(|sample| check_sample(sample, metrics));
}

/// A source pushes only what the table of metrics announces.
fn check_sample(sample: &RecordedSample, metrics: &[MetricDoc]) {
    let name = &sample.series.metric.name;
    let Some(doc) = metrics.iter().find(|doc| doc.name == name) else {
        panic!("`{sample}` is of a metric that `Plugin::metrics` does not list");
    };
    let declared = |list: &[&str], kind: &str| list.iter().any(|one| *one == kind || *one == "*");
    assert!(
        declared(doc.resources, sample.series.resource().kind()),
        "`{sample}` is of an unlisted resource"
    );
    assert!(
        declared(doc.consumers, sample.series.consumer().kind()),
        "`{sample}` is of an unlisted consumer"
    );
    for (key, value) in sample.series.attributes().iter() {
        let listed = doc.attributes.iter().find_map(|attribute| {
            let (name, values) = attribute
                .split_once('=')
                .map_or((*attribute, None), |(name, v)| (name, Some(v)));
            (name == key).then_some(values)
        });
        let values = listed.unwrap_or_else(|| panic!("`{sample}` has an unlisted attribute `{key}`"));
        let listed = values.is_none_or(|values| values.split('|').any(|one| *one == *value.to_string()));
        assert!(listed, "`{sample}` has an unlisted value of `{key}`");
    }
}

/// A delta series begins, and begins again after a reset, with a 0 at the instant from which it counts.
fn check_beginning(sample: &RecordedSample, begun: &mut BTreeSet<String>) {
    let begins = sample.series.metric.kind == MetricKind::Delta && begun.insert(sample.series.to_string());
    assert!(
        !begins || sample.value.as_f64() == 0.0,
        "`{sample}` is the first of its series: since when does it count? A delta series begins, and begins again after a \
         reset, with a 0; `alumet_core::counter::DeltaSeries` does that"
    );
}

/// How the metrics begin that the suite makes up.
const OF_CONTRACT: &str = "contract_";

/// An empty batch, and one with every type of value and awkward texts.
fn batches(catalog: &Catalog, now: Timestamp) -> [Batch; 2] {
    let mut batch = catalog.batch();
    let values = [
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F64(0.1),
        Value::F64(f64::NAN),
        Value::F64(f64::INFINITY),
    ];
    for (index, value) in values.into_iter().enumerate() {
        let metric = Metric {
            name: format!("{OF_CONTRACT}{}", value.value_type()).into(),
            kind: MetricKind::Gauge,
            value_type: value.value_type(),
            unit: if value.value_type() == ValueType::F64 {
                Unit::JOULE.milli()
            } else {
                Unit::ONE
            },
            description: "Checks a transform or an output.".into(),
            quality: Quality::Measured,
        };
        let key = SeriesKey {
            metric: catalog.register_metric(metric).expect("a metric of the contract"),
            resource: Resource::new("cpu_core", &index.to_string()),
            consumer: Consumer::ControlGroup {
                path: "/a;b,c\"d\ne=f g\\h/é".into(),
            },
            attributes: Attributes::EMPTY
                .with("quote", "\"")
                .with("list", vec![1, 2])
                .with("yes", true),
        };
        let series = catalog.register(key);
        batch
            .push_value(&series, now, value)
            .expect("a value of the right type");
    }
    [catalog.batch(), batch]
}

fn check_readme(path: &Path) {
    let text = std::fs::read_to_string(path).must(path.display());
    let expected = ["Purpose", "Requirements", "Metrics", "Configuration", "Limits"];
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    let found: Vec<&str> = headings
        .map(str::trim)
        .filter(|heading| expected.contains(heading))
        .collect();
    assert_eq!(
        found,
        expected,
        "{} needs these sections in this order",
        path.display()
    );
}
