//! Why samples cannot be sent at the moment, and what to do about it.

use std::error::Error;
use std::fmt::Display;

use alumet_relay_protocol::checksum::is_sealed;
use tonic::{Code, Status};

/// Why there is no session with a server, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// It may work at the next attempt.
    #[error("{0}")]
    Passing(String),
    /// Somebody must do something before it can work: it need not be tried often.
    #[error("{0}")]
    NeedsPeople(String),
    /// Another machine has the same spool.
    #[error("{0}")]
    Copied(String),
}

impl SessionError {
    /// The connection broke.
    pub(crate) fn broken(server: &str, reason: impl Display) -> Self {
        Self::Passing(format!("the connection to {server} broke: {reason}"))
    }

    /// The server does not keep to the protocol.
    pub(crate) fn protocol(server: &str, reason: impl Display) -> Self {
        Self::Passing(format!("{server} does not keep to the protocol: {reason}"))
    }

    /// Something that the configuration names, such as a file, cannot be used.
    pub(crate) fn unusable(error: impl Error) -> Self {
        Self::NeedsPeople(with_sources(&error.to_string(), &error))
    }

    /// The time for stopping is over.
    pub(crate) fn stopped() -> Self {
        Self::Passing("the program ends".to_owned())
    }

    /// A session ended with a status.
    pub(crate) fn of_status(server: &str, status: &Status) -> Self {
        let message = status.message();
        match status.code() {
            // It has consequences, so it must not be another refusal that was damaged on its way.
            Code::AlreadyExists if is_sealed(status) => Self::Copied(format!("{server} says: {message}")),
            // These are made here when the connection breaks, with the reason as their source.
            Code::Unknown | Code::Internal | Code::Unavailable | Code::Cancelled => {
                Self::broken(server, with_sources(message, status))
            }
            code => {
                let (advice, needs_people) = advice(code);
                let text = format!("{server} refuses: {message}{advice}");
                if needs_people {
                    Self::NeedsPeople(text)
                } else {
                    Self::Passing(text)
                }
            }
        }
    }
}

/// What can be done about a refusal, unless the sentence of the server says it, and whether somebody must do it.
const fn advice(code: Code) -> (&'static str, bool) {
    match code {
        Code::Unauthenticated => (
            "; set `token` or `token_file`, or `tls.certificate` and `tls.key`, to what the server knows this node by",
            true,
        ),
        Code::PermissionDenied => (
            "; `client_name` must be the name that the token or the certificate was issued for",
            true,
        ),
        Code::FailedPrecondition => ("; the versions of agent and server must fit together", true),
        Code::Unimplemented | Code::NotFound => ("; check that it is a relay server", true),
        Code::ResourceExhausted => ("; samples wait here until there is room", false),
        _ => ("", false),
    }
}

/// The sentence with the causes of an error, each named once.
pub(crate) fn with_sources(message: &str, error: &dyn Error) -> String {
    let mut text = message.to_owned();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use alumet_relay_protocol::checksum::sealed_status;

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
            assert_eq!(
                matches!(error, SessionError::NeedsPeople(_)),
                needs_people,
                "{code}"
            );
        }
    }

    #[test]
    fn a_broken_connection_tells_its_cause() {
        let cause = io::Error::new(io::ErrorKind::ConnectionReset, "reset by peer");
        let error = SessionError::of_status("s:1", &Status::from_error(Box::new(cause)));
        assert_eq!(error.to_string(), "the connection to s:1 broke: reset by peer");
        assert!(matches!(error, SessionError::Passing(_)));
    }

    #[test]
    fn a_server_that_noticed_a_copy_is_quoted() {
        let error = SessionError::of_status("s:1", &sealed_status(Code::AlreadyExists, "two nodes"));
        assert!(matches!(error, SessionError::Copied(_)));
        assert_eq!(error.to_string(), "s:1 says: two nodes");
        let damaged = SessionError::of_status("s:1", &Status::already_exists("the server stops"));
        assert!(matches!(damaged, SessionError::Passing(_)));
    }
}
