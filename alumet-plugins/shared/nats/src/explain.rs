//! What went wrong with a server, and how to mend it.

use std::error::Error;

use alumet_shared_trust::{TlsConfig, explain_client};
use async_nats::jetstream::ErrorCode;
use async_nats::{ConnectError, ConnectErrorKind};

/// Why no connection stands with one of `servers`.
pub(crate) fn not_connected(error: &ConnectError, servers: &str, tls: Option<&TlsConfig>) -> String {
    let default = TlsConfig::default();
    let by_tls = || explain_client(error, tls.unwrap_or(&default));
    let reason = match error.kind() {
        ConnectErrorKind::AuthorizationViolation => {
            "it does not let this program in; check `username` and `password_file`, `token_file`, `nkey_file` or \
             `credentials_file`"
                .to_owned()
        }
        ConnectErrorKind::Authentication => {
            "the key in `nkey_file` or `credentials_file` cannot be used; name a file with a seed that begins with `SU`".to_owned()
        }
        ConnectErrorKind::Dns => format!("{}; check the name of the host", with_causes(error)),
        ConnectErrorKind::TimedOut => "it does not answer; check that nothing between blocks it, and that it speaks NATS".to_owned(),
        _ => by_tls().unwrap_or_else(|| {
            format!("{}; check that it runs there and that nothing between blocks it", with_causes(error))
        }),
    };
    format!("no NATS server could be used at {servers}: {reason}")
}

/// What a server refuses to do with the stream `name`, by the code of its answer, which says `said`.
pub fn refused(code: ErrorCode, said: &str, name: &str) -> String {
    let mend = match code {
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
            "; start it with `-js`, or allow JetStream for the account"
        }
        ErrorCode::INSUFFICIENT_RESOURCES | ErrorCode::STORAGE_RESOURCES_EXCEEDED => {
            "; make room, or set `stream.max_bytes` to less"
        }
        ErrorCode::STREAM_SUBJECT_OVERLAP => {
            "; choose other `stream.subjects`, or the name of the stream that has them"
        }
        _ => "",
    };
    format!(
        "the NATS server refuses the stream {name}: {said} (code {}){mend}",
        code.0
    )
}

/// An error and its causes, each of which it does not say itself.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
