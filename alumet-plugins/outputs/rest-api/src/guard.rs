//! Who may ask: tokens, and how often.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use alumet_shared_trust::{Reloading, open_to_others};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::Config;
use crate::error::ApiError;
use crate::pace::{Client, Pace};
use crate::scoped::Scope;
use crate::tokens::{TokenError, Tokens};

/// Lets requests through, with what whoever asks may see.
#[derive(Clone)]
pub(crate) struct Guard(Arc<Inner>);

struct Inner {
    /// Without it, everybody may see everything.
    tokens: Option<Reloading<Arc<Tokens>, TokenError>>,
    pace: Option<Pace>,
    /// Whether it must be asked under a name of this machine: where nothing else keeps strangers out.
    is_private: bool,
}

impl Guard {
    /// As the configuration says.
    ///
    /// # Errors
    /// Why the file with the tokens cannot be used.
    pub(crate) fn new(config: &Config) -> Result<Self, TokenError> {
        let tokens = config.tokens_file.as_deref().map(tokens).transpose()?;
        Ok(Self(Arc::new(Inner {
            tokens,
            pace: config.requests_per_second.map(Pace::new),
            is_private: config.tokens_file.is_none() && !config.insecure && config.is_for_this_machine(),
        })))
    }

    fn admit(&self, headers: &HeaderMap, peer: SocketAddr) -> Result<Scope, ApiError> {
        if self.0.is_private && !names_this_machine(headers) {
            return Err(another_name());
        }
        let tokens = self.0.tokens.as_ref().map(Reloading::current);
        let (client, scope) = match &tokens {
            None => (None, Some(Scope::new([]))),
            Some(tokens) => presented(headers)
                .and_then(|token| tokens.find(token))
                .map(|(name, scope)| (Client::Named(Arc::clone(name)), scope.clone()))
                .unzip(),
        };
        if let Some(pace) = &self.0.pace {
            let client = client.unwrap_or_else(|| Client::at(peer.ip()));
            if !pace.admits(client, Instant::now()) {
                return Err(too_many());
            }
        }
        scope.ok_or_else(unauthorized)
    }
}

/// A layer around what only some may ask for.
pub(crate) async fn admit(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    match guard.admit(request.headers(), peer) {
        Ok(scope) => {
            request.extensions_mut().insert(scope);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn tokens(path: &Path) -> Result<Reloading<Arc<Tokens>, TokenError>, TokenError> {
    if let Ok(Some(mode)) = open_to_others(path) {
        tracing::warn!(
            path = %path.display(), mode,
            "other users may read or write the file with the tokens; set its mode to 0600"
        );
    }
    let file = path.to_owned();
    Reloading::new(vec![path.to_owned()], move || Tokens::read(&file).map(Arc::new))
}

/// The token that comes with a request (RFC 6750, section 2.1).
fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the server is asked under a name that can only mean this machine. A page from elsewhere could have a name of its own
/// that means 127.0.0.1 (DNS rebinding), and the browser would let it read the answers.
fn names_this_machine(headers: &HeaderMap) -> bool {
    // Only browsers matter, and they all say it.
    let Some(host) = headers.get(HOST) else {
        return true;
    };
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        let address = name.parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

fn another_name() -> ApiError {
    let message = "this server is for its own machine: ask it as `localhost`, or set `plugins.rest-api.tokens_file`, or \
                   `insecure = true` if a proxy in front of it keeps strangers out";
    ApiError::new(StatusCode::MISDIRECTED_REQUEST, message)
}

fn unauthorized() -> ApiError {
    let message = "a token is needed: send `Authorization: Bearer TOKEN` with one that the server knows";
    ApiError::new(StatusCode::UNAUTHORIZED, message)
}

fn too_many() -> ApiError {
    let message = "too many requests: ask less often; `plugins.rest-api.requests_per_second` is the limit";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
}
