//! A Docker engine as far as its API for lists and events goes, which misbehaves when told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// What the engine does with requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Proper,
    /// Takes requests and never answers.
    Hangs,
    Status(u16),
    /// Answers with a page.
    Nonsense,
    /// Answers with what is no HTTP.
    Noise,
    /// Ends each stream of events at once.
    ShortOfBreath,
    /// Refuses events only.
    NoEvents,
    /// Says nothing to who asks for events until there is one, as old versions of Podman do.
    LateHead,
}

/// An engine that listens; it ends when it is dropped.
pub(crate) struct Engine {
    state: Arc<State>,
    path: std::path::PathBuf,
}

struct State {
    manner: Mutex<Manner>,
    containers: Mutex<BTreeMap<String, String>>,
    listeners: Mutex<Vec<UnixStream>>,
    requests: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

impl Engine {
    pub(crate) fn listen(path: &Path, manner: Manner) -> Self {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new(State {
            manner: Mutex::new(manner),
            containers: Mutex::default(),
            listeners: Mutex::default(),
            requests: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::Acquire) {
                    break;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        let path = path.to_path_buf();
        Self { state, path }
    }

    pub(crate) fn set(&self, manner: Manner) {
        *self.state.manner.lock() = manner;
    }

    /// Notes a container that runs.
    pub(crate) fn runs(&self, id: &str, name: &str) {
        let listed = format!(
            r#"{{"Id":"{id}","Names":["/{name}"],"Image":"nginx:1","Labels":{{"com.docker.compose.project":"shop"}}}}"#
        );
        self.state.containers.lock().insert(id.to_owned(), listed);
    }

    /// Tells that something happened to a container.
    pub(crate) fn happens(&self, action: &str, id: &str, name: &str) {
        let event = format!(
            "{{\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{id}\",\"Attributes\":{{\"name\":\"{name}\",\
             \"image\":\"nginx:1\",\"com.docker.compose.service\":\"front\"}}}}}}\n"
        );
        let head = if *self.state.manner.lock() == Manner::LateHead {
            HEAD
        } else {
            ""
        };
        self.state
            .listeners
            .lock()
            .retain_mut(|stream| write!(stream, "{head}{:x}\r\n{event}\r\n", event.len()).is_ok());
    }

    /// How many follow the events.
    pub(crate) fn listeners(&self) -> usize {
        self.state.listeners.lock().len()
    }

    /// How many requests for something there were.
    pub(crate) fn requests(&self, what: &str) -> usize {
        let requests = self.state.requests.lock();
        requests.iter().filter(|request| request.contains(what)).count()
    }

    /// Ends all streams of events.
    pub(crate) fn cut_off(&self) {
        for stream in self.state.listeners.lock().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Release);
        self.cut_off();
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

impl State {
    fn serve(&self, stream: UnixStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let Some(Ok(request)) = lines.next() else { return };
        for line in lines.map_while(Result::ok) {
            if line.is_empty() {
                break;
            }
        }
        self.requests.lock().push(request.clone());
        let mut stream = stream;
        let manner = *self.manner.lock();
        let is_events = request.starts_with("GET /events?filters=%7B%22type%22%3A%5B%22container%22%5D");
        assert!(
            is_events || request.starts_with("GET /containers/json "),
            "{request}"
        );
        let answer = |status: &str, body: &str| {
            format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        };
        let text = match manner {
            Manner::Hangs => {
                while !self.is_over.load(Ordering::Acquire) && *self.manner.lock() == Manner::Hangs {
                    std::thread::sleep(Duration::from_millis(10));
                }
                return;
            }
            Manner::Status(status) => answer(&format!("{status} No"), "{\"message\":\"no\"}"),
            Manner::NoEvents if is_events => answer("403 No", "no"),
            Manner::ShortOfBreath if is_events => format!("{HEAD}0\r\n\r\n"),
            Manner::Nonsense => answer("200 OK", "<html>hello</html>\n"),
            Manner::Noise => "220 smtp\r\n".to_owned(),
            Manner::LateHead if is_events => {
                self.listeners.lock().push(stream);
                return;
            }
            _ if is_events => {
                stream.write_all(HEAD.as_bytes()).unwrap();
                self.listeners.lock().push(stream);
                return;
            }
            _ => {
                let all: Vec<_> = self.containers.lock().values().cloned().collect();
                answer("200 OK", &format!("[{}]", all.join(",")))
            }
        };
        let _ = stream.write_all(text.as_bytes());
    }
}
