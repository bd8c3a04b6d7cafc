//! A management controller of the test, and a pipeline that asks it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alumet_core::output::{RecordedSample, Recording, RecordingOutput};
use alumet_core::pipeline::{Pipeline, PipelineBuilder};
use alumet_core::testkit::ManualClock;
use alumet_plugin_redfish::{Config, Login, RedfishPlugin};
use alumet_shared_http_delivery::testkit::{Received, TestServer, local};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

/// What the controller does with a question for one resource.
#[derive(Clone)]
pub(crate) enum Reply {
    Shows(Json),
    /// A status, with the headers that follow it, and a body.
    Says(&'static str, &'static str),
    Hangs,
}

/// Whom it lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Sessions,
    Basic,
}

pub(crate) struct Controller {
    pub(crate) server: TestServer,
    state: Arc<State>,
}

struct State {
    door: Door,
    replies: Mutex<BTreeMap<String, Reply>>,
    /// The number of the session that is open; 0 for none.
    session: AtomicUsize,
    begun: AtomicUsize,
    ended: AtomicUsize,
    asking: AtomicUsize,
    most_at_once: AtomicUsize,
    hanging: AtomicUsize,
}

pub(crate) const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

impl Controller {
    /// A controller with these resources, each with its path below `/redfish/v1/`.
    pub(crate) fn with(door: Door, resources: &[(&str, Json)]) -> Self {
        let root = json!({
            "RedfishVersion": "1.15.0",
            "Chassis": { "@odata.id": "/redfish/v1/Chassis" },
            "Links": { "Sessions": { "@odata.id": SESSIONS } },
        });
        let state = Arc::new(State {
            door,
            replies: Mutex::default(),
            session: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            asking: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            hanging: AtomicUsize::new(0),
        });
        let answering = Arc::clone(&state);
        let server = TestServer::answering(move |request| {
            let now = answering.asking.fetch_add(1, Ordering::SeqCst) + 1;
            answering.most_at_once.fetch_max(now, Ordering::SeqCst);
            let answer = answering.answer(request);
            answering.asking.fetch_sub(1, Ordering::SeqCst);
            answer
        });
        let controller = Self {
            server: server.unwrap(),
            state,
        };
        controller.set("", Reply::Shows(root));
        for (path, resource) in resources {
            controller.set(path, Reply::Shows(resource.clone()));
        }
        controller
    }

    /// Changes what it does with a question.
    pub(crate) fn set(&self, path: &str, reply: Reply) {
        let path = format!("/redfish/v1/{path}");
        self.state.replies.lock().insert(path, reply);
    }

    /// Ends the session as a controller does that has waited for long.
    pub(crate) fn expire(&self) {
        self.state.session.store(0, Ordering::SeqCst);
    }

    pub(crate) fn sessions_begun(&self) -> usize {
        self.state.begun.load(Ordering::SeqCst)
    }

    /// How many were not ended by who began them.
    pub(crate) fn sessions_left(&self) -> usize {
        self.sessions_begun() - self.state.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn has_session(&self) -> bool {
        self.state.session.load(Ordering::SeqCst) != 0
    }

    /// How many questions will never be answered.
    pub(crate) fn hanging(&self) -> usize {
        self.state.hanging.load(Ordering::SeqCst)
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::SeqCst)
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config {
            url: Some(self.server.url()),
            poll_interval: "100ms".parse().unwrap(),
            http: local(),
            ..Config::default()
        };
        if self.state.door != Door::Open {
            config.http.user = Some("alumet".to_owned());
            config.http.password = Some(alumet_shared_trust::Secret("hunter2".to_owned()));
        }
        if self.state.door == Door::Basic {
            config.login = Login::Basic;
        }
        config
    }
}

impl State {
    fn answer(&self, request: &Received) -> (&'static str, String) {
        let mut words = request.line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let session = self.session.load(Ordering::SeqCst);
        let own = format!("{SESSIONS}/{session}");
        match (method, path) {
            ("POST", SESSIONS) => {
                let body: Json = serde_json::from_slice(&request.body).unwrap();
                if body != json!({ "UserName": "alumet", "Password": "hunter2" }) {
                    return ("401 Unauthorized", String::new());
                }
                let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
                self.session.store(number, Ordering::SeqCst);
                let created = format!(
                    "201 Created\r\nX-Auth-Token: token-{number}\r\nLocation: https://bmc{SESSIONS}/{number}"
                );
                return (created.leak(), "{}".to_owned());
            }
            ("DELETE", path) if path == own => {
                self.session.store(0, Ordering::SeqCst);
                self.ended.fetch_add(1, Ordering::SeqCst);
                return ("204 No Content", String::new());
            }
            _ => {}
        }
        let is_let_in = match self.door {
            _ if path == "/redfish/v1/" => true,
            Door::Open => request.header("authorization").is_none(),
            Door::Sessions => {
                let token = format!("token-{session}");
                session != 0 && request.header("x-auth-token") == Some(&token)
            }
            // alumet:hunter2
            Door::Basic => request.header("authorization") == Some("Basic YWx1bWV0Omh1bnRlcjI="),
        };
        if !is_let_in {
            return ("401 Unauthorized", String::new());
        }
        let reply = self.replies.lock().get(path).cloned();
        match reply {
            None => ("404 Not Found", String::new()),
            Some(Reply::Shows(resource)) => ("200 OK", resource.to_string()),
            Some(Reply::Says(status, body)) => (status, body.to_owned()),
            Some(Reply::Hangs) => {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                loop {
                    std::thread::park();
                }
            }
        }
    }
}

/// A link to a resource below `/redfish/v1/`.
pub(crate) fn to(path: &str) -> Json {
    json!({ "@odata.id": format!("/redfish/v1/{path}") })
}

/// A collection.
pub(crate) fn of(members: &[&str]) -> Json {
    let members: Vec<_> = members.iter().map(|path| to(path)).collect();
    json!({ "Members@odata.count": members.len(), "Members": members })
}

/// A pipeline with the plugin, on a clock that is moved by hand; questions are put in real time.
pub(crate) struct Run {
    pub(crate) pipeline: Pipeline,
    pub(crate) clock: ManualClock,
    recording: Recording,
}

const LONG: Duration = Duration::from_secs(60);

impl Run {
    pub(crate) fn start(config: Config) -> Self {
        let clock = ManualClock::new();
        let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
        builder.plugin::<RedfishPlugin>(config).unwrap();
        let output = RecordingOutput::new();
        let recording = output.recording();
        builder.output("recording", output);
        Self {
            pipeline: builder.start().unwrap(),
            clock,
            recording,
        }
    }

    /// The samples so far.
    pub(crate) fn samples(&self) -> Vec<RecordedSample> {
        self.recording.samples()
    }

    /// Waits for a sample, told without what is the same on all.
    pub(crate) fn until(&self, line: &str) {
        until(line, || {
            let samples = self.samples();
            samples.iter().any(|sample| text(sample) == line)
        });
    }

    /// Waits until the source has failed in these words.
    pub(crate) fn until_it_says(&self, words: &str) {
        until(words, || {
            let status = self.pipeline.control().status().unwrap();
            let mut errors = status
                .elements
                .iter()
                .filter_map(|element| element.last_error.clone());
            errors.any(|error| error.contains(words))
        });
    }

    pub(crate) fn stop(self) {
        let report = self.pipeline.stop(LONG);
        assert!(report.ledger.is_balanced(), "{:?}", report.ledger);
    }
}

pub(crate) fn text(sample: &RecordedSample) -> String {
    sample.to_string().replace(" local_machine local_machine", "")
}

/// Waits until something is the case.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let late = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < late, "not so after {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
