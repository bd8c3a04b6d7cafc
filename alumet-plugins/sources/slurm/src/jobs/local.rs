//! What this machine tells about the number of a job: reads files, and knows no type of Alumet.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::mount::Hierarchies;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;

/// The group of a job is there before its first step.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The number of the job with a SLUID: what a prolog has written, else what the process of Slurm that runs a step is called.
/// Waits up to a second for one of them.
pub(super) fn job_id(
    sluid: &str,
    group: &CgroupPath,
    sluid_dir: Option<&Path>,
    root: &Path,
    stop: &EventFd,
) -> Option<u64> {
    let file = sluid_dir.map(|folder| root.join(folder.strip_prefix("/").unwrap_or(folder)).join(sluid));
    let mount = Hierarchies::detect(root).ok().and_then(|mounted| mounted.v2);
    let folder = mount.map(|mount| group.below(&mount));
    for _ in 0..LOOKS {
        let written = file.as_deref().and_then(written);
        let of_processes = || of_processes(folder.as_deref()?, root);
        if let Some(id) = written.or_else(of_processes) {
            return Some(id);
        }
        let mut stop = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        let pause = PollTimeout::try_from(PAUSE).unwrap_or(PollTimeout::ZERO);
        if poll(&mut stop, pause) != Ok(0) {
            return None;
        }
    }
    None
}

fn written(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Each step has a process `slurmstepd: [<job>.<step>]` in its group `slurm`.
///
/// Source: `_set_job_log_prefix` in `src/slurmd/slurmstepd/slurmstepd.c` of Slurm.
fn of_processes(job: &Path, root: &Path) -> Option<u64> {
    let steps = fs::read_dir(job).ok()?.flatten();
    let mut lists = steps.filter_map(|step| fs::read_to_string(step.path().join("slurm/cgroup.procs")).ok());
    lists.find_map(|list| {
        let mut pids = list.lines();
        pids.find_map(|pid| of_title(&fs::read(root.join("proc").join(pid).join("cmdline")).ok()?))
    })
}

fn of_title(title: &[u8]) -> Option<u64> {
    let title = str::from_utf8(title).ok()?;
    let (id, _) = title.strip_prefix("slurmstepd: [")?.split_once('.')?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_process_of_a_step_is_called_like_its_job() {
        assert_eq!(of_title(b"slurmstepd: [1.batch]\0"), Some(1));
        assert_eq!(of_title(b"slurmstepd: [4711.0]\0\0\0\0"), Some(4711));
        for other in [
            &b"slurmstepd\0infinity\0"[..],
            b"sleep\0-x\0",
            b"",
            b"slurmstepd: [x.0]",
        ] {
            assert_eq!(of_title(other), None);
        }
    }

    proptest! {
        #[test]
        fn any_title_is_taken_or_refused(title: Vec<u8>) {
            let _ = of_title(&title);
        }
    }
}
