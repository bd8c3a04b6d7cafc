//! Control groups of the jobs of Slurm.
//!
//! Source of the names: `src/plugins/cgroup/v1/cgroup_v1.c` and `src/plugins/cgroup/v2/cgroup_v2.c` of Slurm, of the ids of
//! jobs since 26.05 `src/common/sluid.c`:
//!
//! ```text
//! v1   …/slurm[_<node>]/uid_<uid>/job_<id>/step_<step>/task_<task>
//! v2   …/[<node>_]slurmstepd.scope/job_<id>/step_<step>/user|slurm/task_<task>
//! v2   …/[<node>_]slurmstepd.scope/<sluid>/step_<step>/user|slurm/task_<task>
//! ```
//!
//! Array tasks and the components of a heterogeneous job are jobs with a number of their own.

use alumet_reader_kernel_file::fields::number;

use crate::CgroupPath;

/// A control group in a job, or that of the job itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlurmGroup<'a> {
    /// Whose it is.
    pub job: SlurmJob<'a>,
    /// The owner of the job, which only version 1 tells.
    pub user_id: Option<u64>,
    /// A number, `batch`, `extern` or `interactive`; a component of a heterogeneous step is `0+1`.
    pub step: Option<&'a str>,
    /// `user`, where the processes of the job are, or `slurm`, where Slurm's own are. Version 1 has none.
    pub sub_step: Option<&'a str>,
    /// A number, or `special` for what belongs to no task.
    pub task: Option<&'a str>,
    /// How far down in the job it is.
    pub level: SlurmLevel,
}

/// How a job is called in the name of its control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlurmJob<'a> {
    /// By its number.
    Id(u64),
    /// By its SLUID, as Slurm 26.05 does: `s` and 13 characters, such as `sEKNKTV3WPV500`.
    Sluid(&'a str),
}

/// How far down in a job a control group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlurmLevel {
    /// The whole job on this node.
    Job,
    /// One step.
    Step,
    /// The processes of the user in a step, or those of Slurm.
    SubStep,
    /// One task.
    Task,
    /// Something that Slurm did not make.
    Inside,
}

impl<'a> SlurmGroup<'a> {
    /// What the name tells; `None` for what is in no job.
    pub fn of(path: &'a CgroupPath) -> Option<Self> {
        let mut parts = path.as_bytes().split(|byte| *byte == b'/');
        let (job, user_id) = find_job(&mut parts)?;
        let mut group = Self {
            job,
            user_id,
            step: None,
            sub_step: None,
            task: None,
            level: SlurmLevel::Job,
        };
        for part in parts {
            group.descend(part);
        }
        Some(group)
    }

    fn descend(&mut self, part: &'a [u8]) {
        let part = str::from_utf8(part).unwrap_or_default();
        let step = part.strip_prefix("step_").filter(|name| !name.is_empty());
        let task = part.strip_prefix("task_").filter(|name| !name.is_empty());
        // The steps of version 1 have no parts.
        let has_tasks = match self.level {
            SlurmLevel::Step => self.user_id.is_some(),
            level => level == SlurmLevel::SubStep,
        };
        match self.level {
            SlurmLevel::Job if step.is_some() => (self.step, self.level) = (step, SlurmLevel::Step),
            SlurmLevel::Step if !has_tasks && matches!(part, "user" | "slurm") => {
                (self.sub_step, self.level) = (Some(part), SlurmLevel::SubStep);
            }
            _ if has_tasks && task.is_some() => (self.task, self.level) = (task, SlurmLevel::Task),
            _ => self.level = SlurmLevel::Inside,
        }
    }
}

/// The job, with what comes before it taken from `parts`.
fn find_job<'a>(parts: &mut impl Iterator<Item = &'a [u8]>) -> Option<(SlurmJob<'a>, Option<u64>)> {
    let (mut is_scope, mut user_id) = (false, None);
    for part in parts {
        let id = part.strip_prefix(b"job_").and_then(number);
        match id {
            Some(id) if is_scope || user_id.is_some() => return Some((SlurmJob::Id(id), user_id)),
            _ => {}
        }
        if is_scope && let Some(sluid) = sluid(part) {
            return Some((SlurmJob::Sluid(sluid), None));
        }
        is_scope = part == b"slurmstepd.scope" || part.ends_with(b"_slurmstepd.scope");
        user_id = part.strip_prefix(b"uid_").and_then(number);
    }
    None
}

/// A SLUID is 64 bits in the base 32 of Crockford, which has no I, L, O and U.
fn sluid(name: &[u8]) -> Option<&str> {
    let is_digit = |byte: &u8| {
        byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !matches!(byte, b'I' | b'L' | b'O' | b'U'))
    };
    let is_sluid = name.len() == 14 && name.first() == Some(&b's') && name.iter().skip(1).all(is_digit);
    is_sluid.then(|| str::from_utf8(name).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The job, the user, the step, its part, the task and the level, as text.
    fn told(path: &str) -> Option<String> {
        let path = path.parse().unwrap();
        let group = SlurmGroup::of(&path)?;
        let job = match group.job {
            SlurmJob::Id(id) => id.to_string(),
            SlurmJob::Sluid(sluid) => sluid.to_owned(),
        };
        let user = group.user_id.map_or("-".to_owned(), |id| id.to_string());
        let parts = [group.step, group.sub_step, group.task].map(|part| part.unwrap_or("-"));
        Some(format!("{job} {user} {} {:?}", parts.join(" "), group.level))
    }

    #[test]
    fn each_layout_tells_its_job() {
        for (path, expected, seen) in [
            ("/slurm/uid_1000/job_7", "7 1000 - - - Job", "22.05, v1"),
            ("/slurm/uid_0/job_7/step_0", "7 0 0 - - Step", "22.05, v1"),
            (
                "/slurm/uid_0/job_7/step_batch/task_special",
                "7 0 batch - special Task",
                "22.05, v1",
            ),
            (
                "/slurm/uid_0/job_7/step_1/task_12",
                "7 0 1 - 12 Task",
                "22.05, v1",
            ),
            (
                "/slurm_n1/uid_1000/job_7/step_extern",
                "7 1000 extern - - Step",
                "several slurmd, v1",
            ),
            (
                "/docker/0a/slurm/uid_5/job_1",
                "1 5 - - - Job",
                "in a container, v1",
            ),
            (
                "/system.slice/slurmstepd.scope/job_123",
                "123 - - - - Job",
                "22.05 to 25.11, v2",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_interactive",
                "1 - interactive - - Step",
                "salloc, v2",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_0+1",
                "1 - 0+1 - - Step",
                "heterogeneous, v2",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_0/slurm",
                "1 - 0 slurm - SubStep",
                "v2",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_0/user",
                "1 - 0 user - SubStep",
                "v2",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_batch/user/task_special",
                "1 - batch user special Task",
                "v2",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_0/user/task_3",
                "1 - 0 user 3 Task",
                "v2",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_0/slurm/task_3",
                "1 - 0 slurm 3 Task",
                "v2",
            ),
            (
                "/system.slice/n1_slurmstepd.scope/job_1",
                "1 - - - - Job",
                "several slurmd, v2",
            ),
            (
                "/jobs.slice/slurmstepd.scope/job_1",
                "1 - - - - Job",
                "CgroupSlice, v2",
            ),
            (
                "/docker-0a.scope/system.slice/slurmstepd.scope/job_1",
                "1 - - - - Job",
                "slurmd in a container, v2",
            ),
            (
                "/system.slice/slurmstepd.scope/sEKNKTV3WPV500",
                "sEKNKTV3WPV500 - - - - Job",
                "26.05, cgroup.conf(5)",
            ),
            (
                "/system.slice/n_1_slurmstepd.scope/sBR1JB8J1YM400/step_0/user/task_0",
                "sBR1JB8J1YM400 - 0 user 0 Task",
                "26.05, several slurmd",
            ),
            ("/slurm/uid_1/job_2/other", "2 1 - - - Inside", "made by a user"),
            (
                "/system.slice/slurmstepd.scope/job_1/step_0/user/task_0/step_1",
                "1 - 0 user 0 Inside",
                "made by a user",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_0/task_0",
                "1 - 0 - - Inside",
                "made by a user",
            ),
            (
                "/system.slice/slurmstepd.scope/job_1/step_",
                "1 - - - - Inside",
                "made by a user",
            ),
        ] {
            assert_eq!(told(path).as_deref(), Some(expected), "{path}, seen: {seen}");
        }
    }

    #[test]
    fn what_is_in_no_job_is_left_alone() {
        for path in [
            "/",
            "/slurm",
            "/slurm/uid_1000",
            "/slurm/system",
            "/system.slice/slurmd.service",
            "/system.slice/slurmstepd.scope",
            "/system.slice/slurmstepd.scope/system",
            "/system.slice/slurmstepd.scope/job_",
            "/system.slice/slurmstepd.scope/job_1x",
            "/system.slice/slurmstepd.scope/job_99999999999999999999",
            "/system.slice/slurmstepd.scope/sEKNKTV3WPV50",
            "/system.slice/slurmstepd.scope/sEKNKTV3WPV50U",
            "/system.slice/slurmstepd.scope/seknktv3wpv500",
            "/system.slice/other.scope/sEKNKTV3WPV500",
            "/job_1",
            "/uid_1/x/job_1",
            "/uid_x/job_1",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_taken_or_refused(
            bytes: Vec<u8>,
            text in "(/(slurm|uid_[0-9]{0,25}|slurmstepd.scope|job_[0-9]{0,25}|s[0-9A-Z]{13}|step_.?|user|task_.?)){0,8}",
        ) {
            for bytes in [&bytes[..], text.as_bytes()] {
                if let Ok(path) = CgroupPath::from_bytes(bytes) {
                    let _ = SlurmGroup::of(&path);
                }
            }
        }
    }
}
