//! The stream on the servers.

use alumet_core::Failure;
use async_nats::jetstream::Context;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType, Stream};

use crate::config::StreamConfig;
use crate::explain::{refused, with_causes};

/// The stream, which is made if there is none.
pub(crate) async fn find_or_make(context: &Context, wanted: &StreamConfig) -> Result<Stream, Failure> {
    let name = &wanted.name;
    let error = match context.get_stream(name).await {
        Ok(stream) => {
            let differences = differences(wanted, &stream.cached_info().config);
            if !differences.is_empty() {
                tracing::warn!(
                    stream = name,
                    differences = differences.join(", "),
                    "the stream is there and differs from the configuration; it is used as it is. Change either of them"
                );
            }
            return Ok(stream);
        }
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
        GetStreamErrorKind::JetStream(error) => {
            return Err(Failure::retry(refused(
                error.error_code(),
                &error.to_string(),
                name,
            )));
        }
        _ => return Err(no_answer(name, &error)),
    }
    let made = context
        .create_stream(of_server(wanted))
        .await
        .map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStream(error) => {
                Failure::retry(refused(error.error_code(), &error.to_string(), name))
            }
            _ => no_answer(name, &error),
        })?;
    tracing::info!(stream = name, subjects = ?wanted.subjects, "the stream is made");
    Ok(made)
}

fn no_answer(name: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::retry(format!(
        "the NATS server does not say anything about the stream {name} ({}); start it with `-js`, wait until its cluster has a \
         leader, or let the user publish to `$JS.API.>`",
        with_causes(error)
    ))
}

fn of_server(wanted: &StreamConfig) -> Config {
    // Zero is no limit here, and -1 there.
    let limit = |limit: i64| if limit == 0 { -1 } else { limit };
    Config {
        name: wanted.name.clone(),
        subjects: wanted.subjects.clone(),
        num_replicas: wanted.replicas,
        max_messages_per_subject: limit(wanted.max_msgs_per_subject.into()),
        max_messages: -1,
        max_bytes: limit(i64::try_from(wanted.max_bytes.0).unwrap_or(i64::MAX)),
        max_age: *wanted.max_age,
        max_consumers: -1,
        duplicate_window: *wanted.duplicate_window,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        description: Some("Samples of Alumet".to_owned()),
        ..Config::default()
    }
}

/// The keys in which a stream differs from what is wanted.
fn differences(wanted: &StreamConfig, found: &Config) -> Vec<&'static str> {
    let wanted = of_server(wanted);
    // Servers say "no limit" in two ways.
    let limit = |limit: i64| limit.max(0);
    [
        ("subjects", wanted.subjects == found.subjects),
        ("replicas", wanted.num_replicas == found.num_replicas),
        (
            "max_msgs_per_subject",
            limit(wanted.max_messages_per_subject) == limit(found.max_messages_per_subject),
        ),
        ("max_bytes", limit(wanted.max_bytes) == limit(found.max_bytes)),
        ("max_age", wanted.max_age == found.max_age),
        (
            "duplicate_window",
            wanted.duplicate_window == found.duplicate_window,
        ),
    ]
    .into_iter()
    .filter_map(|(key, is_equal)| (!is_equal).then_some(key))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_differs_in_what_it_keeps_and_not_in_how_no_limit_is_written() {
        let wanted = StreamConfig::default();
        let mut found = of_server(&wanted);
        found.max_bytes = 0;
        assert!(differences(&wanted, &found).is_empty());
        found.subjects.push("more".to_owned());
        found.max_messages_per_subject = 5;
        assert_eq!(differences(&wanted, &found), ["subjects", "max_msgs_per_subject"]);
    }
}
