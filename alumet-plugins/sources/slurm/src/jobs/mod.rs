//! What is known about jobs beside the names of their control groups.

mod answer;
mod local;
mod program;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Attributes;
use alumet_reader_cgroupfs::CgroupPath;
use nix::sys::eventfd::EventFd;

use crate::config::{Config, JobAttribute};
use answer::JobRecord;

/// A job that something is not known about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    /// Its number is known.
    Id(u64),
    /// Its number is not known.
    Sluid {
        sluid: Box<str>,
        /// The control group of the job.
        group: CgroupPath,
    },
}

/// Asks about jobs: this machine for their numbers, and Slurm for what only Slurm knows.
pub(crate) struct Jobs {
    attributes: Vec<JobAttribute>,
    command: Vec<String>,
    timeout: Duration,
    sluid_dir: Option<PathBuf>,
    root: PathBuf,
    stop: Arc<EventFd>,
}

/// Why something about a job is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(
        "nothing on this machine tells the number of the job `{0}` of Slurm; set `sluid_dir` and let the prolog write there, or \
         set `job_command`"
    )]
    NoNumber(Box<str>),
    #[error("`{command}` does not tell about a job of Slurm: {error}; mend it or set `job_command`")]
    Command {
        command: String,
        error: Box<CommandError>,
    },
}

/// What is wrong with a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Program(#[from] program::ProgramError),
    #[error(transparent)]
    Answer(#[from] answer::AnswerError),
}

impl Jobs {
    /// What a configuration says, on the machine below `root`. A question is given up when `stop` is written.
    pub(crate) fn new(config: &Config, root: &Path, stop: Arc<EventFd>) -> Self {
        Self {
            attributes: config.job_attributes.clone(),
            command: config.job_command.clone(),
            timeout: *config.job_command_timeout,
            sluid_dir: config.sluid_dir.clone(),
            root: root.to_path_buf(),
            stop,
        }
    }

    /// The attributes of a job that the name of its group does not tell; the number comes before the rest.
    pub(crate) fn ask(&mut self, job: &Job, partly: &dyn Fn(Attributes)) -> Result<Attributes, JobError> {
        let (sluid, group) = match job {
            Job::Id(id) => return Ok(self.add_known(&self.record(id.to_string())?, Attributes::EMPTY)),
            Job::Sluid { sluid, group } => (sluid, group),
        };
        let number = |id: u64| Attributes::EMPTY.with("job_id", id);
        let name = match local::job_id(sluid, group, self.sluid_dir.as_deref(), &self.root, &self.stop) {
            Some(id) if self.attributes.is_empty() => return Ok(number(id)),
            Some(id) => {
                partly(number(id));
                id.to_string()
            }
            None if self.command.is_empty() => return Err(JobError::NoNumber(sluid.clone())),
            None => sluid.to_string(),
        };
        let record = self.record(name)?;
        Ok(self.add_known(&record, number(record.job_id)))
    }

    fn add_known(&self, record: &JobRecord, to: Attributes) -> Attributes {
        let attributes = self.attributes.iter();
        attributes.fold(to, |known, attribute| record.add(*attribute, known))
    }

    /// What Slurm says about the job with a number or SLUID.
    fn record(&self, name: String) -> Result<JobRecord, JobError> {
        let command: Vec<_> = self
            .command
            .iter()
            .map(|part| part.replace("{job}", &name))
            .collect();
        let answer = program::run(&command, self.timeout, &self.stop).map_err(CommandError::from);
        let record = answer.and_then(|answer| Ok(JobRecord::find(&answer, name)?));
        record.map_err(|error| JobError::Command {
            command: command.join(" "),
            error: error.into(),
        })
    }
}
