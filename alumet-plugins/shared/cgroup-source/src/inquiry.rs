//! What the outside world is asked about control groups.

use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use alumet_core::time::{Clock, Monotonic};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::resolver::Wake;

/// Answers that take their time, such as what a scheduler knows about a job.
///
/// Each question is asked once, on a thread that starts with the first one and ends with this value. What failed is asked
/// again after growing pauses, as long as somebody wants to know it; the first failure in a row is told as a warning.
pub struct Inquiry<Q, A> {
    name: &'static str,
    clock: Arc<dyn Clock>,
    asked: Arc<Asked<Q, A>>,
    /// To the thread, once there is one.
    questions: Option<Sender<Q>>,
}

/// What is known by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<A> {
    /// All, a part, or nothing of it.
    pub known: Option<A>,
    /// Whether that is all.
    pub is_final: bool,
}

/// Finds the answer to a question; what is known before the rest is handed to the second argument.
type Ask<Q, A> = dyn FnMut(&Q, &dyn Fn(A)) -> Result<A, String> + Send;

struct Asked<Q, A> {
    ask: Mutex<Box<Ask<Q, A>>>,
    table: Mutex<HashMap<Q, Entry<A>>>,
    wake: Mutex<Option<Wake>>,
}

struct Entry<A> {
    known: Option<A>,
    state: State,
    /// Before the question is repeated.
    pause: Duration,
    used_at: Monotonic,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Asking,
    Failed { at: Monotonic },
    Final,
}

/// Pauses double, from the first to the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long an answer is remembered that nobody wants to know any more.
const KEPT: Duration = Duration::from_secs(3600);

impl<Q, A> Inquiry<Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + 'static,
{
    /// An inquiry whose thread has that name, of at most 15 bytes.
    pub fn new<E: Display>(
        name: &'static str,
        clock: Arc<dyn Clock>,
        mut ask: impl FnMut(&Q, &dyn Fn(A)) -> Result<A, E> + Send + 'static,
    ) -> Self {
        let ask =
            move |question: &Q, partly: &dyn Fn(A)| ask(question, partly).map_err(|error| error.to_string());
        Self {
            name,
            clock,
            asked: Arc::new(Asked {
                ask: Mutex::new(Box::new(ask)),
                table: Mutex::new(HashMap::new()),
                wake: Mutex::new(None),
            }),
            questions: None,
        }
    }

    /// Calls this from now on when something more is known.
    pub fn wakes(&self, wake: Wake) {
        *self.asked.wake.lock() = Some(wake);
    }

    /// What is known by now. Returns at once.
    pub fn answer(&mut self, question: &Q) -> Answer<A> {
        let now = self.clock.now().monotonic;
        let mut table = self.asked.table.lock();
        if !table.contains_key(question) {
            table.retain(|_, entry| now.since(entry.used_at) < KEPT);
            let entry = Entry {
                known: None,
                state: State::Failed { at: now },
                pause: Duration::ZERO,
                used_at: now,
            };
            table.insert(question.clone(), entry);
        }
        let Some(entry) = table.get_mut(question) else {
            return Answer {
                known: None,
                is_final: false,
            };
        };
        entry.used_at = now;
        let answer = Answer {
            known: entry.known.clone(),
            is_final: entry.state == State::Final,
        };
        let is_due = matches!(entry.state, State::Failed { at } if now.since(at) >= entry.pause);
        if is_due {
            entry.state = State::Asking;
        }
        drop(table);
        if is_due {
            self.ask(question.clone());
        }
        answer
    }

    fn ask(&mut self, question: Q) {
        if self.questions.is_none() {
            let (sender, receiver) = channel();
            let asked = Arc::clone(&self.asked);
            let clock = Arc::clone(&self.clock);
            let thread = std::thread::Builder::new().name(self.name.to_owned());
            match thread.spawn(move || asked.work(&receiver, &*clock)) {
                Ok(_) => self.questions = Some(sender),
                Err(error) => {
                    let now = self.clock.now().monotonic;
                    tracing::warn!(%error, "nothing can be asked about control groups: no thread is left; it is tried again");
                    self.asked.note(&question, Err(error.to_string()), now);
                    return;
                }
            }
        }
        if let Some(questions) = &self.questions {
            // The thread ends after this value.
            let _ = questions.send(question);
        }
    }
}

impl<Q, A> Asked<Q, A>
where
    Q: Eq + Hash,
{
    fn work(&self, questions: &Receiver<Q>, clock: &dyn Clock) {
        let mut is_failing = false;
        while let Ok(question) = questions.recv() {
            let partly = |known: A| {
                if let Some(entry) = self.table.lock().get_mut(&question) {
                    entry.known = Some(known);
                }
                self.wake();
            };
            let answer = (self.ask.lock())(&question, &partly);
            match &answer {
                Err(error) if is_failing => {
                    tracing::debug!(%error, "control groups are measured without what is not known");
                }
                Err(error) => tracing::warn!(
                    %error,
                    "control groups are measured without what is not known; it is asked for again, and told again when it fails anew"
                ),
                Ok(_) => {}
            }
            is_failing = answer.is_err();
            if self.note(&question, answer, clock.now().monotonic) {
                self.wake();
            }
        }
    }

    /// Whether more is known now.
    fn note(&self, question: &Q, answer: Result<A, String>, now: Monotonic) -> bool {
        let mut table = self.table.lock();
        let Some(entry) = table.get_mut(question) else {
            return false;
        };
        match answer {
            Ok(answer) => {
                entry.known = Some(answer);
                entry.state = State::Final;
                true
            }
            Err(_) => {
                entry.state = State::Failed { at: now };
                entry.pause = (entry.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                false
            }
        }
    }

    fn wake(&self) {
        let wake = self.wake.lock().clone();
        if let Some(wake) = wake {
            wake();
        }
    }
}
