//! An API server, and a kubelet, of which a test can ask anything.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::{Mutex, MutexGuard};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// A server on this machine. It lives as long as the test program.
pub(crate) struct Server {
    address: SocketAddr,
    is_tls: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    version: u64,
    pods: Vec<Value>,
    /// The lines of the watch with their versions.
    events: Vec<(u64, String)>,
    /// What is older is not remembered.
    compacted: u64,
    watches: Vec<Sender<Step>>,
    requests: Vec<Request>,
    /// The only token that is good.
    token: Option<String>,
    /// Where it is written when another one comes.
    token_file: Option<PathBuf>,
    /// What is answered to all for now: the head after `HTTP/1.1 `, and the body.
    refusal: Option<(String, String)>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What follows `GET`.
    pub(crate) path: String,
    /// The header `authorization`.
    pub(crate) authorization: String,
}

/// What happens to a watch next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// These bytes are sent.
    Send(String),
    /// It ends as it should.
    End,
    /// The connection breaks.
    Break,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Server {
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0", None)
    }

    /// With the certificate `server.pem` and its key in a folder.
    pub(crate) fn with_tls(folder: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(folder.join("server.pem")).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::at("127.0.0.1:0", Some(Arc::new(config)))
    }

    pub(crate) fn at(address: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = Arc::new(Mutex::new(State {
            version: 100,
            ..State::default()
        }));
        let server = Self {
            address: listener.local_addr().unwrap(),
            is_tls: tls.is_some(),
            state: Arc::clone(&state),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, tls) = (Arc::clone(&state), tls.clone());
                // The end of a connection is an error like any other, and all are the client's business.
                std::thread::spawn(move || {
                    let stream: Box<dyn Stream> = match tls {
                        Some(tls) => Box::new(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream)),
                        None => Box::new(stream) as Box<dyn Stream>,
                    };
                    serve(stream, &state)
                });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Wants this token.
    pub(crate) fn wants(&self, token: &str) {
        self.state().token = Some(token.to_owned());
    }

    /// Wants this token, which is in its file only when another one was refused.
    pub(crate) fn replaces(&self, token: &str, file: &Path) {
        let mut state = self.state();
        state.token = Some(token.to_owned());
        state.token_file = Some(file.to_owned());
    }

    /// Answers everything with this until it is told otherwise.
    pub(crate) fn refuses(&self, head: &str, body: &str) {
        self.state().refusal = Some((head.to_owned(), body.to_owned()));
    }

    pub(crate) fn answers_again(&self) {
        self.state().refusal = None;
    }

    /// Has these pods from the start.
    pub(crate) fn has(&self, pods: Vec<Value>) {
        self.state().pods = pods;
    }

    /// Makes or changes a pod.
    pub(crate) fn add(&self, pod: Value) {
        self.event("ADDED", pod);
    }

    pub(crate) fn delete(&self, pod: Value) {
        self.event("DELETED", pod);
    }

    /// Tells how far the watch has come.
    pub(crate) fn bookmark(&self) {
        self.event("BOOKMARK", json!({"kind": "Pod", "metadata": {}}));
    }

    fn event(&self, kind: &str, mut pod: Value) {
        let mut state = self.state();
        state.version += 1;
        pod["metadata"]["resourceVersion"] = state.version.to_string().into();
        let uid = pod["metadata"]["uid"].clone();
        if kind != "BOOKMARK" {
            state.pods.retain(|other| other["metadata"]["uid"] != uid);
        }
        if kind == "ADDED" {
            state.pods.push(pod.clone());
        }
        let line = format!("{}\n", json!({"type": kind, "object": pod}));
        let version = state.version;
        state.events.push((version, line.clone()));
        drop(state);
        self.step(Step::Send(line));
    }

    /// Does something to all watches.
    pub(crate) fn step(&self, step: Step) {
        let ends = !matches!(step, Step::Send(_));
        let mut state = self.state();
        state
            .watches
            .retain(|watch| watch.send(step.clone()).is_ok() && !ends);
    }

    /// Forgets what happened so far.
    pub(crate) fn compacts(&self) {
        let mut state = self.state();
        state.version += 1;
        state.compacted = state.version;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// How many lists there were, and how many watches.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let requests = self.requests();
        let watches = requests
            .iter()
            .filter(|request| request.path.contains("watch=1"))
            .count();
        (requests.len() - watches, watches)
    }

    /// How many watches are open.
    pub(crate) fn watches(&self) -> usize {
        self.state().watches.len()
    }
}

fn serve(stream: Box<dyn Stream>, state: &Mutex<State>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let mut request = Request {
            path: line.split(' ').nth(1).unwrap_or_default().to_owned(),
            authorization: String::new(),
        };
        loop {
            let mut header = String::new();
            if stream.read_line(&mut header)? == 0 {
                return Ok(());
            }
            if header == "\r\n" {
                break;
            }
            if let Some(value) = header.strip_prefix("authorization: ") {
                request.authorization = value.trim().to_owned();
            }
        }
        let answered = answer(&request, &mut state.lock());
        let out = stream.get_mut();
        match answered {
            Answered::Whole(head, body) => {
                let length = body.len();
                write!(out, "HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}")?;
                out.flush()?;
            }
            Answered::Watch(past, steps) => return watch(out, past, &steps),
        }
    }
}

enum Answered {
    Whole(String, String),
    Watch(String, Receiver<Step>),
}

fn answer(request: &Request, state: &mut State) -> Answered {
    state.requests.push(request.clone());
    if let Some((head, body)) = &state.refusal {
        return Answered::Whole(head.clone(), body.clone());
    }
    let status = |code: u16, message: &str| {
        let body = json!({"kind": "Status", "status": "Failure", "code": code, "message": message});
        Answered::Whole(format!("{code} Some Reason"), body.to_string())
    };
    if let Some(token) = &state.token
        && request.authorization != format!("Bearer {token}")
    {
        if let Some(file) = &state.token_file {
            std::fs::write(file, token).unwrap();
        }
        return status(401, "Unauthorized");
    }
    if !request.path.contains("watch=1") {
        let version = state.version.to_string();
        let list = json!({"kind": "PodList", "metadata": {"resourceVersion": version}, "items": state.pods});
        return Answered::Whole("200 OK".to_owned(), list.to_string());
    }
    let parameter = request
        .path
        .split('&')
        .find_map(|pair| pair.strip_prefix("resourceVersion="));
    let from: u64 = parameter.unwrap().parse().unwrap();
    if from < state.compacted {
        return status(410, "too old resource version");
    }
    let (sender, receiver) = channel();
    state.watches.push(sender);
    let past = state.events.iter().filter(|(version, _)| *version > from);
    Answered::Watch(past.map(|(_, line)| &**line).collect(), receiver)
}

fn watch(out: &mut dyn Stream, past: String, steps: &Receiver<Step>) -> io::Result<()> {
    write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let mut step = Step::Send(past);
    loop {
        match step {
            Step::Send(text) if text.is_empty() => {}
            Step::Send(text) => write!(out, "{:x}\r\n{text}\r\n", text.len())?,
            Step::End => {
                write!(out, "0\r\n\r\n")?;
                return out.flush();
            }
            Step::Break => return Ok(()),
        }
        out.flush()?;
        step = steps.recv().unwrap_or(Step::Break);
    }
}

/// An address at which nothing listens, and no other test will.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A listener that never answers, and who has connected.
pub(crate) fn silent_listener() -> (String, Arc<Mutex<Vec<TcpStream>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connected = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&connected);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            seen.lock().push(stream);
        }
    });
    (url, connected)
}
