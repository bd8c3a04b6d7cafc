//! The output: goes from server to server until everything is acknowledged.

use std::time::Duration;

use alumet_core::Failure;
use alumet_core::output::StreamOutput;
use alumet_core::pipeline::Records;
use alumet_relay_protocol::identity::check_node_name;
use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::error::{SessionError, StartFault};
use crate::feed::{RecordFeed, closed};
use crate::pump::Pump;
use crate::queue::Queue;
use crate::resume::resume;
use crate::session::{Session, Settings};
use crate::target::{Target, targets};

/// Sends records to a relay server.
#[derive(Debug)]
pub struct RelayOutput {
    settings: Settings,
    targets: Vec<Target>,
    credentials: Credentials,
    backoff: Backoff,
    /// The server of the last session, to be named once.
    named: Option<String>,
}

/// How a round over all servers ended.
enum Round {
    /// Everything is acknowledged and nothing comes any more.
    Done,
    /// No session lasts.
    Failed {
        errors: Vec<SessionError>,
        /// Whether the last session was of use.
        has_progress: bool,
    },
}

/// How much longer may be tried to connect once the pipeline ends.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(2);

/// A session of this length was of use, even if nothing was to be sent.
const USEFUL_AFTER: Duration = Duration::from_secs(10);

#[async_trait]
impl StreamOutput for RelayOutput {
    async fn run(&mut self, records: &mut Records, stop: CancellationToken) -> Result<(), Failure> {
        self.deliver(records, &stop).await
    }
}

impl RelayOutput {
    /// An output that sends as the configuration says.
    ///
    /// # Errors
    /// What is wrong with the configuration or the files that it names.
    pub fn new(config: &Config) -> Result<Self, StartFault> {
        let mut run = [0; 16];
        getrandom::fill(&mut run).map_err(StartFault::Random)?;
        let settings = Settings {
            node: node_name(config)?,
            run,
            connect_timeout: *config.connect_timeout,
            ack_timeout: *config.ack_timeout,
            keepalive: *config.keepalive,
            backlog_bytes_per_second: config.backlog_bytes_per_second,
        };
        Ok(Self {
            settings,
            targets: targets(config)?,
            credentials: Credentials::of(config)?,
            backoff: Backoff::new(*config.retry.initial_delay, *config.retry.max_delay),
            named: None,
        })
    }

    /// Sends what the feed gives until everything is acknowledged and nothing comes any more, or until the pipeline ends
    /// and no server can be reached: what waits then stays in the spool.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub async fn deliver(
        &mut self,
        feed: &mut dyn RecordFeed,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut queue = Queue::new(feed);
        loop {
            let is_last = queue.feed().is_closed();
            let (errors, has_progress) = match self.round(&mut queue, stop).await {
                Round::Done => return Ok(()),
                Round::Failed { errors, has_progress } => (errors, has_progress),
            };
            let Some(verdict) = judge(errors, &mut queue)? else {
                return Ok(());
            };
            queue.feed().failed(&verdict.failure);
            if is_last && !has_progress && !verdict.has_new_identity {
                tracing::warn!(
                    samples = queue.feed().waiting(),
                    "no relay server can be reached at the end; what waits stays in the spool"
                );
                return Ok(());
            }
            if has_progress {
                self.backoff.reset();
            }
            let pause = if verdict.needs_people {
                self.backoff.slow()
            } else {
                self.backoff.next()
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = closed(queue.feed()), if !is_last => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Tries each server until one is of use.
    async fn round(&mut self, queue: &mut Queue<'_>, stop: &CancellationToken) -> Round {
        let mut errors = Vec::new();
        for index in 0..self.targets.len() {
            // The number of the first record must be known; it is not before there is one.
            let waits = if queue.acknowledged().is_none() || queue.feed().is_closed() {
                tokio::select! {
                    waits = queue.wait() => waits,
                    () = stop.cancelled() => Ok(false),
                }
            } else {
                Ok(true)
            };
            let (result, has_progress) = match waits {
                Ok(true) => self.session(index, queue, stop).await,
                Ok(false) => return Round::Done,
                Err(failure) => (Err(SessionError::Spool(failure)), false),
            };
            queue.rewind().await;
            let Err(error) = result else { return Round::Done };
            tracing::debug!(%error, "no session with the relay server");
            let is_enough = has_progress
                || matches!(
                    error,
                    SessionError::Spool(_) | SessionError::Stopped | SessionError::Copied(_)
                );
            errors.push(error);
            if is_enough {
                return Round::Failed { errors, has_progress };
            }
        }
        Round::Failed {
            errors,
            has_progress: false,
        }
    }

    /// One session; says how it ended and whether it was of use.
    async fn session(
        &mut self,
        index: usize,
        queue: &mut Queue<'_>,
        stop: &CancellationToken,
    ) -> (Result<(), SessionError>, bool) {
        let session = match self.open(index, queue, stop).await {
            Ok(session) => session,
            Err(error) => return (Err(error), false),
        };
        if self.named.as_ref() != Some(&session.server) {
            tracing::info!(
                server = %session.server, software = %session.welcome.server, node = %self.settings.node,
                waiting = queue.feed().waiting(), "connected to the relay server"
            );
            self.named = Some(session.server.clone());
        }
        queue.feed().recovered();
        let began = Instant::now();
        let mut pump = Pump::new(session, queue, &self.settings);
        let result = pump.run(stop).await;
        (result, pump.has_progress() || began.elapsed() >= USEFUL_AFTER)
    }

    /// Connects within the time limits, and skips what the server has.
    async fn open(
        &mut self,
        index: usize,
        queue: &mut Queue<'_>,
        stop: &CancellationToken,
    ) -> Result<Session, SessionError> {
        let target = &self.targets[index];
        let server = || target.address.authority();
        let late = |after| {
            Err(SessionError::ConnectTimeout {
                server: server(),
                after,
            })
        };
        let after = self.settings.connect_timeout;
        let session = tokio::select! {
            session = Session::open(&self.settings, target, &self.credentials, queue) => session?,
            () = sleep(after) => return late(after),
            () = async {
                closed(queue.feed()).await;
                sleep(PATIENCE_AT_THE_END).await;
            } => return late(PATIENCE_AT_THE_END),
            () = stop.cancelled() => return Err(SessionError::Stopped),
        };
        tokio::select! {
            resumed = resume(queue, &session.welcome, &session.server) => resumed?,
            () = stop.cancelled() => return Err(SessionError::Stopped),
        }
        Ok(session)
    }
}

/// The name of this node: that of the configuration, or else that of the host.
fn node_name(config: &Config) -> Result<String, StartFault> {
    if let Some(name) = &config.client_name {
        return Ok(name.clone());
    }
    let name = nix::unistd::gethostname().map_err(|error| StartFault::HostName(error.to_string()))?;
    let name = name.to_string_lossy().into_owned();
    check_node_name(&name).map_err(|error| StartFault::HostName(error.to_string()))?;
    Ok(name)
}

/// What follows from the errors of a round.
struct Verdict {
    /// What to tell.
    failure: Failure,
    /// Whether it cannot work before somebody does something.
    needs_people: bool,
    /// Whether the next attempt is made under another identity.
    has_new_identity: bool,
}

/// Judges the errors of a round; nothing follows from them when the time is over.
fn judge(errors: Vec<SessionError>, queue: &mut Queue<'_>) -> Result<Option<Verdict>, Failure> {
    let needs_people = errors.iter().all(SessionError::needs_people);
    let mut has_new_identity = false;
    let mut texts = Vec::new();
    for error in errors {
        texts.push(error.explain());
        match error {
            SessionError::Stopped => return Ok(None),
            SessionError::Spool(failure) => return Err(failure),
            SessionError::Copied(copied) => {
                let instance = queue.feed_mut().replace_instance();
                has_new_identity = true;
                tracing::error!(
                    reason = %copied, %instance,
                    "another machine sends from a copy of this spool; nothing is dropped, and from now on this one has an \
                     identity of its own. Delete the copied spool file on one of them: what both hold is stored twice"
                );
            }
            _ => {}
        }
    }
    Ok(Some(Verdict {
        failure: Failure::retry(texts.join("; ")),
        needs_people,
        has_new_identity,
    }))
}
