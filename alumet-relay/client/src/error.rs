//! Why samples cannot be sent at the moment, and what to do about it.

use std::time::Duration;

use alumet_core::Failure;
use alumet_core::plugin::Faults;
use alumet_relay_protocol::tokens::TokenError;
use alumet_shared_trust::TlsError;
use tonic::{Code, Status};

/// Why there is no session with a server, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// Nobody answers.
    #[error(
        "cannot connect to {server} ({reason}); check that the relay server runs there and that nothing between blocks it"
    )]
    Connect { server: String, reason: String },
    /// Nobody answers in time.
    #[error(
        "{server} has not accepted the session within {} s; check that a relay server listens there and that \
         nothing between blocks it",
        .after.as_secs_f64()
    )]
    ConnectTimeout { server: String, after: Duration },
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// TLS was not agreed on.
    #[error("no trusted connection to {server}: {reason}")]
    Tls { server: String, reason: String },
    /// What listens there speaks something else.
    #[error(
        "{server} accepts connections but speaks no HTTP/2; check that it is a relay server, and whether it wants TLS"
    )]
    NoHttp2 { server: String, source: hyper::Error },
    /// The server has said no.
    #[error("{server} refuses: {message}{}", advice(*.code))]
    Refused {
        server: String,
        code: Code,
        message: String,
    },
    /// The connection broke.
    #[error("the connection to {server} broke: {reason}")]
    Broken { server: String, reason: String },
    /// Nothing is acknowledged.
    #[error(
        "{server} has acknowledged nothing for {} s although {records} batches were sent; its disk or one of its \
         outputs may be stuck",
        .after.as_secs_f64()
    )]
    AckTimeout {
        server: String,
        after: Duration,
        records: usize,
    },
    /// The server does not keep to the protocol.
    #[error("{server} does not keep to the protocol: {reason}")]
    Protocol { server: String, reason: String },
    /// The server takes less than what must be sent.
    #[error(
        "the names of the series need a message of {bytes} bytes, but {server} takes only {limit}; raise \
         `max_message_bytes` in its configuration"
    )]
    TooLarge { server: String, bytes: u64, limit: u64 },
    /// Two machines have the same spool.
    #[error(transparent)]
    Copied(#[from] Copied),
    /// The spool cannot be read.
    #[error("{0}")]
    Spool(Failure),
    /// The time for stopping is over.
    #[error("the program ends")]
    Stopped,
}

/// Why the output cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Faults),
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The name of the host cannot be that of the node.
    #[error("the name of this host cannot be that of a node: {0}; set `client_name`")]
    HostName(String),
    /// Nothing is kept until it is acknowledged.
    #[error("there is no spool, in which samples wait until they are acknowledged; set `spool.path`")]
    NoSpool,
    /// There are no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Somebody else sends as the same instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Copied {
    /// The server has more than was ever sent from here.
    #[error("{server} has batches up to {stored} of this spool, which never had that many")]
    Ahead { server: String, stored: u64 },
    /// The server has something else.
    #[error("{server} has another batch {sequence} than this spool")]
    Differs { server: String, sequence: u64 },
    /// The server has noticed it.
    #[error("{server} says: {message}")]
    Said { server: String, message: String },
}

impl SessionError {
    /// A session ended with a status.
    pub(crate) fn of_status(server: &str, status: &Status) -> Self {
        let server = server.to_owned();
        let message = status.message().to_owned();
        match status.code() {
            Code::AlreadyExists => Self::Copied(Copied::Said { server, message }),
            // These are made here when the connection breaks, with the reason as their source.
            Code::Unknown | Code::Internal | Code::Unavailable | Code::Cancelled => Self::Broken {
                server,
                reason: with_sources(&message, status),
            },
            code => Self::Refused {
                server,
                code,
                message,
            },
        }
    }

    /// The sentence with its causes.
    pub(crate) fn explain(&self) -> String {
        with_sources(&self.to_string(), self)
    }

    /// Whether somebody must do something before it can work: it need not be tried often.
    pub(crate) const fn needs_people(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(
                code,
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::FailedPrecondition
                    | Code::Unimplemented
                    | Code::NotFound
            ),
            Self::Files(_)
            | Self::Token(_)
            | Self::Tls { .. }
            | Self::NoHttp2 { .. }
            | Self::TooLarge { .. }
            | Self::Copied(_) => true,
            _ => false,
        }
    }
}

/// What can be done about a refusal, unless the sentence of the server says it.
const fn advice(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => {
            "; set `token` or `token_file`, or `tls.certificate` and `tls.key`, to what the server knows this node by"
        }
        Code::PermissionDenied => {
            "; `client_name` must be the name that the token or the certificate was issued for"
        }
        Code::FailedPrecondition => "; the versions of agent and server must fit together",
        Code::Unimplemented | Code::NotFound => "; check that it is a relay server",
        Code::ResourceExhausted => "; samples wait here until there is room",
        _ => "",
    }
}

fn with_sources(message: &str, error: &dyn std::error::Error) -> String {
    let mut text = message.to_owned();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn refusals_say_what_to_do_and_whether_it_is_worth_trying_often() {
        for (code, word, needs_people) in [
            (Code::Unauthenticated, "token_file", true),
            (Code::PermissionDenied, "client_name", true),
            (Code::FailedPrecondition, "versions", true),
            (Code::Unimplemented, "relay server", true),
            (Code::ResourceExhausted, "until there is room", false),
            (Code::InvalidArgument, "a sentence", false),
            (Code::Aborted, "a sentence", false),
        ] {
            let error = SessionError::of_status("s:1", &Status::new(code, "a sentence"));
            let text = error.to_string();
            assert!(
                text.starts_with("s:1 refuses: a sentence") && text.contains(word),
                "{text}"
            );
            assert_eq!(error.needs_people(), needs_people, "{code}");
        }
    }

    #[test]
    fn a_broken_connection_tells_its_cause() {
        let cause = io::Error::new(io::ErrorKind::ConnectionReset, "reset by peer");
        let error = SessionError::of_status("s:1", &Status::from_error(Box::new(cause)));
        assert_eq!(error.to_string(), "the connection to s:1 broke: reset by peer");
        assert!(!error.needs_people());
    }

    #[test]
    fn a_server_that_noticed_a_copy_is_quoted() {
        let error = SessionError::of_status("s:1", &Status::already_exists("two nodes"));
        assert!(matches!(error, SessionError::Copied(_)));
        assert_eq!(error.to_string(), "s:1 says: two nodes");
    }
}
