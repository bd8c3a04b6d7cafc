//! The page for people, at `/`: the files in `page/`, which are part of the program.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::compression::CompressionLayer;

use crate::state::Api;

/// The page loads nothing from elsewhere, is part of no other page, and runs nothing that is not a file of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// Files below `page/`, by their type.
macro_rules! files {
    ($($content_type:ident: $($name:literal)+;)+) => {
        &[$($(File {
            path: concat!("/page/", $name),
            content_type: $content_type,
            content: include_bytes!(concat!("../page/", $name)),
        },)+)+]
    };
}

const INDEX: File = File {
    path: "/",
    content_type: HTML,
    content: include_bytes!("../page/index.html"),
};

const FILES: &[File] = files! {
    CSS: "style.css" "vendor/uPlot.min.css";
    SCRIPT: "api.js" "colors.js" "consumers.js" "dialogs.js" "dom.js" "format.js" "main.js" "names.js" "plot.js" "section.js"
        "shortcuts.js" "state.js" "table.js" "theme.js" "toolbar.js" "vendor/uPlot.iife.min.js" "views/energy.js"
        "views/gpus.js" "views/nodes.js" "views/pipeline.js";
    SVG: "icon.svg";
    TEXT: "vendor/uPlot-LICENSE";
};

/// The page and its files. Whoever may connect gets them: they tell nothing of what is stored.
pub(crate) fn routes() -> Router<Api> {
    let mut router = Router::new();
    for file in FILES.iter().chain([&INDEX]) {
        let tag = tag_of(file.content);
        let answer = move |headers: HeaderMap| std::future::ready(answer(file, &tag, &headers));
        router = router.route(file.path, get(answer));
    }
    router.layer(CompressionLayer::new())
}

/// A weak tag, for a file has the same in each encoding.
fn tag_of(content: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let hash = hasher.finish();
    HeaderValue::try_from(format!("W/\"{hash:016x}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""))
}

fn answer(file: &File, tag: &HeaderValue, request: &HeaderMap) -> Response {
    let headers = [
        // A browser asks whether its copy is that of this program.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ETAG, tag.clone()),
        (CONTENT_TYPE, HeaderValue::from_static(file.content_type)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let known = request.get_all(IF_NONE_MATCH).iter();
    let mut known = known
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','));
    if known.any(|one| one.trim().as_bytes() == tag.as_bytes()) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, file.content).into_response()
    }
}
