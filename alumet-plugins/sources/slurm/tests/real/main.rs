//! Jobs on this machine, in a pipeline that runs.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

mod by_hand;
mod slurm;

use alumet_core::output::RecordedSample;
use alumet_shared_cgroup_source::testkit::cpu_time;

/// The CPU time of a job, in nanoseconds.
fn cpu_time_of_job(samples: &[RecordedSample], job_id: u64) -> u64 {
    let job_id = job_id.to_string();
    cpu_time(samples, "total", |series| {
        let attributes = series.attributes();
        let found = attributes.get("job_id");
        found.is_some_and(|found| found.to_string() == job_id) && attributes.get("step").is_none()
    })
}
