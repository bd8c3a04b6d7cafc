use alumet_core::failure::Failure;
use alumet_core::output::{Recording, RecordingOutput};
use alumet_core::pipeline::{BuildError, PipelineBuilder};
use alumet_core::plugin::{Plugin, PluginDescriptor, StartContext, StartError};
use alumet_core::series::SeriesHandle;
use alumet_core::testkit::{ManualClock, assert_lines};
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::{Batch, SeriesMap, Timestamp, Value};

use crate::elements::{PATIENCE, assert_balanced, lines, one_source, pass};

/// Gives every series one more attribute, and emits one sample of its own at the end.
struct Mark {
    key: &'static str,
    marked: SeriesMap<SeriesHandle>,
    fail: Option<Failure>,
}

impl Transform for Mark {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        for index in 0..batch.len() {
            let series = batch.series()[index];
            let marked = self.marked.get_or_insert_with(series, || {
                let mut key = context.catalog.describe(series).unwrap().key.clone();
                let order = key.attributes.len() as u64;
                key.attributes = key.attributes.with(self.key, order);
                context.catalog.register(key)
            });
            batch.set_series(index, marked).unwrap();
        }
        self.fail.take().map_or(Ok(()), Err)
    }

    fn finish(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        let (_, handle) = self.marked.iter().next().unwrap();
        batch
            .push_value(handle, Timestamp::default(), Value::U64(1000))
            .unwrap();
        Ok(())
    }
}

fn mark(key: &'static str) -> Mark {
    Mark {
        key,
        marked: SeriesMap::new(),
        fail: None,
    }
}

/// A plugin whose id is a type parameter.
struct MarkPlugin<const N: usize>;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Empty {}

impl<const N: usize> Plugin for MarkPlugin<N> {
    const ID: &'static str = ["first", "second"][N];
    const SUMMARY: &'static str = "Marks.";
    type Config = Empty;

    fn start(_: Empty, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        alumet.transform("mark", mark(Self::ID));
        Ok(Self)
    }
}

fn builder() -> (PipelineBuilder, Recording, ManualClock) {
    let (mut builder, clock) = one_source();
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    builder.plugin::<MarkPlugin<0>>(Empty {}).unwrap();
    builder.plugin::<MarkPlugin<1>>(Empty {}).unwrap();
    (builder, recording, clock)
}

#[test]
fn transforms_run_in_the_order_of_their_plugins_and_emit_at_the_end() {
    let (builder, recording, clock) = builder();
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    pass(&pipeline, &clock, 1);
    let report = pipeline.stop(PATIENCE);
    assert_balanced(&report.ledger);
    assert_lines(
        lines(&recording),
        [
            "count local_machine local_machine {first=1, second=2, source=a} = 1",
            "count local_machine local_machine {first=1, second=2, source=a} = 2",
            "count local_machine local_machine {first=1, second=2, source=a} = 3",
            // What the first emits at its end still passes the second.
            "count local_machine local_machine {first=1, second=2, source=a} = 1000",
            "count local_machine local_machine {first=1, second=2, source=a} = 1000",
        ],
    );
}

#[test]
fn an_explicit_order_is_kept() {
    let (builder, recording, _) = builder();
    let pipeline = builder
        .transform_order(vec!["second".into(), "first".into()])
        .start()
        .unwrap();
    pipeline.control().flush().unwrap();
    assert_lines(
        lines(&recording),
        ["count local_machine local_machine {first=2, second=1, source=a} = 1"],
    );
}

#[test]
fn an_order_that_does_not_fit_is_refused() {
    let error = builder()
        .0
        .transform_order(vec!["second".into()])
        .start()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the order of transforms does not name `first`; add it, or leave the order out"
    );
    let error = builder()
        .0
        .transform_order(vec!["third".into()])
        .start()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("names `third`, but the transforms are: first, second"),
        "{error}"
    );
}

/// The order in which transforms of these plugins run, each with those that it must follow.
fn order(transforms: [(&'static str, &[&str]); 4], configured: &[&str]) -> Result<String, BuildError> {
    let (mut builder, _) = one_source();
    for (place, (name, after)) in transforms.into_iter().enumerate() {
        // Every second one belongs to the program itself.
        if place % 2 == 0 {
            let spec = builder.transform(name, mark(name));
            for plugin in after {
                spec.after(*plugin);
            }
            continue;
        }
        let after = after.iter().map(|plugin| (*plugin).to_owned()).collect();
        match name {
            "first" => builder.plugin::<FollowingPlugin<0>>(After { after }).unwrap(),
            _ => builder.plugin::<FollowingPlugin<1>>(After { after }).unwrap(),
        };
    }
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let configured = configured.iter().map(|plugin| (*plugin).to_owned()).collect();
    let pipeline = builder.transform_order(configured).start()?;
    pipeline.control().flush().unwrap();
    let samples = recording.samples();
    let mut marks: Vec<_> = samples[0].series.attributes().iter().collect();
    marks.retain(|(key, _)| **key != *"source");
    marks.sort_by_key(|(_, place)| place.to_string());
    let names: Vec<_> = marks.iter().map(|(key, _)| key.to_string()).collect();
    Ok(names.join(" "))
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct After {
    after: Vec<String>,
}

struct FollowingPlugin<const N: usize>;

impl<const N: usize> Plugin for FollowingPlugin<N> {
    const ID: &'static str = ["first", "second"][N];
    const SUMMARY: &'static str = "Marks after others.";
    type Config = After;

    fn start(config: After, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let spec = alumet.transform("mark", mark(Self::ID));
        for plugin in config.after {
            spec.after(plugin);
        }
        Ok(Self)
    }
}

#[test]
fn transforms_of_plugins_and_of_the_program_run_in_the_order_of_adding() {
    let order = order([("a", &[]), ("first", &[]), ("b", &[]), ("second", &[])], &[]);
    assert_eq!(order.unwrap(), "a first b second");
}

#[test]
fn a_transform_runs_after_those_that_it_must_follow_and_otherwise_as_it_was_added() {
    let transforms: [(_, &[&str]); 4] = [
        ("a", &["second"]),
        ("first", &[]),
        ("b", &["nobody"]),
        ("second", &[]),
    ];
    assert_eq!(order(transforms, &[]).unwrap(), "first b second a");
    let transforms: [(_, &[&str]); 4] = [("a", &[]), ("first", &["second"]), ("b", &[]), ("second", &[])];
    assert_eq!(order(transforms, &[]).unwrap(), "a b second first");
}

#[test]
fn transforms_that_must_follow_each_other_are_refused_and_named() {
    let transforms: [(_, &[&str]); 4] = [
        ("a", &["first"]),
        ("first", &["second"]),
        ("b", &[]),
        ("second", &["first"]),
    ];
    let error = order(transforms, &[]).unwrap_err();
    assert!(
        matches!(&error, BuildError::CircularOrder(circle) if *circle == ["first", "second"]),
        "{error}"
    );
}

#[test]
fn a_configured_order_that_contradicts_what_must_be_is_refused_and_names_both() {
    let transforms: [(_, &[&str]); 4] = [("a", &[]), ("first", &["second"]), ("b", &[]), ("second", &[])];
    assert_eq!(
        order(transforms, &["second", "embedded", "first"]).unwrap(),
        "second a b first"
    );
    let error = order(transforms, &["embedded", "first", "second"]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("names `first` before `second`, which it must follow"),
        "{error}"
    );
}

#[test]
fn a_transform_that_fails_lets_samples_pass() {
    let (mut builder, clock) = one_source();
    builder.transform(
        "mark",
        Mark {
            fail: Some(Failure::restart("no model")),
            ..mark("m")
        },
    );
    let output = RecordingOutput::new();
    let recording = output.recording();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    clock.advance(std::time::Duration::from_millis(1));
    pipeline.control().trigger(&"src".parse().unwrap()).unwrap();
    pipeline.control().flush().unwrap();
    pass(&pipeline, &clock, 2);
    assert_lines(
        lines(&recording),
        [
            "count local_machine local_machine {m=1, source=a} = 1",
            "count local_machine local_machine {source=a} = 2", // waiting for its restart
            "count local_machine local_machine {m=1, source=a} = 3",
            "count local_machine local_machine {m=1, source=a} = 4",
        ],
    );
}

#[test]
fn a_transform_can_be_added_and_stopped_while_samples_flow() {
    let (pipeline, recording, clock) = crate::elements::counting_pipeline();
    pass(&pipeline, &clock, 1);
    let mut specs = alumet_core::plugin::ElementSpecs::default();
    specs.transform("mark", mark("late"));
    pipeline.control().add("late", specs).unwrap();
    pass(&pipeline, &clock, 1);
    pipeline.control().stop(&"tra/late".parse().unwrap()).unwrap();
    pass(&pipeline, &clock, 1);
    assert_lines(
        lines(&recording),
        [
            "count local_machine local_machine {source=a} = 1",
            "count local_machine local_machine {source=a} = 2",
            "count local_machine local_machine {late=1, source=a} = 3",
            "count local_machine local_machine {late=1, source=a} = 1000",
            "count local_machine local_machine {source=a} = 4",
        ],
    );
}

#[test]
fn a_transform_that_is_started_again_gets_its_place_again() {
    let (builder, recording, _) = builder();
    let pipeline = builder.start().unwrap();
    pipeline.control().flush().unwrap();
    pipeline.stop_plugin("first").unwrap();
    let descriptor = PluginDescriptor::of::<MarkPlugin<0>>();
    let mut nothing = <dyn erased_serde::Deserializer<'_>>::erase(toml::Table::new());
    pipeline
        .start_plugin(&descriptor, &descriptor.parse(&mut nothing).unwrap())
        .unwrap();
    // What the stopped one has emitted at its end does not matter here.
    pipeline.control().flush().unwrap();
    recording.take();
    pipeline.control().trigger(&"src".parse().unwrap()).unwrap();
    pipeline.control().flush().unwrap();
    assert_lines(
        lines(&recording),
        ["count local_machine local_machine {first=1, second=2, source=a} = 2"],
    );
}
