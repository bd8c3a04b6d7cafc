//! The OpenAPI document, and Swagger UI, which shows it.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::openapi::OpenApi as Document;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::state::Api;

/// Where the document is; the others are paths that clients of earlier APIs know.
const PATHS: [&str; 3] = ["/openapi.json", "/swagger.json", "/swagger/doc.json"];

/// The document and what shows it.
pub(crate) fn routes(document: &Document) -> Router<Api> {
    let json = Bytes::from(written(document));
    let answer = move || {
        let json = json.clone();
        async move { ([(CONTENT_TYPE, "application/json")], json) }
    };
    // Without this, it would ask a server of its makers whether the document is valid.
    let shown = Config::from(PATHS[0]).validator_url("none");
    let routes = Router::from(SwaggerUi::new("/swagger").config(shown));
    PATHS
        .into_iter()
        .fold(routes, |routes, path| routes.route(path, get(answer.clone())))
}

fn written(document: &Document) -> String {
    // Maps with texts as keys can always be written.
    document.to_pretty_json().unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use crate::routes::documented;

    use super::*;

    #[test]
    fn the_committed_document_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let (_, document) = documented();
        let made = written(&document);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == made,
            "{path} is out of date: `UPDATE=1 cargo test -p alumet-plugin-rest-api --lib the_committed_document` writes it"
        );
    }

    #[test]
    fn the_document_says_what_its_readers_need() {
        let (_, document) = documented();
        let document: serde_json::Value = serde_json::from_str(&written(&document)).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path}");
                assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            }
        }
    }
}
