//! Real processes that come and go.

use std::process::{Child, Command, Stdio};

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::testkit::Bench;
use alumet_plugin_procfs::{Config, ProcfsPlugin};

#[expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]
fn sleeper() -> Child {
    Command::new("sleep")
        .arg("60")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]
fn bench(processes: &str) -> Bench {
    let config: Config = toml::from_str(&format!("[processes]\n{processes}")).unwrap();
    Bench::start_in_real_time::<ProcfsPlugin>(config, "/").unwrap()
}

#[test]
fn a_process_that_ends_is_dropped_without_an_error_and_without_a_trace() {
    let mut child = sleeper();
    let mut bench = bench(&format!("groups = [{{ pid = {}, io = true }}]", child.id()));
    let idle = bench.catalog().live_series();
    assert!(!bench.poll("processes").unwrap().is_empty());
    assert!(bench.catalog().live_series() > idle);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(bench.poll("processes").unwrap().is_empty());
    assert_eq!(bench.catalog().live_series(), idle);
    assert!(bench.poll("processes").unwrap().is_empty());
}

#[test]
fn a_process_that_ended_before_its_announcement_was_read_is_no_error() {
    let mut child = sleeper();
    let mut bench = bench("strategy = 'event'");
    let consumer = || [Consumer::Process { pid: child.id() }].into();
    bench.events().publish(ConsumerEvent::Started(consumer()));
    bench.events().publish(ConsumerEvent::Ended(consumer()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(bench.poll("processes").unwrap().is_empty());
}

#[test]
fn a_process_that_was_announced_and_ended_between_two_polls_is_billed_while_it_is_not_waited_for() {
    let mut bench = bench("strategy = 'event'");
    let mut child = Command::new("sh")
        .args(["-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exit"])
        .spawn()
        .unwrap();
    let pid = child.id();
    let stat = format!("/proc/{pid}/stat");
    while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::yield_now();
    }
    let consumer = || [Consumer::Process { pid }].into();
    bench.events().publish(ConsumerEvent::Started(consumer()));
    bench.events().publish(ConsumerEvent::Ended(consumer()));
    let samples = bench.poll("processes").unwrap();
    let billed: f64 = samples
        .iter()
        .filter(|sample| sample.series.metric.name == "cpu_time_delta")
        .map(|sample| sample.value.as_f64())
        .sum();
    assert!(billed > 1e6, "{billed} ns");
    assert!(bench.poll("processes").unwrap().is_empty());
    child.wait().unwrap();
}

#[test]
fn every_process_of_the_machine_can_be_polled() {
    let mut bench = bench(
        "groups = [{ io = true, attributes = ['name', 'cmdline'], memory_mode = 'slow_but_accurate' }]",
    );
    for _ in 0..3 {
        let samples = bench.poll("processes").unwrap();
        let own = Consumer::Process {
            pid: std::process::id(),
        };
        assert!(samples.iter().any(|sample| *sample.series.consumer() == own));
    }
}

#[test]
fn a_program_that_measures_itself_measures_nothing_else() {
    let interval = std::time::Duration::from_millis(100);
    let config = Config::this_process(interval);
    assert_eq!(config.check(), Ok(()));
    let mut other = sleeper();
    let mut bench = Bench::start_in_real_time::<ProcfsPlugin>(config, "/").unwrap();
    assert_eq!(bench.sources(), ["processes", "processes-announced"]);
    assert_eq!(bench.schedule("processes").interval, Some(interval));
    let mut metrics: Vec<String> = Vec::new();
    for _ in 0..2 {
        for sample in bench.poll("processes").unwrap() {
            let pid = std::process::id();
            assert_eq!(*sample.series.consumer(), Consumer::Process { pid });
            metrics.push(sample.series.metric.name.to_string());
        }
    }
    metrics.sort();
    metrics.dedup();
    let all = [
        "cpu_percent",
        "cpu_time_delta",
        "memory_usage",
        "process_io_bytes",
    ];
    assert_eq!(metrics, all);
    assert!(bench.poll("processes-announced").unwrap().is_empty());
    other.kill().unwrap();
    other.wait().unwrap();
}
