//! What others notice of a driver that hangs: `cargo run --release -p alumet-benches --bin hanging [SECONDS]`.
//!
//! Says how long requests to others took and how many of their ticks were missed.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::time::{Duration, Instant};

use alumet_benches::PushAll;
use alumet_core::failure::Failure;
use alumet_core::output::NullOutput;
use alumet_core::pipeline::{Control, Pattern, PipelineBuilder};
use alumet_core::plugin::ElementSpecs;
use alumet_core::source::{Accumulator, Source};

/// A driver call that lasts.
struct Hanging(Duration);

impl Source for Hanging {
    fn poll(&mut self, _: &mut Accumulator<'_>) -> Result<(), Failure> {
        std::thread::sleep(self.0);
        Ok(())
    }
}

fn main() {
    let seconds = std::env::args()
        .nth(1)
        .map_or(60, |text| text.parse().expect("a number of seconds"));
    let hang = Duration::from_secs(seconds);
    let mut builder = PipelineBuilder::new();
    builder
        .source("driver", Hanging(hang))
        .every(Duration::from_secs(1))
        .blocking();
    let sound = PushAll::new(builder.catalog(), 8);
    builder.source("sound", sound).every(Duration::from_millis(100));
    builder.output("null", NullOutput);
    let pipeline = builder.start().expect("a pipeline");
    let begun = Instant::now();
    let (mut requests, mut longest) = (0_u32, (Duration::ZERO, ""));
    while begun.elapsed() + Duration::from_secs(1) < hang {
        let late = PushAll::new(pipeline.catalog(), 8);
        for (name, request) in requests_of(late) {
            let asked = Instant::now();
            request(pipeline.control());
            longest = longest.max((asked.elapsed(), name));
            requests += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = pipeline.control().status().expect("a pipeline");
    let missed: u64 = status.punctuality.iter().map(|thread| thread.missed_ticks).sum();
    println!(
        "a driver hung for {:.1} s; {requests} requests to others, the longest took {:?} (`{}`); {missed} ticks missed",
        begun.elapsed().as_secs_f64(),
        longest.0,
        longest.1,
    );
    pipeline.stop(Duration::from_secs(2));
}

type Request = Box<dyn FnOnce(&Control)>;

/// What is asked of the pipeline again and again; `late` is added and stopped.
fn requests_of(late: PushAll) -> [(&'static str, Request); 6] {
    let pattern = |text: &str| -> Pattern { text.parse().expect("a pattern") };
    let (sound, test) = (pattern("src/*/sound"), pattern("src/test"));
    let same = sound.clone();
    [
        ("ping", Box::new(|control| control.ping().expect("an answer"))),
        (
            "status",
            Box::new(|control| drop(control.status().expect("an answer"))),
        ),
        (
            "trigger",
            Box::new(move |control| drop(control.trigger(&sound).expect("an answer"))),
        ),
        (
            "set-interval",
            Box::new(move |control| {
                drop(
                    control
                        .set_interval(&same, Duration::from_millis(100))
                        .expect("an answer"),
                );
            }),
        ),
        (
            "add",
            Box::new(move |control| {
                let mut specs = ElementSpecs::default();
                specs.source("late", late).every(Duration::from_millis(100));
                drop(control.add("test", specs).expect("an answer"));
            }),
        ),
        (
            "stop",
            Box::new(move |control| drop(control.stop(&test).expect("an answer"))),
        ),
    ]
}
