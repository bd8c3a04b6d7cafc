//! Why there is no answer, in words.

use std::error::Error;

use alumet_shared_trust::explain_client;

use crate::config::HttpConfig;

/// What has happened to a request to `server`, and what to do about it. Without the address that was asked for, which may
/// hold secrets.
pub(crate) fn explain(
    error: reqwest::Error,
    server: &str,
    is_tls: bool,
    is_grpc: bool,
    config: &HttpConfig,
) -> String {
    let error = error.without_url();
    if error.is_timeout() && error.is_connect() {
        return format!(
            "no connection to {server} within {}; check that nothing between blocks it",
            config.connect_timeout
        );
    }
    if error.is_timeout() {
        return format!(
            "{server} has not answered within {}; find out what keeps it busy, or raise `timeout`",
            config.timeout
        );
    }
    if let Some(reason) = explain_client(&error, &config.tls) {
        return format!("no trusted connection to {server}: {reason}");
    }
    let cause = causes(&error).last().map(ToString::to_string).unwrap_or_default();
    if error.is_connect() {
        return format!(
            "cannot connect to {server} ({cause}); check that it runs there and that nothing between blocks it"
        );
    }
    let no_http = causes(&error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse);
    let or_tls = if is_tls {
        ""
    } else {
        ", and write `https://` if it wants TLS"
    };
    if no_http {
        return format!("{server} does not speak HTTP ({cause}); check the port{or_tls}");
    }
    let spoken = if is_grpc { "gRPC" } else { "HTTP/1.1" };
    format!(
        "the connection to {server} broke ({cause}); it is made anew, but check that {spoken} is spoken there{or_tls}"
    )
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
