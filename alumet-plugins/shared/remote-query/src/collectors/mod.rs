//! Several programs such as this one, each of which has a part of the samples.

mod addresses;
mod buckets;
mod config;
mod wire;

use std::time::Duration;

use alumet_core::async_trait;
use alumet_core::plugin::StartError;
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_query::{
    Backend, BackendStatus, Budget, Limits, QueryError, Range, Selector, SeriesBuckets, SeriesEntry,
    SeriesSamples, Steps,
};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use self::addresses::{Addresses, Missing};
use self::buckets::Several;
pub use self::config::{CollectorsConfig, Partial};
use self::wire::{Answer, Asked, LARGEST, Question, Reply};
pub use self::wire::{PATH, answer};
use crate::merge;

/// All collectors as one backend: a sample that several have counts once.
#[derive(Debug)]
pub struct CollectorsBackend {
    addresses: Addresses,
    at_least: usize,
    partial: Partial,
    /// Who was missing when the last question was asked.
    missing: Mutex<Vec<Missing>>,
}

/// How long collectors may take to say how they are.
const STATUS: Duration = Duration::from_secs(5);

impl CollectorsBackend {
    /// The collectors as they are configured; they need not be there yet.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub fn new(config: &CollectorsConfig) -> Result<Self, StartError> {
        Ok(Self {
            addresses: Addresses::new(config)?,
            at_least: config.at_least,
            partial: config.partial,
            missing: Mutex::default(),
        })
    }

    /// The replies, and who is missing.
    async fn ask(
        &self,
        question: Question,
        budget: &Budget,
    ) -> Result<(Vec<(String, Reply)>, Vec<Missing>), QueryError> {
        // Some time is left for what comes after the answers, or without one of them.
        let asked = Asked {
            question,
            limits: Limits {
                duration: budget.time_left().mul_f64(0.9),
                ..budget.limits()
            },
        };
        let body = serde_json::to_vec(&asked).map_err(|error| QueryError::Invalid(error.to_string()))?;
        let addresses = tokio::time::timeout(asked.limits.duration, self.addresses.now()).await;
        let (clients, mut missing) = addresses.map_err(|_| QueryError::Deadline)?;
        if clients.len() < self.at_least {
            missing.push(Missing {
                who: "a collector".to_owned(),
                why: format!(
                    "there are {} addresses and `at_least` {} collectors",
                    clients.len(),
                    self.at_least
                ),
            });
        }
        let mut tasks = JoinSet::new();
        for (number, (url, client)) in clients.into_iter().enumerate() {
            let (body, limit) = (body.clone(), asked.limits.duration);
            tasks.spawn(async move {
                let answer = tokio::time::timeout(limit, answer_of(client, body)).await;
                (
                    number,
                    url,
                    answer.unwrap_or_else(|_| Err("there was no answer in time".to_owned())),
                )
            });
        }
        let mut answered = tasks.join_all().await;
        answered.sort_unstable_by_key(|(number, ..)| *number);
        let mut replies = Vec::new();
        for (_, url, answer) in answered {
            let Answer {
                reply,
                missing: lacks,
            } = match answer {
                Ok(answer) => answer,
                Err(why) => {
                    let who = format!("the collector at {url}");
                    missing.push(Missing { who, why });
                    continue;
                }
            };
            // It asks others itself.
            missing.extend(lacks.into_iter().map(|why| Missing {
                who: format!("a part of the collector at {url}"),
                why,
            }));
            match reply {
                Reply::Refused(refusal) => match refusal.into() {
                    QueryError::Unavailable { who, why } => missing.push(Missing {
                        who: format!("{who}, says the collector at {url},"),
                        why,
                    }),
                    error => return Err(error),
                },
                reply => replies.push((url, reply)),
            }
        }
        Ok((replies, missing))
    }

    /// The replies, if they are complete or need not be.
    async fn gather(&self, question: Question, budget: &Budget) -> Result<Vec<Reply>, QueryError> {
        let (replies, missing) = self.ask(question, budget).await?;
        if let Some(Missing { who, why }) = missing.first().cloned()
            && (self.partial == Partial::Refuse || replies.is_empty())
        {
            return Err(QueryError::Unavailable { who, why });
        }
        for missing in &missing {
            budget.lack(missing.to_string());
        }
        self.note(missing);
        Ok(replies.into_iter().map(|(_, reply)| reply).collect())
    }

    /// Says who is missing, unless it is the same as before.
    fn note(&self, missing: Vec<Missing>) {
        let mut before = self.missing.lock();
        if *before != missing {
            for Missing { who, why } in &missing {
                tracing::warn!(collector = %who, error = %why, "answers are incomplete; see to it that all collectors answer");
            }
            *before = missing;
        }
    }
}

/// What a collector says.
async fn answer_of(client: HttpClient, body: Vec<u8>) -> Result<Answer, String> {
    let (mut bytes, mut is_too_large) = (Vec::new(), false);
    let request = client.post(PATH, "application/json", body);
    let mut take = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        is_too_large = bytes.len() as u64 > LARGEST;
        !is_too_large
    };
    let asked = client.stream(request, &mut take).await;
    asked.map_err(|failure| failure.to_string())?;
    if is_too_large {
        return Err(format!("its answer has more than {LARGEST} bytes"));
    }
    // So much is no work for a thread that others wait for.
    let decoded = tokio::task::spawn_blocking(move || Answer::decode(&bytes)).await;
    decoded.unwrap_or_else(|error| Err(error.to_string()))
}

/// An answer to something else.
fn wrong() -> QueryError {
    QueryError::Unavailable {
        who: "a collector".to_owned(),
        why: "it answers what was not asked; let collectors and gateways run the same program".to_owned(),
    }
}

#[async_trait]
impl Backend for CollectorsBackend {
    async fn series(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesEntry>, QueryError> {
        let question = Question::Series {
            selector: selector.clone(),
            range,
        };
        let mut all = Vec::new();
        for reply in self.gather(question, budget).await? {
            let Reply::Series(entries) = reply else {
                return Err(wrong());
            };
            all.extend(entries);
        }
        let all = merge::series(all);
        budget.admit_series(all.len() as u64)?;
        Ok(all)
    }

    async fn samples(
        &self,
        selector: &Selector,
        range: Range,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let question = Question::Samples {
            selector: selector.clone(),
            range,
            newest,
        };
        let mut all = Vec::new();
        for reply in self.gather(question, budget).await? {
            let Reply::Samples(columns) = reply else {
                return Err(wrong());
            };
            for columns in columns {
                let samples = SeriesSamples::try_from(columns).map_err(|why| QueryError::Unavailable {
                    who: "a collector".to_owned(),
                    why,
                })?;
                budget.spend(samples.times.len() as u64)?;
                all.push(samples);
            }
        }
        let all = merge::samples(all, newest);
        budget.admit_series(all.len() as u64)?;
        Ok(all)
    }

    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        let question = Question::Buckets {
            selector: selector.clone(),
            steps,
        };
        let mut all = Vec::new();
        for reply in self.gather(question, budget).await? {
            let Reply::Buckets(found) = reply else {
                return Err(wrong());
            };
            budget.spend(found.iter().map(|found| found.buckets.len() as u64).sum())?;
            all.extend(found);
        }
        let mut several = Several::new(all, steps);
        if let Some((ranges, narrowed)) = several.doubtful(selector) {
            for range in ranges {
                several.settle(&self.samples(&narrowed, range, None, budget).await?);
            }
        }
        let merged = several.finish();
        budget.admit_series(merged.len() as u64)?;
        Ok(merged)
    }

    /// The sums over all collectors that answer, and what is wrong with each.
    async fn status(&self) -> BackendStatus {
        let limits = Limits {
            duration: STATUS,
            ..Limits::default()
        };
        let (replies, missing) = match self.ask(Question::Status, &Budget::new(limits)).await {
            Ok(asked) => asked,
            Err(error) => {
                let problems = vec![error.to_string()];
                return BackendStatus {
                    problems,
                    ..BackendStatus::default()
                };
            }
        };
        let mut all = BackendStatus {
            problems: missing.iter().map(Missing::to_string).collect(),
            ..BackendStatus::default()
        };
        let add =
            |sum: Option<u64>, more: Option<u64>| sum.into_iter().chain(more).reduce(u64::saturating_add);
        for (url, reply) in replies {
            let Reply::Status(one) = reply else {
                all.problems.push(wrong().to_string());
                continue;
            };
            all.series = add(all.series, one.series);
            all.samples = add(all.samples, one.samples);
            all.bytes = add(all.bytes, one.bytes);
            // So many are there in any case.
            let limits = [all.max_entries_per_gpu, one.max_entries_per_gpu];
            all.max_entries_per_gpu = limits.into_iter().flatten().min();
            let problems = one.problems.into_iter();
            all.problems
                .extend(problems.map(|problem| format!("the collector at {url}: {problem}")));
        }
        all
    }

    fn generation(&self) -> Option<u64> {
        None
    }
}
