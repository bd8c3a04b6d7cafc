//! What a gateway and a collector say to each other: a question in JSON; an answer in the format of `postcard`, compressed by zstd,
//! after a byte that says which version of all that it is.

use std::io::Read;
use std::sync::Arc;

use alumet_core::time::Timestamp;
use alumet_core::value::{Value, ValueType};
use alumet_shared_query::{
    Backend, BackendStatus, Budget, Identity, Limits, QueryError, Range, Selector, SeriesBuckets,
    SeriesEntry, SeriesSamples, Steps,
};
use serde::{Deserialize, Serialize};

/// Where a server answers: what is sent there with `POST` is given to [`answer`].
pub const PATH: &str = "/api/v1/internal/backend";

/// The first byte of an answer.
const VERSION: u8 = 2;

/// How large an answer may be, not compressed.
pub(super) const LARGEST: u64 = 1 << 30;

/// Fast, and half as large as with none.
const LEVEL: i32 = 1;

/// A question with its limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) limits: Limits,
}

/// The methods of [`Backend`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    Series {
        selector: Selector,
        range: Range,
    },
    Samples {
        selector: Selector,
        range: Range,
        newest: Option<usize>,
    },
    Buckets {
        selector: Selector,
        steps: Steps,
    },
    Status,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    /// What it lacks, for people.
    pub(super) missing: Vec<String>,
}

/// The results of the methods of [`Backend`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Series(Vec<SeriesEntry>),
    Samples(Vec<Columns>),
    Buckets(Vec<SeriesBuckets>),
    Status(BackendStatus),
    Refused(Refusal),
}

/// [`QueryError`] as it is sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Refusal {
    Invalid(String),
    Deadline,
    Unavailable { who: String, why: String },
}

/// [`SeriesSamples`] as they are sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Columns {
    series: Arc<Identity>,
    /// Differences of the differences of the times, from 0.
    times: Vec<i64>,
    /// One after another; in general there is one.
    values: Vec<Column>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Column {
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

/// Answers a question of another program from `backend`, within its limits and within `most`.
///
/// # Errors
/// [`QueryError::Invalid`] when it is no question. All else is in the answer.
pub async fn answer(backend: &dyn Backend, body: &[u8], most: Limits) -> Result<Vec<u8>, QueryError> {
    let invalid = |why| QueryError::Invalid(format!("it is no question of a gateway: {why}"));
    let Asked { question, limits } =
        serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    let budget = Budget::new(Limits {
        series: limits.series.min(most.series),
        samples: limits.samples.min(most.samples),
        points: limits.points.min(most.points),
        duration: limits.duration.min(most.duration),
    });
    let answering = question.answered_by(backend, &budget);
    let reply = match tokio::time::timeout(budget.time_left(), answering).await {
        Ok(reply) => reply.unwrap_or_else(|error| Reply::Refused(error.into())),
        Err(_) => Reply::Refused(Refusal::Deadline),
    };
    let answer = Answer {
        reply,
        missing: budget.missing(),
    };
    // So much is no work for a thread that others wait for.
    let bytes = tokio::task::spawn_blocking(move || answer.encode()).await;
    bytes
        .unwrap_or_else(|error| Err(error.to_string()))
        .map_err(|why| QueryError::Unavailable {
            who: "the encoder of answers".to_owned(),
            why,
        })
}

impl Question {
    async fn answered_by(self, backend: &dyn Backend, budget: &Budget) -> Result<Reply, QueryError> {
        Ok(match self {
            Self::Series { selector, range } => {
                Reply::Series(backend.series(&selector, range, budget).await?)
            }
            Self::Samples {
                selector,
                range,
                newest,
            } => {
                let samples = backend.samples(&selector, range, newest, budget).await?;
                Reply::Samples(samples.into_iter().map(Columns::from).collect())
            }
            Self::Buckets { selector, steps } => {
                Reply::Buckets(backend.buckets(&selector, steps, budget).await?)
            }
            Self::Status => Reply::Status(backend.status().await),
        })
    }
}

impl Answer {
    fn encode(&self) -> Result<Vec<u8>, String> {
        let bytes = postcard::to_stdvec(self).map_err(|error| error.to_string())?;
        let compressed = zstd::bulk::compress(&bytes, LEVEL).map_err(|error| error.to_string())?;
        Ok([&[VERSION], &*compressed].concat())
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let Some((&VERSION, compressed)) = bytes.split_first() else {
            return Err(
                "its answer is of another version; let collectors and gateways run the same program"
                    .to_owned(),
            );
        };
        let decoder = zstd::stream::read::Decoder::new(compressed).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        let read = decoder.take(LARGEST + 1).read_to_end(&mut bytes);
        match read {
            Err(error) => Err(format!("its answer is damaged: {error}")),
            Ok(read) if read as u64 > LARGEST => Err(format!("its answer has more than {LARGEST} bytes")),
            Ok(_) => postcard::from_bytes(&bytes).map_err(|error| format!("its answer is damaged: {error}")),
        }
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Deadline => Self::Deadline,
            QueryError::Unavailable { who, why } => Self::Unavailable { who, why },
            // Both say how to ask instead.
            QueryError::Invalid(_) | QueryError::TooMuch { .. } => Self::Invalid(error.to_string()),
        }
    }
}

impl From<Refusal> for QueryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(text) => Self::Invalid(text),
            Refusal::Deadline => Self::Deadline,
            Refusal::Unavailable { who, why } => Self::Unavailable { who, why },
        }
    }
}

impl From<SeriesSamples> for Columns {
    fn from(samples: SeriesSamples) -> Self {
        let (mut last, mut step) = (0_i64, 0_i64);
        let times = samples.times.iter().map(|at| {
            let next = at.as_nanos().wrapping_sub(last);
            let change = next.wrapping_sub(step);
            (last, step) = (at.as_nanos(), next);
            change
        });
        let times = times.collect();
        let runs = samples.values.chunk_by(|a, b| a.value_type() == b.value_type());
        Self {
            series: samples.series,
            times,
            values: runs.map(Column::of).collect(),
        }
    }
}

impl TryFrom<Columns> for SeriesSamples {
    type Error = String;

    fn try_from(columns: Columns) -> Result<Self, String> {
        let (mut last, mut step) = (0_i64, 0_i64);
        let times = columns.times.iter().map(|change| {
            step = step.wrapping_add(*change);
            last = last.wrapping_add(step);
            Timestamp::from_nanos(last)
        });
        let times: Vec<_> = times.collect();
        let values: Vec<_> = columns.values.into_iter().flat_map(Column::values).collect();
        let is_sound = times.len() == values.len() && times.is_sorted_by(|a, b| a < b);
        is_sound
            .then_some(Self {
                series: columns.series,
                times,
                values,
            })
            .ok_or_else(|| "its answer is damaged: times and values do not fit together".to_owned())
    }
}

impl Column {
    /// Of values that have one type.
    fn of(values: &[Value]) -> Self {
        let values = values.iter().copied();
        match values.clone().next().map(Value::value_type) {
            Some(ValueType::I64) => Self::I64(
                values
                    .filter_map(|value| match value {
                        Value::I64(value) => Some(value),
                        _ => None,
                    })
                    .collect(),
            ),
            Some(ValueType::U64) => Self::U64(
                values
                    .filter_map(|value| match value {
                        Value::U64(value) => Some(value),
                        _ => None,
                    })
                    .collect(),
            ),
            _ => Self::F64(values.map(Value::as_f64).collect()),
        }
    }

    fn values(self) -> Vec<Value> {
        match self {
            Self::U64(values) => values.into_iter().map(Value::U64).collect(),
            Self::I64(values) => values.into_iter().map(Value::I64).collect(),
            Self::F64(values) => values.into_iter().map(Value::F64).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::{Metric, MetricKind, Quality};
    use alumet_core::unit::Unit;
    use alumet_core::{Attributes, Consumer, Resource};
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<u64>().prop_map(Value::U64),
            any::<i64>().prop_map(Value::I64),
            any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        ]
    }

    fn encoded(reply: Reply) -> Vec<u8> {
        let missing = vec!["a collector".to_owned()];
        Answer { reply, missing }.encode().unwrap()
    }

    fn bits(samples: &SeriesSamples) -> Vec<(Timestamp, ValueType, u64)> {
        let bits = |value| match value {
            Value::U64(value) => value,
            Value::I64(value) => value.cast_unsigned(),
            Value::F64(value) => value.to_bits(),
        };
        let samples = samples.iter();
        samples
            .map(|(at, value)| (at, value.value_type(), bits(value)))
            .collect()
    }

    proptest! {
        #[test]
        fn samples_survive_the_way(samples in prop::collection::btree_map(any::<i64>(), value(), 0..50)) {
            let metric = Metric {
                name: "m".into(),
                kind: MetricKind::Gauge,
                value_type: ValueType::F64,
                unit: Unit::WATT,
                description: "Power.".into(),
                quality: Quality::Estimated,
            };
            let sent = SeriesSamples {
                series: Arc::new(Identity {
                    metric: Arc::new(metric),
                    resource: Resource::LocalMachine,
                    consumer: Consumer::Process { pid: 1 },
                    attributes: Attributes::EMPTY.with("list", vec![1, 2]).with("share", f64::INFINITY),
                }),
                times: samples.keys().copied().map(Timestamp::from_nanos).collect(),
                values: samples.values().copied().collect(),
            };
            let bytes = encoded(Reply::Samples(vec![sent.clone().into()]));
            let Ok(Answer { reply: Reply::Samples(mut columns), .. }) = Answer::decode(&bytes) else {
                panic!("these are samples");
            };
            let read = SeriesSamples::try_from(columns.remove(0)).unwrap();
            prop_assert_eq!(&read.series, &sent.series);
            prop_assert_eq!(bits(&read), bits(&sent));
        }

        #[test]
        fn what_is_damaged_is_refused_or_read(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4)) {
            let problems = vec!["a problem".to_owned(); 20];
            let status = BackendStatus { problems, ..BackendStatus::default() };
            let mut bytes = encoded(Reply::Status(status));
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            let _ = Answer::decode(&bytes);
            let plain = [&[VERSION], &*zstd::bulk::compress(&bytes, LEVEL).unwrap()].concat();
            let _ = Answer::decode(&plain);
        }
    }

    #[test]
    fn an_answer_of_another_version_is_refused() {
        let mut bytes = encoded(Reply::Series(Vec::new()));
        bytes[0] += 1;
        assert!(Answer::decode(&bytes).unwrap_err().contains("another version"));
    }

    #[test]
    fn times_that_do_not_rise_are_no_samples() {
        let sent = |times: Vec<i64>| {
            let mut reply = serde_json::json!({
                "series": {"metric": "m", "kind": "gauge", "type": "u64", "unit": "1", "quality": "measured",
                    "resource_kind": "", "resource_id": "", "consumer_kind": "", "consumer_id": "", "attributes": []},
                "values": [{"U64": [1, 2]}],
            });
            reply["times"] = times.into();
            SeriesSamples::try_from(serde_json::from_value::<Columns>(reply).unwrap())
        };
        assert_eq!(sent(vec![5, -4]).unwrap().times[1].as_nanos(), 6);
        assert!(sent(vec![5, -5]).is_err() && sent(vec![5]).is_err());
    }
}
