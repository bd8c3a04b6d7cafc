//! What becomes of a control group: the parts of jobs are measured, with what is known about them.

use std::io;
use std::sync::Arc;

use alumet_core::Attributes;
use alumet_core::plugin::StartContext;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::layout::slurm::{SlurmGroup, SlurmJob, SlurmLevel};
use alumet_shared_cgroup_source::{Inquiry, Resolution, Resolver, Wake};
use nix::sys::eventfd::EventFd;

use crate::config::Config;
use crate::jobs::{Job, Jobs};

/// Measures the parts of jobs down to a level.
pub(crate) struct JobResolver {
    deepest: SlurmLevel,
    ignores_others: bool,
    /// Whether something of each job is asked for.
    asks_always: bool,
    jobs: Inquiry<Job, Attributes>,
    /// Interrupts a question that is being asked.
    stop: Arc<EventFd>,
}

impl JobResolver {
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn new(config: &Config, alumet: &StartContext<'_>) -> io::Result<Self> {
        let stop = Arc::new(EventFd::new()?);
        let mut jobs = Jobs::new(config, alumet.root(), Arc::clone(&stop));
        Ok(Self {
            deepest: config.jobs_monitoring_level.deepest(),
            ignores_others: config.ignore_non_jobs,
            asks_always: !config.job_attributes.is_empty(),
            jobs: Inquiry::new("alumet-slurm", alumet.clock(), move |job, partly| {
                jobs.ask(job, partly)
            }),
            stop,
        })
    }

    /// What is asked about the job of a group; `None` when its name tells all.
    fn question(&self, path: &CgroupPath, job: SlurmJob<'_>) -> Option<Job> {
        match job {
            SlurmJob::Id(id) => self.asks_always.then_some(Job::Id(id)),
            SlurmJob::Sluid(sluid) => {
                let is_in_job = |path: &CgroupPath| SlurmGroup::of(path).is_some();
                let above = |path: &CgroupPath| path.parent().filter(is_in_job);
                let mut group = path.clone();
                while let Some(parent) = above(&group) {
                    group = parent;
                }
                let sluid = sluid.into();
                Some(Job::Sluid { sluid, group })
            }
        }
    }
}

impl Resolver for JobResolver {
    fn resolve(&mut self, path: &CgroupPath) -> Resolution {
        let Some(group) = SlurmGroup::of(path) else {
            return match self.ignores_others {
                true => Resolution::Ignore,
                false => Resolution::Measure {
                    attributes: Attributes::EMPTY,
                },
            };
        };
        if group.level > self.deepest {
            return Resolution::Ignore;
        }
        let mut attributes = told(&group);
        let Some(question) = self.question(path, group.job) else {
            return Resolution::Measure { attributes };
        };
        let answer = self.jobs.answer(&question);
        for (key, value) in answer.known.iter().flat_map(Attributes::iter) {
            attributes = attributes.with(key.clone(), value.clone());
        }
        if answer.is_final {
            return Resolution::Measure { attributes };
        }
        let missing = match attributes.get("job_id") {
            Some(_) => "what Slurm knows about the job",
            None => "the number of the job",
        };
        Resolution::Provisional { attributes, missing }
    }

    fn wakes(&mut self, wake: Wake) {
        self.jobs.wakes(wake);
    }
}

impl Drop for JobResolver {
    fn drop(&mut self) {
        // A counter that is full interrupts as well.
        let _ = self.stop.write(1);
    }
}

/// The attributes that jobs can have.
pub(crate) const KEYS: &[&str] = &[
    "job_id",
    "sluid",
    "user_id",
    "step",
    "sub_step",
    "task",
    "account",
    "partition",
    "job_name",
];

/// What the name of a group tells.
fn told(group: &SlurmGroup<'_>) -> Attributes {
    let mut attributes = match group.job {
        SlurmJob::Id(id) => Attributes::EMPTY.with("job_id", id),
        SlurmJob::Sluid(sluid) => Attributes::EMPTY.with("sluid", sluid),
    };
    if let Some(id) = group.user_id {
        attributes = attributes.with("user_id", id);
    }
    for (key, value) in [
        ("step", group.step),
        ("sub_step", group.sub_step),
        ("task", group.task),
    ] {
        if let Some(value) = value {
            attributes = attributes.with(key, value);
        }
    }
    attributes
}
