//! CPU time billed over the life of a real child agrees with what the kernel says when it is waited for.
//!
//! One test: the usage of ended children is kept for this whole program.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::output::RecordedSample;
use alumet_core::testkit::Bench;
use alumet_plugin_procfs::{Config, ProcfsPlugin};
use nix::sys::resource::{UsageWho, getrusage};

fn busy_child() -> Child {
    // Asks for a file now and then, so that there is time in the kernel as well as time of its own.
    let script = "while :; do i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; [ -e /proc/self/stat ]; done";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).stdout(Stdio::null()).spawn().unwrap()
}

fn usage_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let times = [usage.user_time(), usage.system_time()];
    let of = |time: &nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
    };
    times.iter().map(of).sum()
}

fn billed(samples: &[RecordedSample], pid: u32) -> Duration {
    let own = samples.iter().filter(|sample| {
        let text = sample.to_string();
        text.starts_with(&format!("cpu_time_delta local_machine process:{pid} "))
            && !text.contains("kind=guest")
    });
    Duration::from_nanos(own.map(|sample| sample.value.as_f64() as u64).sum())
}

#[test]
fn what_is_billed_is_what_the_kernel_says_at_the_end() {
    let own = std::process::id();
    let by_event = "strategy = 'event'".to_owned();
    let by_scan = format!("refresh_interval = '20ms'\ngroups = [{{ ppid = {own} }}]");
    for (config, interval) in [(&by_event, 20), (&by_event, 200), (&by_scan, 20), (&by_scan, 200)] {
        let config: Config = toml::from_str(&format!("[processes]\n{config}")).unwrap();
        let mut bench = Bench::start_in_real_time::<ProcfsPlugin>(config, "/").unwrap();
        let before = usage_of_children();
        let mut child = busy_child();
        let pid = child.id();
        let consumer = || [Consumer::Process { pid }].into();
        bench.events().publish(ConsumerEvent::Started(consumer()));
        let mut total = Duration::ZERO;
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(900) {
            std::thread::sleep(Duration::from_millis(interval));
            total += billed(&bench.poll("processes").unwrap(), pid);
        }
        child.kill().unwrap();
        // Ended and not waited for: the last reading is still possible.
        while !std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .unwrap()
            .contains(") Z ")
        {
            std::thread::yield_now();
        }
        bench.events().publish(ConsumerEvent::Ended(consumer()));
        let last = bench.poll("processes").unwrap();
        total += billed(&last, pid);
        child.wait().unwrap();
        let used = usage_of_children() - before;
        let error = total.as_secs_f64() / used.as_secs_f64() - 1.0;
        assert!(
            error.abs() < 0.01,
            "billed {total:?}, used {used:?} at {interval} ms"
        );
        let after = bench.poll("processes").unwrap();
        assert_eq!(billed(&after, pid), Duration::ZERO);
        assert!(
            !after
                .iter()
                .any(|sample| *sample.series.consumer() == Consumer::Process { pid })
        );
    }
}
