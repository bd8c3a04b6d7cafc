//! Jobs on this machine, in a pipeline that runs.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

mod by_hand;
mod oar_2;

use alumet_core::output::RecordedSample;
use alumet_shared_cgroup_source::testkit::cpu_time;

/// The CPU time of a job, in nanoseconds.
fn cpu_time_of_job(samples: &[RecordedSample], job_id: u64) -> u64 {
    let expected = [("job_id", job_id.to_string()), ("user_id", "0".to_owned())];
    cpu_time(samples, "total", |series| {
        let has = |(key, value): &(&str, String)| {
            let found = series.attributes().get(key);
            found.is_some_and(|found| found.to_string() == *value)
        };
        expected.iter().all(has)
    })
}
