//! The page for people, at `/`: the files in `page/`, which are part of the program.

use std::hash::{DefaultHasher, Hash};

use axum::Router;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::etag::{is_known, weak};
use crate::state::Api;

/// A file of the page.
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

const INDEX: File = File {
    path: "/",
    content_type: "text/html; charset=utf-8",
    content: include_bytes!("../page/index.html"),
};

/// Files in `page/`, by their type.
macro_rules! files {
    ($($content_type:ident: $($name:literal)+;)+) => {
        &[$($(File {
            path: concat!("/page/", $name),
            content_type: $content_type,
            content: include_bytes!(concat!("../page/", $name)),
        },)+)+]
    };
}

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
    let files = FILES.iter().chain([&INDEX]);
    files.fold(Router::new(), |router, file| {
        let tag = tag(file.content);
        let answer = move |headers: HeaderMap| std::future::ready(answer(file, tag, &headers));
        router.route(file.path, get(answer))
    })
}

fn answer(file: &File, tag: Option<HeaderValue>, request: &HeaderMap) -> Response {
    let mut response = match &tag {
        Some(tag) if is_known(request, tag) => StatusCode::NOT_MODIFIED.into_response(),
        _ => ([(CONTENT_TYPE, file.content_type)], file.content).into_response(),
    };
    response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
    response
}

/// A name for just this content.
fn tag(content: &[u8]) -> Option<HeaderValue> {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    weak(&hasher)
}
