//! What Slurm prints about jobs.
//!
//! Source of the format: `JOB_INFO` in `src/plugins/data_parser` of Slurm, which is what `squeue --json` prints; Slurm 21.08
//! to 22.05 have the same names in `src/plugins/openapi`.

use alumet_core::Attributes;
use serde::Deserialize;

use crate::config::JobAttribute;

/// What Slurm says about one job.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct JobRecord {
    #[serde(deserialize_with = "number")]
    pub(super) job_id: u64,
    sluid: Option<String>,
    account: Option<String>,
    partition: Option<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    user_id: Option<u64>,
}

/// Why an answer says nothing about a job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("what it prints is not the JSON of Slurm ({0})")]
    Format(#[from] serde_json::Error),
    #[error("it knows no job `{0}`")]
    Unknown(String),
}

#[derive(Deserialize)]
struct Answer {
    jobs: Vec<JobRecord>,
}

/// A number, as it is or with whether it is set.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Wrapped { number: u64 },
}

impl Number {
    const fn value(self) -> u64 {
        match self {
            Self::Plain(value) | Self::Wrapped { number: value } => value,
        }
    }
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Number::deserialize(deserializer).map(Number::value)
}

fn optional<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Number>::deserialize(deserializer)?.map(Number::value))
}

impl JobRecord {
    /// The job with this number or SLUID. Slurm 22.05 lists all jobs, whichever is asked for.
    pub(super) fn find(answer: &[u8], name: String) -> Result<Self, AnswerError> {
        let answer: Answer = serde_json::from_slice(answer)?;
        let is_it = |job: &Self| job.sluid.as_ref() == Some(&name) || name.parse() == Ok(job.job_id);
        let found = answer.jobs.into_iter().find(is_it);
        found.ok_or(AnswerError::Unknown(name))
    }

    /// Adds what is known.
    pub(super) fn add(&self, attribute: JobAttribute, attributes: Attributes) -> Attributes {
        let text = match attribute {
            JobAttribute::Account => &self.account,
            JobAttribute::Partition => &self.partition,
            JobAttribute::JobName => &self.name,
            JobAttribute::UserId => {
                let user_id = self.user_id.map(|id| attributes.with(attribute.key(), id));
                return user_id.unwrap_or(attributes);
            }
        };
        match text.as_deref() {
            None | Some("") => attributes,
            Some(text) => attributes.with(attribute.key(), text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_is_found_by_its_number_and_by_its_sluid_among_others() {
        let answer = br#"{"meta": {}, "errors": [], "jobs": [
            {"job_id": 1, "account": null, "partition": "p", "name": "a", "user_id": 0},
            {"job_id": {"set": true, "number": 2}, "sluid": "sEKNKTV3WPV500", "account": "x", "user_id": {"number": 5}}
        ]}"#;
        assert_eq!(
            JobRecord::find(answer, "1".to_owned()).unwrap().name.as_deref(),
            Some("a")
        );
        for name in ["2", "sEKNKTV3WPV500"] {
            let job = JobRecord::find(answer, name.to_owned()).unwrap();
            assert_eq!((job.job_id, job.user_id), (2, Some(5)));
        }
        let error = JobRecord::find(answer, "3".to_owned()).unwrap_err();
        assert_eq!(error.to_string(), "it knows no job `3`");
    }

    #[test]
    fn what_is_empty_makes_no_attribute() {
        let answer = br#"{"jobs": [{"job_id": 1, "account": "", "partition": "p", "name": "a b"}]}"#;
        let job = JobRecord::find(answer, "1".to_owned()).unwrap();
        use JobAttribute::{Account, JobName, Partition, UserId};
        let all = [Account, Partition, JobName, UserId];
        let attributes = all
            .iter()
            .fold(Attributes::EMPTY, |attributes, one| job.add(*one, attributes));
        let expected = Attributes::EMPTY.with("partition", "p").with("job_name", "a b");
        assert_eq!(attributes, expected);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for answer in [
            "",
            "[]",
            "{}",
            "slurm_load_jobs error",
            r#"{"jobs": [{"name": "x"}]}"#,
        ] {
            assert!(
                JobRecord::find(answer.as_bytes(), "1".to_owned()).is_err(),
                "{answer}"
            );
        }
    }
}
