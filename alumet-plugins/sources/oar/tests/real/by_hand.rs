//! Groups like those of OAR 3, made by hand.

use std::fs;
use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_plugin_oar::OarPlugin;
use alumet_reader_cgroupfs::testkit::OwnGroup;
use alumet_shared_cgroup_source::testkit::{be_busy_in, cpu_time_of, pipeline_of, wait_until_billed};

use super::cpu_time_of_job;

#[test]
fn each_of_20_jobs_of_300_ms_is_there_once_with_its_whole_cpu_time_although_polls_are_5_s_apart() {
    let Some(group) = OwnGroup::make("oar") else {
        return;
    };
    let user = group.child("oar-u0.slice");
    let config = toml::from_str("oar_version = 'oar3'\npoll_interval = '5s'").unwrap();
    let (pipeline, recording) = pipeline_of::<OarPlugin>(config);
    let mut used = Vec::new();
    for job in 1..=20 {
        let slice = user.folder().join(format!("oar-u0-j{job}.slice"));
        let scope = slice.join(format!("oar-u0-j{job}-p1.scope"));
        fs::create_dir_all(&scope).unwrap();
        be_busy_in(&scope, Duration::from_millis(300));
        // What systemd has to do before it removes them; twice what the agent waits for more news.
        std::thread::sleep(Duration::from_millis(60));
        used.push((job, cpu_time_of(&slice)));
        fs::remove_dir(&scope).unwrap();
        fs::remove_dir(&slice).unwrap();
    }
    for (job, used) in used {
        let billed = || cpu_time_of_job(&recording.samples(), job);
        wait_until_billed(&format!("job {job}"), used, billed);
    }
    let is_named = |sample: &RecordedSample| {
        let user = sample.series.attributes().get("user");
        user.is_some_and(|user| user.to_string() == "root")
    };
    assert!(recording.samples().iter().any(is_named));
    assert!(pipeline.stop(Duration::from_secs(60)).is_complete());
    assert_eq!(pipeline.catalog().live_series(), 0);
}
