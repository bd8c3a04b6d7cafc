//! Groups like those of Slurm in version 2, made by hand: its own plugin for version 2 refuses machines with both versions.

use std::fs;
use std::process::Command;
use std::time::Duration;

use alumet_plugin_slurm::SlurmPlugin;
use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_cgroup_source::testkit::{be_busy_in, cpu_time_of, pipeline_of, wait_until_billed};

use super::cpu_time_of_job;

#[test]
fn each_of_20_jobs_of_300_ms_is_there_with_its_whole_cpu_time_although_polls_are_5_s_apart() {
    let Some(group) = OwnGroup::make("slurm") else {
        return;
    };
    let scope = group.child("slurmstepd.scope");
    let config = toml::from_str("hierarchy = 'v2'\npoll_interval = '5s'").unwrap();
    let (pipeline, recording) = pipeline_of::<SlurmPlugin>(config);
    let mut used = Vec::new();
    for job in 1..=20 {
        let group = scope.folder().join(format!("job_{job}"));
        let step = group.join("step_0");
        let (task, slurm) = (step.join("user/task_0"), step.join("slurm"));
        fs::create_dir_all(&task).unwrap();
        fs::create_dir(&slurm).unwrap();
        // As slurmstepd, it is in the job until the job is removed.
        let mut stepd = Command::new("sleep").arg("100").spawn().unwrap();
        fs::write(slurm.join("cgroup.procs"), stepd.id().to_string()).unwrap();
        be_busy_in(&task, Duration::from_millis(300));
        // What slurmstepd has to do before it ends; twice what the agent waits for more news.
        std::thread::sleep(Duration::from_millis(60));
        used.push((job, cpu_time_of(&group)));
        fs::write(scope.folder().join("cgroup.procs"), stepd.id().to_string()).unwrap();
        for folder in [&task, &step.join("user"), &slurm, &step, &group] {
            fs::remove_dir(folder).unwrap();
        }
        stepd.kill().unwrap();
        stepd.wait().unwrap();
    }
    for (job, used) in used {
        let billed = || cpu_time_of_job(&recording.samples(), job);
        wait_until_billed(&format!("job {job}"), used, billed);
    }
    assert!(pipeline.stop(Duration::from_secs(60)).is_complete());
    assert_eq!(pipeline.catalog().live_series(), 0);
}
