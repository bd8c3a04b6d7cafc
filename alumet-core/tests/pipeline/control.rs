use std::sync::Arc;
use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::output::RecordingOutput;
use alumet_core::pipeline::{Control, ControlError, ElementState, Explain, Pattern};
use alumet_core::plugin::ElementSpecs;

use crate::elements::{Counting, PATIENCE, SECOND, assert_balanced, counting_pipeline, pass, values};

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

#[test]
fn a_paused_source_rests_and_starts_anew_when_resumed() {
    let (pipeline, recording, clock) = counting_pipeline();
    let control = pipeline.control();
    pass(&pipeline, &clock, 1);
    assert_eq!(control.pause(&pattern("sources/embedded/a")).unwrap().len(), 1);
    pass(&pipeline, &clock, 5);
    assert_eq!(values(&recording), ["1", "2"]);
    assert_eq!(
        control.list(&pattern("src")).unwrap()[0].state,
        ElementState::Paused
    );
    control.resume(&pattern("sources/embedded/a")).unwrap();
    pass(&pipeline, &clock, 1);
    // One poll at once and one at the next tick.
    assert_eq!(values(&recording), ["1", "2", "3", "4"]);
    let status = &control.list(&pattern("src")).unwrap()[0];
    assert_eq!((status.state, status.missed_ticks), (ElementState::Running, 0));
}

#[test]
fn a_paused_output_keeps_its_samples() {
    let (pipeline, recording, clock) = counting_pipeline();
    let control = pipeline.control();
    control.flush().unwrap();
    control.pause(&pattern("out")).unwrap();
    for _ in 0..3 {
        clock.advance(SECOND);
        let _ = control.trigger(&pattern("src"));
    }
    assert_eq!(values(&recording), ["1"]);
    control.resume(&pattern("out")).unwrap();
    control.flush().unwrap();
    assert_eq!(values(&recording).len(), 7);
    assert_balanced(&control.status().unwrap().ledger);
}

#[test]
fn an_interval_changes_from_the_next_tick_on() {
    let (pipeline, recording, clock) = counting_pipeline();
    let control = pipeline.control();
    control.flush().unwrap();
    control.set_interval(&pattern("src"), SECOND * 10).unwrap();
    pass(&pipeline, &clock, 9);
    assert_eq!(values(&recording), ["1"]);
    pass(&pipeline, &clock, 1);
    assert_eq!(values(&recording), ["1", "2"]);
    control
        .set_interval(&pattern("src"), Duration::from_millis(5))
        .unwrap();
    clock.advance(Duration::from_millis(5));
    control.flush().unwrap();
    assert_eq!(values(&recording), ["1", "2", "3"]);
    let schedule = control.list(&pattern("src")).unwrap()[0].schedule.unwrap();
    assert_eq!(schedule.interval, Some(Duration::from_millis(5)));
    let short = Duration::from_micros(999);
    let error = control.set_interval(&pattern("src"), short).unwrap_err();
    assert!(error.to_string().contains("1 ms"), "{error}");
}

#[test]
fn no_request_makes_an_interval_finer_than_the_readings_of_a_source() {
    let (pipeline, _, _) = counting_pipeline();
    let control = pipeline.control();
    let mut specs = ElementSpecs::default();
    specs
        .source("coarse", Counting::new(pipeline.catalog(), "coarse"))
        .finest(SECOND / 5);
    control.add("test", specs).unwrap();
    let interval_of = |name: &str| {
        let found = control.list(&pattern(name)).unwrap();
        found[0].schedule.unwrap().interval.unwrap()
    };
    control.set_interval(&pattern("src"), SECOND / 100).unwrap();
    assert_eq!(interval_of("src/test/coarse"), SECOND / 5);
    assert_eq!(interval_of("src/embedded/a"), SECOND / 100);
    control.set_interval(&pattern("src"), SECOND).unwrap();
    assert_eq!(interval_of("src/test/coarse"), SECOND);
}

#[test]
fn a_source_without_interval_is_polled_on_request_only() {
    let (pipeline, _, clock) = counting_pipeline();
    let control = pipeline.control();
    let source = Counting::new(pipeline.catalog(), "manual");
    let ticks = source.ticks();
    let mut specs = ElementSpecs::default();
    specs.source("manual", source).on_request();
    control.add("test", specs).unwrap();
    pass(&pipeline, &clock, 3);
    assert_eq!(ticks.lock().len(), 0);
    control.trigger(&pattern("*/test/manual")).unwrap();
    assert_eq!(ticks.lock().len(), 1, "the answer comes after the poll");
}

#[test]
fn a_mark_comes_after_all_that_was_measured_before_it() {
    let (pipeline, recording, clock) = counting_pipeline();
    let control = pipeline.control();
    control.flush().unwrap();
    clock.advance(Duration::from_millis(1));
    control.mark("second part").unwrap();
    control.flush().unwrap();
    let samples = recording.samples();
    let [first, second, mark] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!(mark.series.metric.name, "phase_begins");
    let phase = mark.series.attributes().get("phase").unwrap();
    assert_eq!(phase.to_string(), "second part");
    assert!(first.timestamp < second.timestamp && second.timestamp <= mark.timestamp);
    assert_balanced(&control.status().unwrap().ledger);

    control.stop(&pattern("src")).unwrap();
    control.mark("nothing is polled any more").unwrap();
    control.flush().unwrap();
    assert_eq!(recording.samples().len(), 4);
    pipeline.stop(PATIENCE);
    assert!(matches!(control.mark("x"), Err(ControlError::NotRunning)));
}

#[test]
fn an_output_added_late_gets_what_comes_and_one_stopped_has_written_all_it_got() {
    let (pipeline, _, clock) = counting_pipeline();
    let control = pipeline.control();
    pass(&pipeline, &clock, 1);
    let output = RecordingOutput::new();
    let late = output.recording();
    let mut specs = ElementSpecs::default();
    specs.output("late", output);
    control.add("test", specs).unwrap();
    pass(&pipeline, &clock, 2);
    clock.advance(SECOND);
    control.trigger(&pattern("src")).unwrap();
    control.stop(&pattern("out/test")).unwrap();
    let written = values(&late);
    assert_eq!(written[..2], ["3", "4"]);
    pass(&pipeline, &clock, 2);
    assert_eq!(values(&late), written);
    assert_balanced(&control.status().unwrap().ledger);
}

#[test]
fn requests_that_make_no_sense_are_answered_with_what_there_is() {
    let (pipeline, _, _) = counting_pipeline();
    let control = pipeline.control();
    let error = control.pause(&pattern("src/rapl")).unwrap_err().to_string();
    assert!(
        error.contains("sources/embedded/a") && error.contains("outputs/embedded/recording"),
        "{error}"
    );
    let error = control.trigger(&pattern("out")).unwrap_err().to_string();
    assert_eq!(
        error,
        "outputs/embedded/recording cannot be triggered: it is no source"
    );
    let mut specs = ElementSpecs::default();
    specs.source("a", Counting::new(pipeline.catalog(), "a"));
    let error = control.add("embedded", specs).unwrap_err().to_string();
    assert!(error.contains("two elements named sources/embedded/a"), "{error}");
}

#[test]
fn a_pipeline_that_has_stopped_says_so() {
    let (pipeline, _, _) = counting_pipeline();
    let control: Control = pipeline.control().clone();
    pipeline.stop(PATIENCE);
    assert!(matches!(
        control.pause(&Pattern::all()),
        Err(ControlError::NotRunning)
    ));
    assert!(control.status().is_ok(), "the ledger can still be read");
    drop(pipeline);
    assert!(matches!(control.status(), Err(ControlError::NotRunning)));
}

#[test]
fn a_request_to_shut_down_reaches_the_program() {
    let (pipeline, _, _) = counting_pipeline();
    let token = pipeline.shutdown_requested();
    assert!(!token.is_cancelled());
    pipeline.control().request_shutdown().unwrap();
    assert!(token.is_cancelled());
}

#[test]
fn an_output_can_be_exchanged_without_losing_a_sample() {
    let (pipeline, old, clock) = counting_pipeline();
    let control = pipeline.control();
    pass(&pipeline, &clock, 2);
    let hold = control.hold().unwrap();
    control.stop(&pattern("out")).unwrap();
    for _ in 0..3 {
        clock.advance(SECOND);
        control.ping().unwrap();
    }
    let output = RecordingOutput::new();
    let new = output.recording();
    let mut specs = ElementSpecs::default();
    specs.output("new", output);
    control.add("test", specs).unwrap();
    drop(hold);
    pass(&pipeline, &clock, 1);
    assert_eq!(values(&old), ["1", "2", "3"]);
    assert_eq!(values(&new), ["4", "5", "6", "7"]);
    let ledger = control.status().unwrap().ledger;
    assert_balanced(&ledger);
    assert_eq!(ledger.dropped_total(), 0);
}

#[test]
fn the_last_source_has_not_ended_while_it_is_exchanged() {
    let (pipeline, _, _) = counting_pipeline();
    let control = pipeline.control();
    let ended = pipeline.sources_ended();
    let hold = control.hold().unwrap();
    control.stop(&pattern("sources/*/*")).unwrap();
    assert!(!ended.is_cancelled());
    drop(hold);
    assert!(ended.is_cancelled(), "nothing has come in its place");

    let (pipeline, _, _) = counting_pipeline();
    let control = pipeline.control();
    let ended = pipeline.sources_ended();
    let hold = control.hold().unwrap();
    control.stop(&pattern("sources/*/*")).unwrap();
    let mut specs = ElementSpecs::default();
    specs
        .source("new", Counting::new(pipeline.catalog(), "b"))
        .every(SECOND);
    control.add("test", specs).unwrap();
    drop(hold);
    assert!(!ended.is_cancelled());
}

#[test]
fn what_is_held_at_the_end_is_written() {
    let (pipeline, recording, clock) = counting_pipeline();
    let _hold = pipeline.control().hold().unwrap();
    clock.advance(SECOND);
    assert!(pipeline.stop(PATIENCE).is_complete());
    assert_eq!(values(&recording), ["1", "2", "3"]);
}

#[test]
fn those_who_compute_numbers_explain_them_as_long_as_they_are_there() {
    let control = Control::default();
    let process = Consumer::Process { pid: 7 };
    let error = control.explain(&process).unwrap_err();
    assert!(error.to_string().contains("process:7"), "{error}");
    let of_processes: Arc<Explain> =
        Arc::new(|consumer| matches!(consumer, Consumer::Process { .. }).then(|| "half of 2 J".to_owned()));
    let of_all: Arc<Explain> = Arc::new(|consumer| Some(format!("all of {consumer}")));
    control.on_explain(&of_processes);
    control.on_explain(&of_all);
    assert_eq!(
        control.explain(&process).unwrap(),
        "half of 2 J\nall of process:7"
    );
    drop(of_all);
    assert_eq!(control.explain(&process).unwrap(), "half of 2 J");
    assert!(control.explain(&Consumer::LocalMachine).is_err());
}
