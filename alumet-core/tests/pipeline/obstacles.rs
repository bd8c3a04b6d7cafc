//! What keeps a pipeline from measuring and delivering is in its status, in words.

use std::sync::Arc;
use std::time::Duration;

use alumet_core::failure::Failure;
use alumet_core::output::{Delivering, Delivery, NullOutput, Output, Receipt, RecordingOutput};
use alumet_core::pipeline::{
    AddToStatus, CertificateStatus, Pattern, Pipeline, PipelineBuilder, PipelineStatus,
};
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::ManualClock;
use alumet_core::time::Timestamp;

use crate::elements::{Counting, SECOND, counting_pipeline, one_source, pass};

/// Finds nothing to measure.
struct Silent;

impl Source for Silent {
    fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Refuses each sample.
struct Refusing;

impl Output for Refusing {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let mut receipt = Receipt::all();
        (0..delivery.len()).for_each(|sample| receipt.reject(sample, "not for me"));
        Ok(Delivering::Done(receipt))
    }
}

/// Has an obstacle and certificates.
struct Moon;

impl AddToStatus for Moon {
    fn add_to(&self, status: &mut PipelineStatus) {
        status.obstacles.push("the moon is full".to_owned());
        let soon = ManualClock::START.saturating_add(Duration::from_secs(3600));
        let far = Timestamp::from_nanos(i64::MAX);
        for (path, not_after) in [("/b", soon), ("/a", soon), ("/b", soon), ("/c", far)] {
            let path = path.into();
            status.certificates.push(CertificateStatus { path, not_after });
        }
    }
}

fn obstacles(pipeline: &Pipeline) -> Vec<String> {
    pipeline.control().status().unwrap().obstacles
}

#[track_caller]
fn assert_obstacle(pipeline: &Pipeline, phrase: &str) {
    let found = obstacles(pipeline);
    assert!(
        found.iter().any(|obstacle| obstacle.contains(phrase)),
        "{found:?}"
    );
}

/// Looks at the status as time passes, as whoever watches does.
fn watch(pipeline: &Pipeline, clock: &ManualClock, seconds: u32) {
    for _ in 0..seconds {
        pass(pipeline, clock, 1);
        obstacles(pipeline);
    }
}

#[test]
fn a_pipeline_that_measures_and_writes_has_no_obstacle() {
    let (pipeline, _, clock) = counting_pipeline();
    watch(&pipeline, &clock, 200);
    assert_eq!(obstacles(&pipeline), [""; 0]);
}

#[test]
fn sources_and_outputs_that_are_paused_or_gone_are_told() {
    let (pipeline, ..) = counting_pipeline();
    let control = pipeline.control();
    for (pattern, paused, gone) in [
        (
            "sources",
            "every source is paused, so nothing is measured",
            "there is no source",
        ),
        (
            "outputs",
            "every output is paused, so nothing is written",
            "there is no output",
        ),
    ] {
        let pattern: Pattern = pattern.parse().unwrap();
        control.pause(&pattern).unwrap();
        assert_obstacle(&pipeline, paused);
        control.resume(&pattern).unwrap();
        assert_eq!(
            obstacles(&pipeline).iter().filter(|told| *told == paused).count(),
            0
        );
        control.stop(&pattern).unwrap();
        assert_obstacle(&pipeline, gone);
    }
}

/// Shows what others have measured.
struct Gateway;

impl AddToStatus for Gateway {
    fn add_to(&self, status: &mut PipelineStatus) {
        status.shows_others = true;
    }
}

#[test]
fn a_program_that_shows_what_others_have_measured_needs_no_source_and_none_that_is_paused() {
    let (pipeline, ..) = counting_pipeline();
    let control = pipeline.control();
    let gateway: Arc<dyn AddToStatus> = Arc::new(Gateway);
    control.on_status(Arc::downgrade(&gateway));
    let sources: Pattern = "sources".parse().unwrap();
    control.pause(&sources).unwrap();
    assert_obstacle(&pipeline, "every source is paused");
    control.stop(&sources).unwrap();
    assert_eq!(obstacles(&pipeline), [""; 0]);
    drop(gateway);
    assert_obstacle(&pipeline, "there is no source");
}

#[test]
fn sources_that_are_polled_and_make_no_sample_are_told_until_one_makes_some() {
    let clock = ManualClock::new();
    let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
    builder.source("often", Silent);
    builder.source("seldom", Silent).every(30 * SECOND);
    builder.output("null", NullOutput);
    let pipeline = builder.start().unwrap();
    watch(&pipeline, &clock, 80);
    // Of the second, three intervals are waited for.
    assert_eq!(obstacles(&pipeline), [""; 0]);
    watch(&pipeline, &clock, 40);
    assert_obstacle(&pipeline, "no source has made a sample for");
    let source = Counting::new(pipeline.catalog(), "a");
    let mut specs = alumet_core::plugin::ElementSpecs::default();
    specs.source("a", source);
    pipeline.control().add("late", specs).unwrap();
    assert_eq!(obstacles(&pipeline), [""; 0]);
}

#[test]
fn an_output_that_loses_everything_is_told_after_a_minute() {
    let (mut builder, clock) = one_source();
    builder.output("refusing", Refusing);
    builder.output("recording", RecordingOutput::new());
    let pipeline = builder.start().unwrap();
    watch(&pipeline, &clock, 55);
    assert_eq!(obstacles(&pipeline), [""; 0]);
    watch(&pipeline, &clock, 10);
    let found = obstacles(&pipeline);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("outputs/embedded/refusing has written nothing for 6")
            && found[0].ends_with(" rejected"),
        "{found:?}"
    );
}

#[test]
fn a_wall_clock_that_is_set_by_hours_is_told() {
    let (pipeline, _, clock) = counting_pipeline();
    assert_eq!(obstacles(&pipeline), [""; 0]);
    clock.set_wall(ManualClock::START.saturating_add(Duration::from_secs(5 * 3600)));
    assert_obstacle(
        &pipeline,
        "the wall clock was set forwards by 5h within the last hour",
    );
}

#[test]
fn what_others_know_is_in_a_status_as_long_as_they_are_there() {
    let (pipeline, ..) = counting_pipeline();
    let add = Arc::new(Moon);
    pipeline.control().on_status(Arc::downgrade(&add) as _);
    let status = pipeline.control().status().unwrap();
    let paths: Vec<_> = status
        .certificates
        .iter()
        .map(|certificate| certificate.path.to_str())
        .collect();
    assert_eq!(paths, [Some("/a"), Some("/b"), Some("/c")]);
    assert_eq!(status.obstacles.len(), 3, "{:?}", status.obstacles);
    assert_eq!(status.obstacles[0], "the moon is full");
    assert!(status.obstacles[1].starts_with("the certificate in /a expires in 1 h"));
    drop(add);
    assert_eq!(obstacles(&pipeline), [""; 0]);
}
