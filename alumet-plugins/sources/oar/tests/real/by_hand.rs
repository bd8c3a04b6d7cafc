//! Groups like those of OAR 3, made by hand.

use std::fs;
use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_reader_cgroupfs::testkit::OwnGroup;

use super::{CHILDREN, busy_in, is_billed, pipeline};

#[test]
fn each_of_20_jobs_of_300_ms_is_there_once_with_its_whole_cpu_time_although_polls_are_5_s_apart() {
    let _only = CHILDREN.lock();
    let Some(group) = OwnGroup::make("oar") else {
        return;
    };
    let user = group.child("oar-u0.slice");
    let (pipeline, recording) = pipeline("oar_version = 'oar3'\npoll_interval = '5s'");
    let mut used = Vec::new();
    for job in 1..=20 {
        let slice = user.folder().join(format!("oar-u0-j{job}.slice"));
        let scope = slice.join(format!("oar-u0-j{job}-p1.scope"));
        fs::create_dir_all(&scope).unwrap();
        used.push((job, busy_in(&scope)));
        // What systemd has to do before it removes them; twice what the agent waits for more news.
        std::thread::sleep(Duration::from_millis(60));
        fs::remove_dir(&scope).unwrap();
        fs::remove_dir(&slice).unwrap();
    }
    for (job, used) in used {
        is_billed(&recording, job, used);
    }
    let is_named = |sample: &RecordedSample| {
        let user = sample.series.attributes().get("user");
        user.is_some_and(|user| user.to_string() == "root")
    };
    assert!(recording.samples().iter().any(is_named));
    assert!(pipeline.stop(Duration::from_secs(60)).is_complete());
    assert_eq!(pipeline.catalog().live_series(), 0);
}
