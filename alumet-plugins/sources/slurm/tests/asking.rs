//! What the names of control groups do not tell: files of a prolog, processes, and a command that answers, fails or hangs.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_core::value::Value;
use alumet_plugin_slurm::{Config, SlurmPlugin};
use alumet_shared_cgroup_source::testkit::named;

const SLUID: &str = "sEKNKTV3WPV500";

fn scope(below: &str) -> String {
    format!("sys/fs/cgroup/system.slice/slurmstepd.scope/{below}")
}

fn root(job: &str) -> FakeRoot {
    let root = FakeRoot::new();
    root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    use_cpu(&root, job, 1);
    root
}

fn use_cpu(root: &FakeRoot, job: &str, micros: u64) {
    root.write(
        scope(&format!("{job}/cpu.stat")),
        format!("usage_usec {micros}\nuser_usec {micros}\nsystem_usec 0\n"),
    );
}

/// A plugin that asks a script below the root, which gets the job as its argument and counts how often it is asked.
fn bench(root: &FakeRoot, script: &str, more: &str) -> Bench {
    let (program, asked) = (root.at("squeue"), root.at("asked"));
    let script = format!("#!/bin/sh\necho \"$1\" >> '{}'\n{script}\n", asked.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = format!("job_command = ['{}', '{{job}}']\n{more}", program.display());
    let config: Config = toml::from_str(&text).unwrap();
    Bench::start::<SlurmPlugin>(config, root.path()).unwrap()
}

fn asked(root: &FakeRoot) -> Vec<String> {
    let text = std::fs::read_to_string(root.at("asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What the samples of CPU time say about the job.
fn names(samples: &[RecordedSample]) -> Vec<String> {
    named(samples).into_values().collect()
}

/// How many groups are not known well enough, by reason.
fn unresolved(samples: &[RecordedSample]) -> Vec<(String, Value)> {
    let unresolved = samples
        .iter()
        .filter(|sample| sample.series.metric.name == "cgroup_unresolved");
    let of = |sample: &RecordedSample| {
        let reason = sample.series.attributes().get("reason").unwrap().to_string();
        (reason, sample.value)
    };
    unresolved.map(of).collect()
}

/// Polls until the samples have that name; the names by then, in order.
#[track_caller]
fn poll_until(bench: &mut Bench, name: &str) -> Vec<String> {
    let start = Instant::now();
    let mut seen = Vec::new();
    loop {
        let polled = Instant::now();
        let samples = bench.poll("slurm").unwrap();
        assert!(
            polled.elapsed() < Duration::from_secs(2),
            "a poll waited for an answer"
        );
        seen.extend(names(&samples));
        seen.dedup();
        if seen.last().is_some_and(|last| last == name) {
            return seen;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{seen:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const KNOWN: &str = r#"echo '{"jobs": [{"job_id": 7, "sluid": "sEKNKTV3WPV500", "account": "physics", "partition": "p", "name": "my job", "user_id": 1000}]}'"#;

#[test]
fn a_prolog_tells_the_number_of_a_job_and_slurm_is_not_asked() {
    let root = root(SLUID);
    root.write(format!("run/slurm/{SLUID}"), "7\n");
    let mut bench = bench(
        &root,
        "exit 1",
        "sluid_dir = '/run/slurm'\njobs_monitoring_level = 'step'",
    );
    use_cpu(&root, &format!("{SLUID}/step_0"), 1);
    let seen = poll_until(&mut bench, &format!("job_id=7 sluid={SLUID} step=0"));
    assert!(seen[0].starts_with(&format!("sluid={SLUID}")), "{seen:?}");
    assert_eq!(asked(&root), Vec::<String>::new());
    let unresolved = unresolved(&bench.poll("slurm").unwrap());
    assert_eq!(unresolved, [("the number of the job".to_owned(), Value::U64(0))]);
}

#[test]
fn a_process_of_slurm_tells_the_number_of_its_job_as_soon_as_there_is_one() {
    let root = root(SLUID);
    let mut bench = bench(&root, "exit 1", "");
    assert_eq!(names(&bench.poll("slurm").unwrap()), [format!("sluid={SLUID}")]);
    std::thread::sleep(Duration::from_millis(100));
    root.write("proc/4711/cmdline", "slurmstepd: [7.batch]\0");
    root.write(
        scope(&format!("{SLUID}/step_batch/slurm/cgroup.procs")),
        "4710\n4711\n",
    );
    poll_until(&mut bench, &format!("job_id=7 sluid={SLUID}"));
    assert_eq!(asked(&root), Vec::<String>::new());
}

#[test]
fn slurm_is_asked_by_the_sluid_when_nothing_else_tells_the_number() {
    let root = root(SLUID);
    let mut bench = bench(&root, KNOWN, "");
    poll_until(&mut bench, &format!("job_id=7 sluid={SLUID}"));
    use_cpu(&root, &format!("{SLUID}/step_0"), 1);
    bench.poll("slurm").unwrap();
    assert_eq!(asked(&root), [SLUID]);
}

#[test]
fn attributes_that_only_slurm_knows_cost_one_question_per_job() {
    let root = root("job_7");
    let wanted =
        "job_attributes = ['account', 'partition', 'job_name', 'user_id']\njobs_monitoring_level = 'step'";
    let mut bench = bench(&root, KNOWN, wanted);
    let all = "account=physics job_id=7 job_name=my job partition=p user_id=1000";
    assert_eq!(poll_until(&mut bench, all), ["job_id=7", all]);
    for step in 0..3 {
        use_cpu(&root, &format!("job_7/step_{step}"), 1);
        bench.advance(Duration::from_secs(1000));
        let samples = bench.poll("slurm").unwrap();
        let name = all.replace("user_id", &format!("step={step} user_id"));
        assert!(names(&samples).contains(&name), "{:?}", names(&samples));
    }
    assert_eq!(asked(&root), ["7"]);
}

#[test]
fn a_command_that_hangs_fails_or_speaks_nonsense_costs_no_sample_and_is_asked_again() {
    let more = "job_attributes = ['account']\njob_command_timeout = '200ms'";
    for script in [
        "exec sleep 100",
        "echo no controller >&2; exit 1",
        "echo slurm 1.0",
        "echo '{\"jobs\": []}'",
    ] {
        let root = root("job_7");
        let mut bench = bench(&root, script, more);
        let mut billed = 0;
        for round in 1..4 {
            let start = Instant::now();
            while asked(&root).len() < round {
                bench.poll("slurm").unwrap();
                assert!(
                    start.elapsed() < Duration::from_secs(20),
                    "{script}: {:?}",
                    asked(&root)
                );
                std::thread::sleep(Duration::from_millis(20));
                bench.advance(Duration::from_millis(100));
            }
            use_cpu(&root, "job_7", 1 + round as u64);
            let samples = bench.poll("slurm").unwrap();
            assert_eq!(names(&samples), ["job_id=7"], "{script}");
            let unresolved = unresolved(&samples);
            assert_eq!(
                unresolved,
                [("what Slurm knows about the job".to_owned(), Value::U64(1))]
            );
            billed += samples
                .iter()
                .filter(|sample| sample.series.to_string().contains("kind=total"))
                .map(|sample| match sample.value {
                    Value::U64(value) => value,
                    _ => 0,
                })
                .sum::<u64>();
        }
        assert_eq!(billed, 3000, "{script}");
    }
}

#[test]
fn without_a_command_a_job_keeps_its_sluid_until_its_prolog_has_written() {
    let root = root(SLUID);
    let text = "job_command = []\nsluid_dir = '/run/slurm'";
    let config: Config = toml::from_str(text).unwrap();
    let mut bench = Bench::start::<SlurmPlugin>(config, root.path()).unwrap();
    assert_eq!(names(&bench.poll("slurm").unwrap()), [format!("sluid={SLUID}")]);
    std::thread::sleep(Duration::from_millis(1300));
    assert_eq!(names(&bench.poll("slurm").unwrap()), [format!("sluid={SLUID}")]);
    root.write(format!("run/slurm/{SLUID}"), "7\n");
    bench.advance(Duration::from_secs(1));
    poll_until(&mut bench, &format!("job_id=7 sluid={SLUID}"));
}
