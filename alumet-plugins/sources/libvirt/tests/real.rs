//! Control groups of this machine that are named as those of virtual machines.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

use std::process::Command;
use std::time::{Duration, Instant};

use alumet_core::Consumer;
use alumet_core::output::{RecordedSample, RecordingOutput};
use alumet_core::pipeline::PipelineBuilder;
use alumet_core::value::Value;
use alumet_plugin_libvirt::{Config, LibvirtPlugin};
use alumet_reader_cgroupfs::testkit::OwnGroup;

/// The CPU time of a group, in nanoseconds.
fn total(samples: &[RecordedSample], path: &str) -> u64 {
    let consumer = Consumer::ControlGroup { path: path.into() };
    let of_group = samples.iter().filter(|sample| {
        let kind = sample.series.attributes().get("kind").map(ToString::to_string);
        sample.series.metric.name == "cpu_time_delta"
            && *sample.series.consumer() == consumer
            && kind.as_deref() == Some("total")
    });
    let value = |sample: &RecordedSample| match sample.value {
        Value::U64(value) => value,
        _ => 0,
    };
    of_group.map(value).sum()
}

fn cpu_of_children() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec() as u64) + Duration::from_micros(value.tv_usec() as u64)
    };
    time(usage.user_time()) + time(usage.system_time())
}

#[test]
fn machines_of_300_ms_are_billed_to_their_end_although_polls_are_5_s_apart() {
    let Some(parent) = OwnGroup::make("libvirt") else {
        return;
    };
    let config: Config = toml::from_str("poll_interval = '5s'\nhierarchy = 'v2'").unwrap();
    let output = RecordingOutput::new();
    let recording = output.recording();
    let mut builder = PipelineBuilder::new();
    builder.plugin::<LibvirtPlugin>(config).unwrap();
    builder.output("recording", output);
    let pipeline = builder.start().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    for number in 0..5 {
        let name = format!(r"machine-qemu\x2d{number}\x2dvm.scope");
        let scope = parent.child(&name);
        let inner = scope.child("libvirt");
        let emulator = inner.child("emulator");
        let before = cpu_of_children();
        let script = "echo $$ > \"$0/cgroup.procs\"; until=$(($(date +%s%3N) + 300));
                      while [ $(date +%s%3N) -lt $until ]; do j=0; while [ $j -lt 3000 ]; do j=$((j+1)); done; done";
        let shell = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(emulator.folder())
            .status();
        assert!(shell.unwrap().success());
        let used = (cpu_of_children() - before).as_nanos() as u64;
        std::thread::sleep(Duration::from_millis(30));
        drop((emulator, inner, scope));
        let path = format!("{}/{name}", parent.path());
        let start = Instant::now();
        while total(&recording.samples(), &path).abs_diff(used) * 100 > used {
            let billed = total(&recording.samples(), &path);
            assert!(
                start.elapsed() < Duration::from_secs(3),
                "billed {billed} ns, used {used} ns"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(total(&recording.samples(), &format!("{path}/libvirt")), 0);
        assert_eq!(
            total(&recording.samples(), &format!("{path}/libvirt/emulator")),
            0
        );
    }
    assert!(pipeline.stop(Duration::from_secs(5)).is_complete());
}
