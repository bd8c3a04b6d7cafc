//! Answers that have not changed are not made again.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::scoped::Scope;
use crate::state::Api;

/// A layer around what is answered from the store. The tag of an answer stands for the state of the store, the question, the form
/// of the answer and what whoever asks may see; and, unless the end of the range is given, for the second.
pub(crate) async fn unless_changed(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Some(tag) = tag(&api, &request) else {
        return next.run(request).await;
    };
    if is_known(request.headers(), &tag) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response();
    }
    let mut response = next.run(request).await;
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_stream = content_type.is_some_and(|found| found.as_bytes().starts_with(b"text/event-stream"));
    if response.status() == StatusCode::OK && !is_stream {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn tag(api: &Api, request: &Request) -> Option<HeaderValue> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let generation = api.whole_backend().ok()?.generation()?;
    let second = (!is_about_the_past(request.uri())).then(|| api.now().as_nanos() / 1_000_000_000);
    // What a store counts may begin again with the program.
    let mut hasher = DefaultHasher::new();
    (generation, second, api.started(), request.uri()).hash(&mut hasher);
    request.headers().get(ACCEPT).hash(&mut hasher);
    request.extensions().get::<Scope>()?.hash(&mut hasher);
    weak(&hasher)
}

/// Weak, because it is the same for an answer that is compressed.
pub(crate) fn weak(hasher: &DefaultHasher) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("W/\"{:016x}\"", hasher.finish())).ok()
}

/// Whether the end of the range does not move with the time.
fn is_about_the_past(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let mut parameters = query.split('&');
    let has_end = parameters.any(|parameter| {
        ["to=", "end_time=", "end=", "time="]
            .iter()
            .any(|end| parameter.starts_with(end))
    });
    has_end && !query.contains("now")
}

/// Whether a client has it already (RFC 9110, section 13.1.2).
pub(crate) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).into_iter();
    let mut known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    known.any(|known| known.trim().as_bytes() == tag.as_bytes())
}
