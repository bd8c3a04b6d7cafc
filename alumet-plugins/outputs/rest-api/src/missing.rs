//! What answers lack, because not all who have the series can be asked now.

use axum::extract::{Request, State};
use axum::http::header::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

use crate::layers::MISSING;
use crate::state::Api;

/// More is no header.
const LONGEST: usize = 1 << 10;

/// A layer around what is answered from the store: gives the question its budget, and says in a header what the answer lacks.
pub(crate) async fn say_what_is_missing(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Response {
    let budget = api.budget();
    request.extensions_mut().insert(budget.clone());
    let mut response = next.run(request).await;
    let missing = budget.missing().join("; ");
    if !missing.is_empty() {
        let visible = |c: char| {
            if c.is_ascii() && !c.is_ascii_control() {
                c
            } else {
                '?'
            }
        };
        let text: String = missing.chars().map(visible).take(LONGEST).collect();
        let header = HeaderValue::from_str(&text).ok();
        response.headers_mut().extend(header.map(|text| (MISSING, text)));
    }
    response
}
