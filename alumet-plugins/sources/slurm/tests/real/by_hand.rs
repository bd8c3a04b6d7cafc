//! Groups like those of Slurm in version 2, made by hand: its own plugin for version 2 refuses machines with both versions.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use alumet_reader_cgroupfs::testkit::OwnGroup;
use nix::sys::resource::{UsageWho, getrusage};
use parking_lot::Mutex;

use super::{cpu_time, pipeline, wait_until};

/// What children use is counted for all tests of this program together: one at a time.
pub(super) static CHILDREN: Mutex<()> = Mutex::new(());

fn cpu_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec() as u64) + Duration::from_micros(value.tv_usec() as u64)
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// Keeps a CPU busy in a group for 300 ms.
fn busy_in(folder: &Path) {
    let script = "echo $$ > \"$0/cgroup.procs\"; end=$(($(date +%s%N) + 300000000))
        while [ $(date +%s%N) -lt $end ]; do i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; done";
    let status = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn each_of_20_jobs_of_300_ms_is_there_with_its_whole_cpu_time_although_polls_are_5_s_apart() {
    let _only = CHILDREN.lock();
    let Some(group) = OwnGroup::make("slurm") else {
        return;
    };
    let scope = group.child("slurmstepd.scope");
    let (pipeline, recording) = pipeline("hierarchy = 'v2'\npoll_interval = '5s'");
    let mut used = Vec::new();
    for job in 1..=20 {
        let step = scope.folder().join(format!("job_{job}/step_0"));
        let (task, slurm) = (step.join("user/task_0"), step.join("slurm"));
        fs::create_dir_all(&task).unwrap();
        fs::create_dir(&slurm).unwrap();
        // As slurmstepd, it is in the job until the job is removed.
        let mut stepd = Command::new("sleep").arg("100").spawn().unwrap();
        fs::write(slurm.join("cgroup.procs"), stepd.id().to_string()).unwrap();
        let before = cpu_of_children();
        busy_in(&task);
        used.push((job, (cpu_of_children() - before).as_nanos() as u64));
        // What slurmstepd has to do before it ends; twice what the agent waits for more news.
        std::thread::sleep(Duration::from_millis(60));
        fs::write(scope.folder().join("cgroup.procs"), stepd.id().to_string()).unwrap();
        for folder in [
            &task,
            &step.join("user"),
            &slurm,
            &step,
            &scope.folder().join(format!("job_{job}")),
        ] {
            fs::remove_dir(folder).unwrap();
        }
        stepd.kill().unwrap();
        stepd.wait().unwrap();
    }
    let billed = |job| cpu_time(&recording.samples(), job);
    for (job, used) in used {
        wait_until(Duration::from_secs(1), || {
            billed(job).abs_diff(used) * 100 <= used
        });
        let billed = billed(job);
        assert!(
            billed.abs_diff(used) * 100 <= used,
            "job {job}: billed {billed} ns, used {used} ns"
        );
    }
    assert!(pipeline.stop(Duration::from_secs(60)).is_complete());
    assert_eq!(pipeline.catalog().live_series(), 0);
}
