//! Trees of both versions, through the whole plugin.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alumet_core::output::RecordedSample;
use alumet_core::series::SeriesId;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_core::time::Timestamp;
use alumet_core::value::Value;
use alumet_core::{Batch, Consumer, Resource, Series};
use alumet_plugin_oar::{Config, OarPlugin};
use alumet_shared_cgroup_source::testkit::named;

const JOB_8: &str = "/oar.slice/oar-u1000.slice/oar-u1000-j8.slice";
const JOB_9: &str = "/oar.slice/oar-u1001.slice/oar-u1001-j9.slice";

fn root(groups: &[&str]) -> FakeRoot {
    let root = FakeRoot::new();
    root.write(
        "proc/self/mounts",
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/cpuacct cgroup rw,cpuacct 0 0\n",
    );
    root.write("proc/stat", "btime 1\n");
    root.write(
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\na-l1ce_b:x:1000:100::/srv/a:/bin/sh\nbob:x:1001:100::/:/bin/sh\n",
    );
    for group in groups {
        add(&root, group);
    }
    root
}

/// Makes a group in both hierarchies.
fn add(root: &FakeRoot, group: &str) {
    let stat = "usage_usec 9\nuser_usec 9\nsystem_usec 0\n";
    root.write(format!("sys/fs/cgroup/unified{group}/cpu.stat"), stat);
    root.write(format!("sys/fs/cgroup/cpuacct{group}/cpuacct.usage"), "9\n");
}

fn remove(root: &FakeRoot, group: &str) {
    root.remove(format!("sys/fs/cgroup/unified{group}"));
    root.remove(format!("sys/fs/cgroup/cpuacct{group}"));
}

fn bench(config: &str, root: &FakeRoot) -> Bench {
    let config: Config = toml::from_str(config).unwrap();
    Bench::start::<OarPlugin>(config, root.path()).unwrap()
}

/// Polls until the samples say that.
#[track_caller]
fn poll_until(bench: &mut Bench, expected: &[(&str, &str)]) {
    let owned = |(path, attributes): &(&str, &str)| ((*path).to_owned(), (*attributes).to_owned());
    let expected: BTreeMap<_, _> = expected.iter().map(owned).collect();
    let start = Instant::now();
    loop {
        let measured = named(&bench.poll("oar").unwrap());
        if measured == expected {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{measured:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn jobs_of_oar_2_are_measured_with_the_id_of_their_user() {
    let root = root(&["/oar", "/oar/a-l1ce_b_42", "/oar/a-l1ce_b_42/own"]);
    for config in ["", "oar_version = 'oar2'"] {
        poll_until(
            &mut bench(config, &root),
            &[("/oar/a-l1ce_b_42", "job_id=42 user=a-l1ce_b user_id=1000")],
        );
    }
}

#[test]
fn jobs_of_oar_3_are_measured_once_with_the_name_of_their_user() {
    let scope = format!("{JOB_8}/oar-u1000-j8-p30076.scope");
    let root = root(&["/oar.slice/oar-u1000.slice", JOB_8, &scope]);
    for config in ["hierarchy = 'v2'", "oar_version = 'oar3'"] {
        let mut bench = bench(config, &root);
        poll_until(&mut bench, &[(JOB_8, "job_id=8 user=a-l1ce_b user_id=1000")]);
    }
}

#[test]
fn a_job_that_comes_later_is_measured_before_its_user_is_known() {
    let root = root(&[]);
    let mut bench = bench("oar_version = 'oar3'", &root);
    assert!(named(&bench.poll("oar").unwrap()).is_empty());
    add(&root, JOB_9);
    let first = named(&bench.poll("oar-discovery").unwrap());
    assert_eq!(
        first.get(JOB_9).map(String::as_str),
        Some("job_id=9 user_id=1001")
    );
    poll_until(&mut bench, &[(JOB_9, "job_id=9 user=bob user_id=1001")]);
}

#[test]
fn a_user_that_nobody_knows_costs_no_sample_and_is_counted_until_it_is_known() {
    let job = "/oar.slice/oar-u4000.slice/oar-u4000-j1.slice";
    let root = root(&[job]);
    let mut bench = bench("oar_version = 'oar3'", &root);
    let unresolved = |samples: &[RecordedSample]| -> Vec<String> {
        let unresolved = samples
            .iter()
            .filter(|sample| sample.series.metric.name == "cgroup_unresolved");
        unresolved.map(ToString::to_string).collect()
    };
    for _ in 0..20 {
        let samples = bench.poll("oar").unwrap();
        assert_eq!(
            named(&samples).get(job).map(String::as_str),
            Some("job_id=1 user_id=4000")
        );
        assert_eq!(unresolved(&samples).len(), 1);
        assert!(
            unresolved(&samples)[0].contains("the name of the user"),
            "{:?}",
            unresolved(&samples)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    root.write("etc/passwd", "late:x:4000:1::/:/bin/sh\n");
    bench.advance(Duration::from_secs(1));
    poll_until(&mut bench, &[(job, "job_id=1 user=late user_id=4000")]);
}

#[test]
fn a_version_and_a_folder_leave_out_what_is_of_another() {
    let root = root(&[
        "/oar/bob_42",
        JOB_8,
        JOB_9,
        "/oar.slice/oar-u1001.slice",
        "/user.slice",
    ]);
    let job_8 = (JOB_8, "job_id=8 user=a-l1ce_b user_id=1000");
    let job_9 = (JOB_9, "job_id=9 user=bob user_id=1001");
    let job_42 = ("/oar/bob_42", "job_id=42 user=bob user_id=1001");
    for (config, expected) in [
        ("", &[job_8, job_9, job_42][..]),
        ("oar_version = 'oar2'", &[job_42]),
        ("oar_version = 'oar3'", &[job_8, job_9]),
        ("path = '/sys/fs/cgroup/'", &[job_8, job_9, job_42]),
        ("path = '/sys/fs/cgroup/cpuacct'", &[job_8, job_9, job_42]),
        (
            "path = '/sys/fs/cgroup/unified/oar.slice/oar-u1001.slice'",
            &[job_9],
        ),
        (
            "path = '/sys/fs/cgroup/unified/oar.slice/oar-u1001.slice'\njobs_only = false",
            &[("/oar.slice/oar-u1001.slice", ""), job_9],
        ),
    ] {
        let mut bench = bench(config, &root);
        poll_until(&mut bench, expected);
    }
}

#[test]
fn a_folder_that_is_in_no_hierarchy_is_refused_with_the_key() {
    let config: Config = toml::from_str("path = '/fixture'").unwrap();
    let error = Bench::start::<OarPlugin>(config, root(&[]).path()).err().unwrap();
    assert!(error.to_string().starts_with("`path` is `/fixture`"), "{error}");
}

#[test]
fn nothing_is_measured_when_sources_are_disabled() {
    assert_eq!(
        bench("disable_sources = true", &root(&[])).sources(),
        Vec::<&str>::new()
    );
}

alumet_core::metrics! {
    OTHER = Gauge<u64> {
        name: "other",
        unit: alumet_core::unit::Unit::ONE,
        description: "What another plugin measures.",
        consumers: ["local_machine", "cgroup"],
    };
}

/// Series of another plugin.
struct Others {
    machine: Series<u64>,
    in_job: Series<u64>,
}

impl Others {
    fn of(bench: &Bench) -> Self {
        let catalog = bench.catalog();
        let metric = catalog.metric(&OTHER).unwrap();
        let path = format!("{JOB_8}/oar-u1000-j8-p1.scope").into();
        let series = |consumer| {
            catalog
                .series(metric, Resource::LocalMachine, consumer)
                .register()
        };
        Self {
            machine: series(Consumer::LocalMachine),
            in_job: series(Consumer::ControlGroup { path }),
        }
    }

    /// What becomes of a sample of each.
    fn pass(&self, bench: &mut Bench) -> (Batch, [String; 2]) {
        let mut batch = bench.catalog().batch();
        batch.push(&self.machine, Timestamp::default(), 1);
        batch.push(&self.in_job, Timestamp::default(), 2);
        bench.transform(&mut batch).unwrap();
        let samples = RecordedSample::of_batch(&batch);
        assert_eq!(
            [samples[0].value, samples[1].value],
            [Value::U64(1), Value::U64(2)]
        );
        let names = [0, 1].map(|index| samples[index].series.attributes().to_string());
        (batch, names)
    }
}

#[test]
fn samples_of_no_job_name_all_jobs_that_run_and_those_of_a_job_only_that() {
    for more in ["", "disable_sources = true"] {
        let root = root(&[]);
        let mut bench = bench(
            &format!("oar_version = 'oar3'\nannotate_foreign_measurements = true\n{more}"),
            &root,
        );
        let others = Others::of(&bench);
        bench.poll("oar").unwrap();
        assert_eq!(others.pass(&mut bench).1, ["{}", "{}"]);
        add(&root, JOB_9);
        add(&root, JOB_8);
        add(&root, &format!("{JOB_8}/oar-u1000-j8-p1.scope"));
        let start = Instant::now();
        let job = "{job_id=8, user=a-l1ce_b, user_id=1000}";
        loop {
            bench.poll("oar").unwrap();
            let (_, names) = others.pass(&mut bench);
            assert_eq!(names[0], "{involved_jobs=8,9}");
            if names[1] == job {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{names:?}");
        }
        // A batch of the plugin itself has its jobs already.
        let mut own = bench.poll_batch("oar").unwrap();
        bench.transform(&mut own).unwrap();
        let own = RecordedSample::of_batch(&own);
        let involved = |sample: &&RecordedSample| sample.series.attributes().get("involved_jobs").is_some();
        assert!(
            own.iter()
                .filter(involved)
                .all(|sample| sample.series.metric.name == "cgroup_unresolved")
        );
        remove(&root, JOB_9);
        bench.poll("oar").unwrap();
        assert_eq!(others.pass(&mut bench).1, ["{involved_jobs=8}", job]);
        remove(&root, JOB_8);
        bench.poll("oar").unwrap();
        assert_eq!(others.pass(&mut bench).1[0], "{}");
    }
}

#[test]
fn samples_have_the_same_series_as_long_as_the_same_jobs_run() {
    let root = root(&[JOB_8]);
    let mut bench = bench(
        "oar_version = 'oar3'\nannotate_foreign_measurements = true",
        &root,
    );
    poll_until(&mut bench, &[(JOB_8, "job_id=8 user=a-l1ce_b user_id=1000")]);
    let others = Others::of(&bench);
    let series = |bench: &mut Bench| -> SeriesId { others.pass(bench).0.series()[0] };
    let first = series(&mut bench);
    let live = bench.catalog().live_series();
    for _ in 0..5 {
        bench.poll("oar").unwrap();
        assert_eq!(series(&mut bench), first);
    }
    assert_eq!(bench.catalog().live_series(), live);
    add(&root, JOB_9);
    bench.poll("oar").unwrap();
    assert_ne!(series(&mut bench), first);
}
