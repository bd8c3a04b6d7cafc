//! A bulk API that knows repeats by their series and time, and errs as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Everything is taken.
    Fine,
    /// Nothing is said, and nothing taken.
    Hangs,
    /// Every third line is refused for good, in a 200.
    Refuses,
    /// Every second line is put off, in a 200.
    TakesHalf,
    /// Nothing is taken now.
    Busy,
    /// Everything is taken, and the answer breaks off.
    BreaksOff,
    /// More than so many lines are too many.
    Small(usize),
    /// One of these, by chance.
    Fickle,
}

/// The key of a sample: its series and its time.
type Key = (String, i64);

#[derive(Default)]
struct State {
    samples: BTreeMap<Key, u64>,
    requests: usize,
    /// Samples that came although they were there, with the same value.
    repeats: usize,
    /// Samples that came with another value than the one that is there.
    contradictions: usize,
    mood: Option<Mood>,
    random: u64,
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    _accepting: JoinSet<()>,
}

#[derive(Deserialize)]
struct Line {
    series: String,
    time: i64,
    value: u64,
}

impl Server {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            mood: Some(mood),
            random: 7,
            ..State::default()
        }));
        let mut accepting = JoinSet::new();
        let shared = Arc::clone(&state);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let _ = serve(stream, &state).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            state,
            _accepting: accepting,
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().mood = Some(mood);
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().requests
    }

    pub(crate) fn repeats(&self) -> usize {
        self.state.lock().repeats
    }

    /// All values, each as often as there is a key with it.
    pub(crate) fn values(&self) -> Vec<u64> {
        let state = self.state.lock();
        assert_eq!(state.contradictions, 0);
        let mut values: Vec<_> = state.samples.values().copied().collect();
        values.sort_unstable();
        values
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await?;
        let lines: Vec<Line> = std::str::from_utf8(&body)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let mood = state.lock().begin();
        let answer = match mood {
            Mood::Hangs => {
                sleep(Duration::from_secs(3600)).await;
                return Ok(());
            }
            Mood::Busy => answer("503 Service Unavailable", "Retry-After: 0\r\n", "busy"),
            Mood::Small(most) if lines.len() > most => answer("413 Content Too Large", "", "too many lines"),
            mood => answer("200 OK", "", &state.lock().take(lines, mood)),
        };
        if mood == Mood::BreaksOff {
            stream.write_all(&answer.as_bytes()[..answer.len() / 2]).await?;
            return Ok(());
        }
        stream.write_all(answer.as_bytes()).await?;
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

impl State {
    fn begin(&mut self) -> Mood {
        self.requests += 1;
        match self.mood.unwrap_or(Mood::Fine) {
            Mood::Fickle => match self.below(10) {
                0 => Mood::Hangs,
                1 => Mood::Busy,
                2 => Mood::BreaksOff,
                3 => Mood::Small(20),
                4 | 5 => Mood::TakesHalf,
                _ => Mood::Fine,
            },
            mood => mood,
        }
    }

    /// Takes lines, and says of each what has become of it.
    fn take(&mut self, lines: Vec<Line>, mood: Mood) -> String {
        let mut items = Vec::new();
        for (index, line) in lines.into_iter().enumerate() {
            items.push(match mood {
                Mood::Refuses if line.value.is_multiple_of(3) => {
                    r#"{"status":400,"error":"no multiples of three"}"#
                }
                Mood::TakesHalf if index % 2 == 1 => r#"{"status":429}"#,
                _ => {
                    match self.samples.insert((line.series, line.time), line.value) {
                        Some(old) if old != line.value => self.contradictions += 1,
                        Some(_) => self.repeats += 1,
                        None => {}
                    }
                    r#"{"status":201}"#
                }
            });
        }
        format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(","))
    }

    /// SplitMix64 of S. Vigna.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
