//! Counting for real: software events, which every machine has, against what the kernel says elsewhere.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![expect(clippy::print_stdout, reason = "a test says why it is skipped")]

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::events::ConsumerEvent;
use alumet_core::output::{RecordedSample, RecordingOutput};
use alumet_core::pipeline::{ElementKind, Pattern, PipelineBuilder};
use alumet_core::plugin::{Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::{Bench, FakeRoot, ManualClock};
use alumet_core::{Consumer, Resource};
use alumet_plugin_perf::{Config, PerfPlugin};
use alumet_reader_cgroupfs::testkit::OwnGroup;

/// The plugin on this machine, moved by hand.
struct Machine(Bench);

impl Machine {
    /// `None`, with a word, where the rights are missing.
    fn start(config: &str) -> Option<Self> {
        let config = toml::from_str(config).unwrap();
        let bench = Bench::start::<PerfPlugin>(config, "/").unwrap();
        if bench.sources().is_empty() {
            println!("skipped: nothing may be counted; CAP_PERFMON is missing");
            return None;
        }
        Some(Self(bench))
    }

    fn started(&self, consumer: &Consumer) {
        self.0
            .events()
            .publish(ConsumerEvent::Started([consumer.clone()].into()));
    }

    fn ended(&self, consumer: &Consumer) {
        self.0
            .events()
            .publish(ConsumerEvent::Ended([consumer.clone()].into()));
    }

    /// The samples of the next tick.
    fn poll(&mut self) -> Vec<RecordedSample> {
        self.0.advance(Duration::from_secs(1));
        self.0.poll("perf").unwrap()
    }
}

/// The values of a metric, of one consumer, over all resources.
fn values(samples: &[RecordedSample], metric: &str, consumer: &Consumer) -> Vec<f64> {
    let wanted = samples
        .iter()
        .filter(|sample| sample.series.metric.name == metric && sample.series.consumer() == consumer);
    wanted.map(|sample| sample.value.as_f64()).collect()
}

fn sum(samples: &[RecordedSample], metric: &str, consumer: &Consumer) -> f64 {
    values(samples, metric, consumer).iter().sum()
}

/// A shell that waits for a line before it runs a script, and for another one before it ends.
struct Shell(Child);

impl Shell {
    fn waiting_for(script: &str) -> Self {
        Self::running(&format!("read line\n{script}\necho done\nread line"))
    }

    fn running(script: &str) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn consumer(&self) -> Consumer {
        Consumer::Process { pid: self.0.id() }
    }

    fn run(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.0.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        // It waits for its next line then.
        while !self.status("State:").starts_with('S') {
            std::thread::yield_now();
        }
    }

    /// Lets it end, and waits for that.
    fn finish(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }

    fn status(&self, key: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().to_owned()
    }

    /// How often it was taken off its CPU.
    fn switches(&self) -> f64 {
        let keys = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
        keys.map(|key| self.status(key).parse::<f64>().unwrap())
            .iter()
            .sum()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.finish();
    }
}

const SOFTWARE: &str = "events = ['PAGE_FAULTS', 'CONTEXT_SWITCHES', 'TASK_CLOCK', 'CPU_MIGRATIONS']";

#[test]
fn context_switches_of_a_process_are_those_of_its_status() {
    let Some(mut machine) = Machine::start(SOFTWARE) else {
        return;
    };
    let mut shell = Shell::waiting_for("sleep 0.01; sleep 0.01; sleep 0.01");
    machine.started(&shell.consumer());
    let begin = machine.poll();
    for event in ["PAGE_FAULTS", "CONTEXT_SWITCHES", "TASK_CLOCK", "CPU_MIGRATIONS"] {
        assert_eq!(
            values(&begin, &format!("perf_{event}"), &shell.consumer()),
            [0.0],
            "a series begins with a 0"
        );
    }
    let before = shell.switches();
    shell.run();
    let own = shell.switches() - before;
    let counted = sum(&machine.poll(), "perf_CONTEXT_SWITCHES", &shell.consumer());
    // Each of the three children sleeps.
    assert!(
        counted >= own + 3.0,
        "{counted} of the shell and its children, {own} of the shell alone"
    );
    assert_eq!(
        sum(&machine.poll(), "perf_CONTEXT_SWITCHES", &shell.consumer()),
        0.0,
        "a delta"
    );
}

#[test]
fn the_cpu_time_of_a_process_and_its_children_is_that_of_its_usage() {
    let Some(mut machine) = Machine::start(SOFTWARE) else {
        return;
    };
    let mut shell = Shell::waiting_for(
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done\nsh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'",
    );
    machine.started(&shell.consumer());
    machine.poll();
    shell.run();
    let before = children_ns();
    shell.finish();
    let used = children_ns() - before;
    let samples = machine.poll();
    let counted = sum(&samples, "perf_TASK_CLOCK", &shell.consumer());
    // What the shell used before it was counted is missing; the clock of an event runs on in interrupts and while a hypervisor has
    // the CPU.
    assert!(is_about(counted, used), "{counted} ns counted, {used} ns used");
    assert_eq!(values(&samples, "perf_running_share", &shell.consumer()), [1.0]);
    assert!(
        values(&machine.poll(), "perf_TASK_CLOCK", &shell.consumer()).is_empty(),
        "it has ended"
    );
}

/// Whether they differ by a quarter at most, and by what the start of a program takes.
fn is_about(counted: f64, used: f64) -> bool {
    (counted - used).abs() < 0.25 * used + 5e6
}

/// The CPU time of all children that were waited for.
fn children_ns() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let ns = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e9 + time.tv_usec() as f64 * 1e3;
    ns(usage.user_time()) + ns(usage.system_time())
}

#[test]
fn a_process_that_ends_between_two_polls_gives_its_last_counts_whether_it_was_announced_or_not() {
    for is_announced in [false, true] {
        let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']") else {
            return;
        };
        let mut shell = Shell::waiting_for("ls / >/dev/null");
        machine.started(&shell.consumer());
        machine.poll();
        shell.run();
        shell.finish();
        if is_announced {
            machine.ended(&shell.consumer());
        }
        let samples = machine.poll();
        assert!(
            sum(&samples, "perf_PAGE_FAULTS", &shell.consumer()) > 50.0,
            "{is_announced}"
        );
        let samples = machine.poll();
        assert!(
            values(&samples, "perf_PAGE_FAULTS", &shell.consumer()).is_empty(),
            "{is_announced}"
        );
        assert_eq!(sum(&samples, "perf_descriptors", &Consumer::LocalMachine), 0.0);
    }
}

#[test]
fn who_is_announced_is_counted_at_once_and_not_at_the_next_tick() {
    let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']") else {
        return;
    };
    machine.poll();
    let mut shell = Shell::waiting_for("ls / >/dev/null");
    machine.started(&shell.consumer());
    let begun = machine.0.poll("perf-announced").unwrap();
    assert_eq!(values(&begun, "perf_PAGE_FAULTS", &shell.consumer()), [0.0]);
    shell.run();
    assert!(sum(&machine.poll(), "perf_PAGE_FAULTS", &shell.consumer()) > 50.0);
}

#[test]
fn the_last_counts_come_with_the_tick_and_who_has_the_name_then_is_another_one() {
    let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']") else {
        return;
    };
    let mut shell = Shell::waiting_for("ls / >/dev/null");
    let consumer = shell.consumer();
    machine.started(&consumer);
    machine.poll();
    shell.run();
    machine.ended(&consumer);
    assert!(machine.0.poll("perf-announced").unwrap().is_empty());
    machine.started(&consumer);
    machine.0.advance(Duration::from_secs(1));
    let announced = values(
        &machine.0.poll("perf-announced").unwrap(),
        "perf_PAGE_FAULTS",
        &consumer,
    );
    assert!(
        matches!(announced[..], [last, 0.0] if last > 50.0),
        "{announced:?}"
    );
    assert_eq!(values(&machine.poll(), "perf_PAGE_FAULTS", &consumer), [0.0]);
}

#[test]
fn after_a_pause_a_series_begins_again_with_a_zero() {
    let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']") else {
        return;
    };
    let mut shell = Shell::waiting_for("ls / >/dev/null");
    machine.started(&shell.consumer());
    machine.poll();
    shell.run();
    machine.0.reset("perf");
    assert_eq!(
        values(&machine.poll(), "perf_PAGE_FAULTS", &shell.consumer()),
        [0.0]
    );
    assert_eq!(
        values(&machine.poll(), "perf_PAGE_FAULTS", &shell.consumer()),
        [0.0],
        "nothing of the pause"
    );
}

/// Runs a command in a control group.
fn run_in(group: &OwnGroup, command: &str) {
    let procs = group.folder().join("cgroup.procs");
    let script = format!("echo $$ > {} && {command}", procs.display());
    let status = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_control_group_is_counted_on_each_cpu_with_those_below_it() {
    let Some(group) = OwnGroup::make("perf-source") else {
        return;
    };
    let below = group.child("below");
    let Some(mut machine) = Machine::start(SOFTWARE) else {
        return;
    };
    let path: Arc<str> = group.path().to_string().into();
    let consumer = Consumer::ControlGroup { path };
    machine.started(&consumer);
    let begin = machine.poll();
    let cpus: Vec<&Resource> = begin
        .iter()
        .filter(|sample| sample.series.metric.name == "perf_TASK_CLOCK")
        .map(|sample| sample.series.resource())
        .collect();
    let expected = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    println!("{cpus:?} of {expected}");
    assert!(cpus.contains(&&Resource::CpuCore { id: 0 }));
    if left_out(&begin) > 0.0 {
        println!("skipped: the unified hierarchy does not have `perf_event`");
        return;
    }
    let usage = || {
        let stat = fs::read_to_string(group.folder().join("cpu.stat")).unwrap();
        stat.lines()
            .find_map(|line| line.strip_prefix("usage_usec "))
            .unwrap()
            .parse::<f64>()
            .unwrap()
            * 1e3
    };
    let before = usage();
    run_in(&below, "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; ls /");
    let used = usage() - before;
    let samples = machine.poll();
    let counted = sum(&samples, "perf_TASK_CLOCK", &consumer);
    assert!(is_about(counted, used), "{counted} ns counted, {used} ns used");
    assert!(sum(&samples, "perf_PAGE_FAULTS", &consumer) > 50.0);
    machine.ended(&consumer);
    machine.poll();
    assert!(values(&machine.poll(), "perf_TASK_CLOCK", &consumer).is_empty());
}

fn left_out(samples: &[RecordedSample]) -> f64 {
    sum(samples, "perf_left_out", &Consumer::LocalMachine)
}

#[test]
fn without_per_cpu_the_machine_is_one_resource_and_its_clock_runs_on_each_cpu() {
    let config = "events = ['CPU_CLOCK']\nsystem = true\nper_cpu = false";
    let Some(mut machine) = Machine::start(config) else {
        return;
    };
    let started = std::time::Instant::now();
    let begin = machine.poll();
    if left_out(&begin) > 0.0 {
        println!("skipped: the machine may not be counted; CAP_PERFMON is missing");
        return;
    }
    assert_eq!(values(&begin, "perf_CPU_CLOCK", &Consumer::LocalMachine), [0.0]);
    std::thread::sleep(Duration::from_millis(100));
    let samples = machine.poll();
    let counted = sum(&samples, "perf_CPU_CLOCK", &Consumer::LocalMachine);
    let cpus = std::thread::available_parallelism().unwrap().get() as f64;
    let most = started.elapsed().as_nanos() as f64 * cpus;
    assert!(
        counted > 100e6 * cpus && counted < 1.1 * most,
        "{counted} ns of at most {most}"
    );
}

#[test]
fn the_control_group_at_the_root_has_counts_and_no_share() {
    let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']\nper_cpu = false") else {
        return;
    };
    let root = Consumer::ControlGroup { path: "/".into() };
    machine.started(&root);
    if values(&machine.poll(), "perf_PAGE_FAULTS", &root).is_empty() {
        println!("skipped: there is no unified hierarchy with `perf_event`");
        return;
    }
    Command::new("true").status().unwrap();
    let samples = machine.poll();
    let counted = sum(&samples, "perf_PAGE_FAULTS", &root);
    assert!((20.0..1e9).contains(&counted), "{counted}");
    assert!(values(&samples, "perf_running_share", &root).is_empty());
}

#[test]
fn what_does_not_fit_is_left_out_until_there_is_room() {
    let config = "events = ['PAGE_FAULTS', 'TASK_CLOCK']\nmax_descriptors = 5";
    let Some(mut machine) = Machine::start(config) else {
        return;
    };
    let mut shells = [(); 3].map(|()| Shell::waiting_for("true"));
    shells.iter().for_each(|shell| machine.started(&shell.consumer()));
    let samples = machine.poll();
    let descriptors = sum(&samples, "perf_descriptors", &Consumer::LocalMachine);
    assert_eq!((left_out(&samples), descriptors), (2.0, 3.0));
    shells[2].finish();
    assert_eq!(left_out(&machine.poll()), 1.0, "one of them has ended");
    shells[0].finish();
    machine.poll();
    let samples = machine.poll();
    assert_eq!(left_out(&samples), 0.0);
    assert_eq!(values(&samples, "perf_PAGE_FAULTS", &shells[1].consumer()), [0.0]);
}

#[test]
fn what_has_ended_before_it_could_be_counted_is_nobody() {
    let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']") else {
        return;
    };
    let mut shell = Shell::waiting_for("true");
    let group = Consumer::ControlGroup {
        path: "/alumet/no/such/group".into(),
    };
    machine.started(&group);
    machine.started(&shell.consumer());
    shell.finish();
    assert_eq!(left_out(&machine.poll()), 0.0);
}

#[test]
fn a_consumer_that_is_not_wanted_is_not_counted() {
    let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']\nprocesses = false") else {
        return;
    };
    let shell = Shell::waiting_for("true");
    machine.started(&shell.consumer());
    assert!(values(&machine.poll(), "perf_PAGE_FAULTS", &shell.consumer()).is_empty());
}

#[test]
fn the_cpus_that_run_are_followed() {
    let root = FakeRoot::new();
    root.write("sys/devices/system/cpu/online", "0\n");
    let config: Config = toml::from_str("events = ['CPU_CLOCK']\nsystem = true").unwrap();
    let mut bench = Bench::start::<PerfPlugin>(config, root.path()).unwrap();
    let mut clocks = |online: &str| -> Vec<(String, bool)> {
        root.write("sys/devices/system/cpu/online", online);
        bench.advance(Duration::from_secs(1));
        let Ok(samples) = bench.poll("perf") else {
            return Vec::new();
        };
        let clocks = samples
            .iter()
            .filter(|sample| sample.series.metric.name == "perf_CPU_CLOCK");
        let mut clocks: Vec<_> = clocks
            .map(|sample| (sample.series.resource().to_string(), sample.value.as_f64() > 0.0))
            .collect();
        clocks.sort();
        clocks
    };
    let (zero, one) = ("cpu_core:0".to_owned(), "cpu_core:1".to_owned());
    if clocks("0\n").is_empty() || std::thread::available_parallelism().unwrap().get() < 2 {
        println!("skipped: it needs two CPUs, and CAP_PERFMON");
        return;
    }
    assert_eq!(
        clocks("0-1\n"),
        [(zero.clone(), true), (one.clone(), false)],
        "a new one begins with a 0"
    );
    assert_eq!(clocks("0-1\n"), [(zero, true), (one.clone(), true)]);
    assert_eq!(clocks("1\n"), [(one, true)]);
}

#[test]
fn children_that_are_there_already_count_as_well() {
    let Some(mut machine) = Machine::start("events = ['PAGE_FAULTS']") else {
        return;
    };
    // A subshell reads the lines, and the outer shell waits for it.
    let mut outer = Shell::running("(read line\nls / >/dev/null\necho done\nread line)\ntrue");
    let pid = outer.0.id();
    while fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap()
        .is_empty()
    {
        std::thread::yield_now();
    }
    machine.started(&outer.consumer());
    let begin = machine.poll();
    assert_eq!(
        values(&begin, "perf_PAGE_FAULTS", &outer.consumer()),
        [0.0],
        "one series for all"
    );
    outer.run();
    assert!(sum(&machine.poll(), "perf_PAGE_FAULTS", &outer.consumer()) > 50.0);
}

#[test]
fn in_a_pipeline_an_announcement_needs_no_tick() {
    if Machine::start("events = ['PAGE_FAULTS#u']").is_none() {
        return;
    }
    let output = RecordingOutput::new();
    let recording = output.recording();
    let mut builder = PipelineBuilder::new();
    let config: Config =
        toml::from_str("events = ['PAGE_FAULTS#u']\npoll_interval = '1h'\nflush_interval = '1h'").unwrap();
    builder.plugin::<PerfPlugin>(config).unwrap();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    // The first tick is over then, and the next one is far.
    pipeline
        .control()
        .trigger(&Pattern::kind(ElementKind::Source))
        .unwrap();
    let shell = Shell::waiting_for("true");
    pipeline
        .events()
        .publish(ConsumerEvent::Started([shell.consumer()].into()));
    let begun = || values(&recording.samples(), "perf_PAGE_FAULTS", &shell.consumer());
    let started = std::time::Instant::now();
    while begun().is_empty() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "nothing came in ten seconds"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(begun(), [0.0]);
    pipeline.stop(Duration::from_secs(10));
}

/// What a trial finds out, as `verdict subject: detail`.
fn findings(events: &str, root: &FakeRoot) -> Vec<(Verdict, String)> {
    let host = Host::trial(Arc::new(ManualClock::new()), root.path());
    let mut context = StartContext::new(&host);
    let config: Config = toml::from_str(&format!("events = {events}")).unwrap();
    PerfPlugin::start(config, &mut context).unwrap();
    let findings = context.findings().iter();
    findings
        .map(|finding| {
            (
                finding.verdict,
                format!("{}: {}", finding.subject, finding.detail),
            )
        })
        .collect()
}

#[test]
fn an_event_that_the_machine_lacks_takes_no_other_with_it() {
    let root = FakeRoot::new();
    root.write("sys/bus/event_source/devices/uncore/type", "23\n")
        .write("sys/bus/event_source/devices/uncore/cpumask", "0\n")
        .write("sys/bus/event_source/devices/kernel/type", "1\n")
        .write("sys/bus/event_source/devices/kernel/format/event", "config:0-7\n");
    let events = "['PAGE_FAULTS#u', 'r/event=1/', 'kernel/event=2/#u', 'kernel/evnt=2/', 'no::such:event', 'kernel/config=250/#u']";
    let found = findings(events, &root);
    let of = |key: &str| {
        found
            .iter()
            .find(|(_, text)| text.contains(&format!("({key})")))
            .unwrap()
    };
    let (verdict, text) = found
        .iter()
        .find(|(_, text)| text.starts_with("perf events:"))
        .unwrap();
    if *verdict != Verdict::Works {
        println!("skipped: nothing may be counted: {text}");
        return;
    }
    assert!(
        text.contains("2 of 6 are counted: PAGE_FAULTS#u, kernel/event=2/#u"),
        "{text}"
    );
    assert_eq!(of("events.1").0, Verdict::Absent, "{found:?}");
    assert_eq!(of("events.3").0, Verdict::Broken);
    assert!(
        of("events.3").1.contains("`evnt`") && of("events.3").1.contains("`event`"),
        "{found:?}"
    );
    assert!(
        matches!(of("events.4").0, Verdict::Absent | Verdict::Broken),
        "as libpfm is there or not"
    );
    assert_eq!(
        of("events.5").0,
        Verdict::Absent,
        "the kernel counts no such event"
    );
}
