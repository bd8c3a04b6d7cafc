//! The way to the engine: HTTP over a Unix socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::message::{self, Event};
use crate::trouble::Trouble;

/// A request, and how it is called in what people read.
#[derive(Clone, Copy)]
struct Question {
    uri: &'static str,
    name: &'static str,
}

const LIST: Question = Question {
    uri: "/containers/json",
    name: "GET /containers/json",
};

/// With `filters={"type":["container"],"event":["create","start","rename","destroy","remove"]}`: health checks and commands in
/// containers would be a stream of events that are of no use here.
const EVENTS: Question = Question {
    uri: "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%22rename%22%2C\
          %22destroy%22%2C%22remove%22%5D%7D",
    name: "GET /events",
};

/// How long an answer to a list may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a list may be: ten thousand containers with many labels.
const LONGEST_LIST: usize = 64 << 20;
/// How long an event may be.
const LONGEST_EVENT: usize = 1 << 20;

/// An answer, with the connection that it comes over.
struct Answer {
    body: Incoming,
    _sender: SendRequest<Empty<Bytes>>,
    _connection: AbortOnDropHandle<()>,
}

/// The list of containers, as the engine writes it.
pub(super) async fn list(path: &Path) -> Result<Vec<u8>, Trouble> {
    let whole = async {
        let mut answer = ask(path, LIST).await?;
        let mut list = Vec::new();
        while let Some(chunk) = answer.chunk(path).await? {
            if list.len() + chunk.len() > LONGEST_LIST {
                return Err(nonsense(
                    path,
                    format_args!("a list of more than {LONGEST_LIST} bytes"),
                ));
            }
            list.extend_from_slice(&chunk);
        }
        Ok(list)
    };
    let silent = |_| Trouble::Silent {
        path: path.to_path_buf(),
        limit: LIMIT,
    };
    timeout(LIMIT, whole).await.map_err(silent)?
}

/// Sends on what happens, until the engine or the receiver has enough.
pub(super) async fn events(path: PathBuf, runtime: &'static str, sender: Sender<Result<Event, Trouble>>) {
    if let Err(trouble) = read_events(&path, runtime, &sender).await {
        // Without a receiver nobody wants to know.
        let _ = sender.send(Err(trouble)).await;
    }
}

async fn read_events(
    path: &Path,
    runtime: &'static str,
    sender: &Sender<Result<Event, Trouble>>,
) -> Result<(), Trouble> {
    let mut answer = ask(path, EVENTS).await?;
    if sender.send(Ok(Event::Begun)).await.is_err() {
        return Ok(());
    }
    let mut line = Vec::new();
    while let Some(chunk) = answer.chunk(path).await? {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            if line.len() + part.len() > LONGEST_EVENT {
                return Err(nonsense(
                    path,
                    format_args!("an event of more than {LONGEST_EVENT} bytes"),
                ));
            }
            line.extend_from_slice(part);
            if !part.ends_with(b"\n") {
                continue;
            }
            let text = line.trim_ascii();
            let event = match text {
                b"" => None,
                text => message::event(text, runtime).map_err(|error| nonsense(path, error))?,
            };
            line.clear();
            if let Some(event) = event
                && sender.send(Ok(event)).await.is_err()
            {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn ask(path: &Path, question: Question) -> Result<Answer, Trouble> {
    let stream = UnixStream::connect(path)
        .await
        .map_err(|error| Trouble::io(path, error))?;
    let broken = |error: hyper::Error| broken(path, error);
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Its errors are those of the answer.
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let request = Request::get(question.uri)
        .header(HOST, "docker")
        .body(Empty::new())
        .map_err(|error| nonsense(path, error))?;
    let response = sender.send_request(request).await.map_err(broken)?;
    if response.status() != StatusCode::OK {
        return Err(Trouble::Refused {
            path: path.to_path_buf(),
            request: question.name,
            status: response.status().as_u16(),
        });
    }
    Ok(Answer {
        body: response.into_body(),
        _sender: sender,
        _connection: connection,
    })
}

impl Answer {
    /// The next part; `None` at the end.
    async fn chunk(&mut self, path: &Path) -> Result<Option<Bytes>, Trouble> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(|error| broken(path, error))?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

fn broken(path: &Path, error: hyper::Error) -> Trouble {
    if error.is_parse() {
        return nonsense(path, error);
    }
    if error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || error.is_body_write_aborted()
    {
        return Trouble::Closed {
            path: path.to_path_buf(),
        };
    }
    Trouble::io(path, io::Error::other(error))
}

fn nonsense(path: &Path, detail: impl ToString) -> Trouble {
    Trouble::Nonsense {
        path: path.to_path_buf(),
        detail: detail.to_string(),
    }
}
