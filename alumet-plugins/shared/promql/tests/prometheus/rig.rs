//! The API as a server, and a client that says just what a test wants.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use alumet_shared_promql::{Api, routes};
use alumet_shared_query::Limits;
use alumet_shared_query::testkit::Listed;
use axum::{Extension, Router};
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The API at a port of this machine, until it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) backend: Arc<Listed>,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(backend: Listed, limits: Limits) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let backend = Arc::new(backend);
        let api = Api {
            backend: Arc::clone(&backend) as Arc<_>,
            naming: Default::default(),
            limits,
        };
        let router = Router::new().nest("/prometheus", routes()).layer(Extension(api));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            port,
            backend,
            _runtime: runtime,
        }
    }

    /// Asks an endpoint.
    pub(crate) fn get(&self, path: &str) -> (u16, Json) {
        get(self.port, &format!("/prometheus/api/v1/{path}"))
    }

    /// Sends a form to an endpoint.
    pub(crate) fn post(&self, path: &str, form: &str) -> (u16, Json) {
        let head = format!(
            "POST /prometheus/api/v1/{path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        ask(self.port, &head)
    }
}

pub(crate) fn get(port: u16, path: &str) -> (u16, Json) {
    ask(port, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

fn ask(port: u16, request: &str) -> (u16, Json) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|_| panic!("{text} is no answer to {request}"));
    (status, body)
}

/// Any text in an address.
pub(crate) fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
