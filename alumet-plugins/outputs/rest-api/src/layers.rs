//! What is done to every request and answer.

use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::config::{Config, Cors};
use crate::error::ApiError;

/// How large the body of a request may be: a long query in a form, or some thousand records.
const BODY: usize = 1 << 20;
/// How much later than a question itself its request ends.
const GRACE: Duration = Duration::from_secs(1);
/// Says that a limit was too large, and what it was taken for.
pub(crate) const LIMIT_CLAMPED: HeaderName = HeaderName::from_static("x-limit-clamped");
/// Says what an answer lacks.
pub(crate) const MISSING: HeaderName = HeaderName::from_static("x-missing");
/// Scripts and styles are the server's own files, and nobody shows its pages within theirs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes, with all of it around them.
pub(crate) fn around(routes: Router, config: &Config) -> Router {
    let timeout = *config.query.timeout + GRACE;
    // All in one: each layer of its own would put every request and its answer in one more box.
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(with_care))
        .option_layer(config.cors.as_ref().map(cors_layer))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(in_words))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            timeout,
        ))
        .layer(RequestBodyLimitLayer::new(BODY));
    routes.layer(layers)
}

fn cors_layer(cors: &Cors) -> CorsLayer {
    // The configuration was checked: nothing is left out.
    let origins = cors.allowed_origins.iter();
    let origins = match origins.clone().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    let methods = cors
        .allowed_methods
        .iter()
        .filter_map(|method| method.parse().ok());
    let headers = cors
        .allowed_headers
        .iter()
        .filter_map(|header| header.parse().ok());
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods.collect::<Vec<_>>())
        .allow_headers(headers.collect::<Vec<HeaderName>>())
        .expose_headers([ETAG, LIMIT_CLAMPED, MISSING])
}

/// Gives each error a body as all errors have it.
async fn in_words(request: Request, next: Next) -> Response {
    /// More is no message.
    const MESSAGE: usize = 1 << 10;
    let response = next.run(request).await;
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_plain = content_type.is_none_or(|found| found.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_plain {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, MESSAGE).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let message = match status {
        StatusCode::PAYLOAD_TOO_LARGE => format!("the body of a request has at most {BODY} bytes"),
        StatusCode::GATEWAY_TIMEOUT => "there was no answer in time".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => {
            "the method is not allowed here; `Allow` names those that are".to_owned()
        }
        _ if text.is_empty() => "the request cannot be answered".to_owned(),
        _ => text.into_owned(),
    };
    let said = ApiError::new(status, message).into_response();
    let (said, body) = said.into_parts();
    // What it says about itself counts, but for what it was.
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.extend(said.headers);
    Response::from_parts(parts, body)
}

/// Says to browsers what they must not do with an answer.
async fn with_care(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        // Of a browser's own user, and to be asked for again.
        (CACHE_CONTROL, "private, no-cache"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
