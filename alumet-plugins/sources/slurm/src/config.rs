//! What the table `[plugins.slurm]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_reader_cgroupfs::layout::slurm::SlurmLevel;
use alumet_shared_cgroup_source::config::{CpuPercentBase, MeasurementConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which jobs are measured, in which detail, and what is said about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two measurements. New jobs and steps, and those that have just ended, are measured in between.
    pub poll_interval: HumanDuration,
    /// Down to which part jobs are measured. Each part is in the one above it, so sum one level only.
    pub jobs_monitoring_level: JobLevel,
    /// Whether only jobs are measured. With `false` the plugin measures all control groups, and the plugin `cgroups` none.
    pub ignore_non_jobs: bool,
    /// Whether samples of other plugins about a job, or about a process in it, get the attributes of the job.
    pub annotate_foreign_measurements: bool,
    /// What Slurm is asked about each job, to make attributes of it. Each costs Slurm nothing more than the first.
    pub job_attributes: Vec<JobAttribute>,
    /// The command that asks Slurm about a job: a program and its arguments, in which `{job}` is the number of the job or,
    /// when that is not known, its SLUID. It must print JSON like that of `squeue`, in which the jobs are the list `jobs`. An
    /// empty list never asks.
    pub job_command: Vec<String>,
    /// How long the command may take before it is killed.
    pub job_command_timeout: HumanDuration,
    /// A folder with a file for each SLUID, named like it, that holds the number of the job; the prolog of Slurm can write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sluid_dir: Option<PathBuf>,
    /// What 100 % of `cpu_percent` means.
    pub cpu_percent_base: CpuPercentBase,
    /// How it is measured.
    #[serde(flatten)]
    pub measurement: MeasurementConfig,
    /// Has no effect any more: version 1 is watched, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroupv1_refresh_interval: Option<HumanDuration>,
    /// Has no effect any more: `alumet-agent ctl pause sources/slurm` does it while the agent runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_source_in_pause_state: Option<bool>,
}

/// Down to which part jobs are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobLevel {
    /// Whole jobs.
    #[default]
    Job,
    /// Steps as well.
    Step,
    /// What is of the user and what is of Slurm in each step as well; version 1 does not part them.
    Substep,
    /// Tasks as well.
    Task,
}

/// What Slurm knows about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobAttribute {
    /// `account`: who pays.
    Account,
    /// `partition`: where it runs.
    Partition,
    /// `job_name`: how its owner calls it.
    JobName,
    /// `user_id`: whose it is. Version 1 tells that without a question.
    UserId,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(1),
            jobs_monitoring_level: JobLevel::default(),
            ignore_non_jobs: true,
            annotate_foreign_measurements: false,
            job_attributes: Vec::new(),
            job_command: ["squeue", "--json", "--jobs={job}"].map(str::to_owned).to_vec(),
            job_command_timeout: HumanDuration::from_secs(10),
            sluid_dir: None,
            cpu_percent_base: CpuPercentBase::default(),
            measurement: MeasurementConfig::default(),
            cgroupv1_refresh_interval: None,
            add_source_in_pause_state: None,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.measurement.check(self.poll_interval, &mut faults);
        faults.refuse_zero("job_command_timeout", *self.job_command_timeout);
        let has_job = self.job_command.iter().skip(1).any(|part| part.contains("{job}"));
        if !self.job_command.is_empty() && !has_job {
            faults.add(
                "job_command",
                "one of the arguments must contain `{job}`, which becomes the number of the job",
            );
        }
        if self.job_command.is_empty() && !self.job_attributes.is_empty() {
            faults.add(
                "job_attributes",
                "they need a `job_command`; the default one is `[\"squeue\", \"--json\", \"--jobs={job}\"]`",
            );
        }
        faults.or_ok()
    }

    /// The attributes that jobs and their parts have with this configuration.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        let parts = match self.jobs_monitoring_level {
            JobLevel::Job => &[][..],
            JobLevel::Step => &["step"],
            JobLevel::Substep => &["step", "sub_step"],
            JobLevel::Task => &["step", "sub_step", "task"],
        };
        let of_jobs = ["job_id", "sluid", "user_id"];
        let asked = self.job_attributes.iter().map(|attribute| attribute.key());
        let all: Vec<_> = of_jobs.iter().chain(parts).copied().chain(asked).collect();
        all.into_iter()
    }
}

impl JobAttribute {
    /// The key of the attribute.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Partition => "partition",
            Self::JobName => "job_name",
            Self::UserId => "user_id",
        }
    }
}

impl JobLevel {
    /// The deepest level that is measured.
    pub(crate) const fn deepest(self) -> SlurmLevel {
        match self {
            Self::Job => SlurmLevel::Job,
            Self::Step => SlurmLevel::Step,
            Self::Substep => SlurmLevel::SubStep,
            Self::Task => SlurmLevel::Task,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (text, key) in [
            ("poll_interval = '0s'", "poll_interval"),
            ("job_command_timeout = '0s'", "job_command_timeout"),
            ("job_command = ['{job}']", "job_command"),
            ("job_command = ['squeue', '--json']", "job_command"),
            ("job_command = []\njob_attributes = ['account']", "job_attributes"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }

    #[test]
    fn the_keys_of_the_original_are_taken() {
        let text = "poll_interval = '1s'
            cgroupv1_refresh_interval = '30s'
            ignore_non_jobs = true
            jobs_monitoring_level = 'substep'
            add_source_in_pause_state = false
            annotate_foreign_measurements = false
            disable_sources = false";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.jobs_monitoring_level, JobLevel::Substep);
        assert!(config.check().is_ok());
    }
}
