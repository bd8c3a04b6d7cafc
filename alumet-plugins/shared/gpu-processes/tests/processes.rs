//! What is made of `/proc/PID/fdinfo`, in the format of `Documentation/gpu/drm-usage-stats.rst`.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::time::Duration;

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::output::RecordedSample;
use alumet_core::source::{Accumulator, Source, Tick};
use alumet_core::testkit::{FakeRoot, ManualClock, assert_lines};
use alumet_core::time::Clock;
use alumet_core::unit::Unit;
use alumet_reader_drm::SystemRoot;
use alumet_shared_gpu_processes::{Describe, Described, Part, ProcessSource};

alumet_core::metrics! {
    ENGINE = Delta<u64> {
        name: "engine", unit: Unit::SECOND.nano(), description: "For tests.",
    };
    MEMORY = Gauge<u64> {
        name: "memory", unit: Unit::BYTE, description: "For tests.",
    };
}

struct Metrics {
    engine: MetricHandle<u64>,
    memory: MetricHandle<u64>,
}

impl Describe for Metrics {
    fn describe<'n>(&self, part: Part<'n>) -> Option<Described<'n>> {
        Some(match part {
            Part::Engine(name) => Described {
                metric: self.engine,
                attribute: Some(("engine", name)),
            },
            Part::Memory(_) => return None,
            Part::AllMemory => Described {
                metric: self.memory,
                attribute: None,
            },
        })
    }
}

/// A machine on which is looked for clients each 5 s, and which is polled once per second.
struct Desk {
    root: FakeRoot,
    clock: ManualClock,
    catalog: Catalog,
    source: ProcessSource<Metrics>,
    polls: u32,
}

impl Desk {
    fn new() -> Self {
        let root = FakeRoot::new();
        let catalog = Catalog::new();
        let metrics = Metrics {
            engine: catalog.metric(&ENGINE).unwrap(),
            memory: catalog.metric(&MEMORY).unwrap(),
        };
        let system = SystemRoot::at(root.path());
        Self {
            source: ProcessSource::new(system, &["amdgpu", "xe"], Duration::from_secs(5), metrics),
            clock: ManualClock::new(),
            root,
            catalog,
            polls: 0,
        }
    }

    /// A process opens a card, or has used more of it.
    fn open(&self, (pid, file): (u32, u32), client: u64, lines: &str) {
        let link = format!("proc/{pid}/fd/{file}");
        if !self.root.at(&link).is_symlink() {
            self.root.link(link, "/dev/dri/renderD128");
        }
        let driver = if lines.contains("cycles") { "xe" } else { "amdgpu" };
        let text =
            format!("drm-driver:\t{driver}\ndrm-client-id:\t{client}\ndrm-pdev:\t0000:03:00.0\n{lines}\n");
        self.root
            .write(format!("proc/{pid}/comm"), format!("program{pid}\n"))
            .write(format!("proc/{pid}/fdinfo/{file}"), text);
    }

    fn close(&self, (pid, file): (u32, u32)) {
        self.root
            .remove(format!("proc/{pid}/fd/{file}"))
            .remove(format!("proc/{pid}/fdinfo/{file}"));
    }

    fn poll(&mut self) -> Vec<RecordedSample> {
        self.polls += 1;
        self.clock.advance(Duration::from_secs(1));
        let now = self.clock.now();
        let tick = Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        };
        let mut batch = self.catalog.batch();
        let mut out = Accumulator::new(&mut batch, tick, &self.clock);
        self.source.poll(&mut out).unwrap();
        RecordedSample::of_batch(&batch)
    }

    /// The samples of a poll, without what is the same on all.
    fn next(&mut self) -> Vec<String> {
        let samples = self.poll();
        let texts = samples.iter().map(RecordedSample::to_string);
        texts.map(|text| text.replace(" gpu:0000:03:00.0", "")).collect()
    }

    /// The samples of the poll with the next look for clients.
    fn next_look(&mut self) -> Vec<String> {
        while !self.polls.is_multiple_of(5) {
            self.poll();
        }
        self.next()
    }
}

fn gfx(pid: u32, ns: u64) -> String {
    format!("engine process:{pid} {{engine=gfx, process_name=program{pid}}} = {ns}")
}

fn memory(pid: u32, bytes: u64) -> String {
    format!("memory process:{pid} {{process_name=program{pid}}} = {bytes}")
}

#[test]
fn what_the_clients_of_a_process_use_is_added_up_from_the_first_reading_on() {
    let mut desk = Desk::new();
    let used = |ns: u64| format!("drm-engine-gfx:\t{ns} ns\ndrm-memory-vram:\t2 KiB\ndrm-memory-gtt:\t1 KiB");
    desk.open((40, 5), 1, &used(1_000));
    desk.open((40, 6), 2, &used(0));
    desk.open((50, 5), 3, &used(7));
    desk.root.link("proc/60/fd/1", "/dev/null");
    assert_lines(
        desk.next(),
        [gfx(40, 0), memory(40, 6144), gfx(50, 0), memory(50, 3072)],
    );
    desk.open((40, 5), 1, &used(1_500));
    desk.open((40, 6), 2, &used(20));
    assert_lines(
        desk.next(),
        [gfx(40, 520), memory(40, 6144), gfx(50, 0), memory(50, 3072)],
    );
}

#[test]
fn a_client_counts_once_however_many_files_and_processes_share_it() {
    let mut desk = Desk::new();
    let share = |desk: &Desk, ns: u64| {
        for place in [(40, 5), (40, 9), (50, 3)] {
            desk.open(place, 1, &format!("drm-engine-gfx:\t{ns} ns"));
        }
    };
    share(&desk, 100);
    desk.next();
    share(&desk, 130);
    assert_lines(desk.next(), [gfx(40, 30), memory(40, 0)]);
    // The one that was read is closed: it is the same client by another file, and nothing is told twice.
    desk.root.write("proc/40/fdinfo/5", "");
    assert!(desk.next().is_empty());
    desk.close((40, 5));
    for place in [(40, 9), (50, 3)] {
        desk.open(place, 1, "drm-engine-gfx:\t170 ns");
    }
    assert_lines(desk.next_look(), [gfx(40, 40), memory(40, 0)]);
    share(&desk, 175);
    assert_lines(desk.next(), [gfx(40, 5), memory(40, 0)]);
}

#[test]
fn what_was_opened_after_a_look_counts_from_that_look_on() {
    let mut desk = Desk::new();
    desk.next();
    let looked = desk.clock.now().wall;
    desk.open((40, 5), 1, "drm-engine-gfx:\t900 ns");
    for _ in 0..4 {
        assert!(desk.poll().is_empty());
    }
    let samples = desk.poll();
    assert_eq!(samples[0].timestamp, looked);
    let texts = samples
        .iter()
        .map(|sample| sample.to_string().replace(" gpu:0000:03:00.0", ""));
    assert_lines(texts, [gfx(40, 0), gfx(40, 900), memory(40, 0)]);
    // A process that is known opens one more.
    desk.open((40, 6), 2, "drm-engine-gfx:\t55 ns");
    assert_lines(desk.next_look(), [gfx(40, 55), memory(40, 0)]);
}

#[test]
fn a_process_is_found_by_its_control_group() {
    let mut desk = Desk::new();
    desk.open((40, 5), 1, "drm-engine-gfx:\t5 ns");
    desk.root
        .write("proc/40/cgroup", "0::/kubepods.slice/pod.slice\n");
    let found = desk.next();
    let group = "cgroup=/kubepods.slice/pod.slice";
    assert_eq!(
        found[0],
        format!("engine process:40 {{{group}, engine=gfx, process_name=program40}} = 0")
    );
}

/// `amdgpu` tells of an engine from its first use on.
#[test]
fn an_engine_that_is_told_of_later_counts_from_the_previous_poll_on() {
    let mut desk = Desk::new();
    desk.open((40, 5), 1, "drm-engine-gfx:\t5 ns");
    desk.next();
    let before = desk.clock.now().wall;
    desk.open((40, 5), 1, "drm-engine-gfx:\t6 ns\ndrm-engine-dec:\t300 ns");
    let samples = desk.poll();
    assert_eq!(samples[1].timestamp, before);
    let values = samples[1..3].iter().map(|sample| sample.value.as_f64());
    assert_eq!(values.collect::<Vec<_>>(), [0.0, 300.0]);
}

#[test]
fn a_count_may_fall_for_a_while_and_is_not_told_twice() {
    let mut desk = Desk::new();
    let mut told = 0;
    for ns in [1_000, 1_200, 1_150, 1_250] {
        desk.open((40, 5), 1, &format!("drm-engine-gfx:\t{ns} ns"));
        told += desk.poll()[0].value.as_f64() as u64;
    }
    assert_eq!(told, 250);
}

#[test]
fn cycles_become_time_by_the_cycles_that_passed() {
    let mut desk = Desk::new();
    let cycles = |own: u64, all: u64| format!("drm-cycles-rcs:\t{own}\ndrm-total-cycles-rcs:\t{all}");
    desk.open((40, 5), 1, &cycles(500, 10_000));
    desk.next();
    desk.open((40, 5), 1, &cycles(1_500, 14_000));
    let lines = desk.next();
    assert_eq!(
        lines[0],
        "engine process:40 {engine=rcs, process_name=program40} = 250000000"
    );
}

#[test]
fn a_process_that_ends_leaves_nothing_and_another_with_its_number_begins_anew() {
    let mut desk = Desk::new();
    desk.open((40, 5), 1, "drm-engine-gfx:\t5000 ns");
    desk.next();
    assert_eq!(desk.catalog.live_series(), 2);
    // The file becomes another client, and then none.
    desk.open((40, 5), 7, "drm-engine-gfx:\t9000 ns");
    assert!(desk.next().is_empty());
    desk.root.write("proc/40/fdinfo/5", "pos:\t0\n");
    assert!(desk.next_look().is_empty());
    assert_eq!(desk.catalog.live_series(), 0);
    desk.open((40, 5), 8, "drm-engine-gfx:\t60 ns");
    desk.root.write("proc/40/comm", "other\n");
    let lines = desk.next_look();
    assert_eq!(
        lines[1],
        "engine process:40 {engine=gfx, process_name=other} = 60"
    );
}

#[test]
fn cards_of_other_drivers_are_left_to_others() {
    let mut desk = Desk::new();
    desk.open((40, 5), 1, "drm-engine-gfx:\t5 ns");
    desk.root.write(
        "proc/40/fdinfo/5",
        "drm-driver:\ti915\ndrm-client-id:\t1\ndrm-pdev:\t0000:00:02.0\ndrm-engine-render:\t9 ns\n",
    );
    assert!(desk.next().is_empty());
}
