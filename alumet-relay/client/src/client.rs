//! What all sessions have in common: where they go, as whom, and what follows when one fails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::plugin::StartError;
use alumet_core::services::Services;
use alumet_core::spool::Spool;
use alumet_relay_protocol::identity::check_node_name;
use alumet_relay_protocol::tokens::check_token;
use alumet_shared_trust::{ClientTls, read_secret};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::Config;
use crate::error::SessionError;
use crate::output::{Done, Item};
use crate::pump::Pump;
use crate::resume::{Stretch, check_origin, first_of};
use crate::session::Session;
use crate::target::{Target, targets};

/// Where records go, and as whom.
pub(crate) struct Client {
    pub(crate) config: Config,
    /// The name of this node.
    pub(crate) node: String,
    pub(crate) run: Arc<Run>,
    pub(crate) targets: Vec<Target>,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) memory: Mutex<Memory>,
}

/// What one session leaves to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last number that each target has acknowledged.
    acknowledged: Vec<u64>,
    /// How many sessions in a row were of no use.
    failures: u32,
    /// The target that is tried first.
    first: usize,
}

/// What was given and is not done.
pub(crate) struct Given {
    pub(crate) first: Option<Item>,
    pub(crate) items: mpsc::UnboundedReceiver<Item>,
    /// What is on its way, oldest first.
    pub(crate) sent: VecDeque<Sent>,
}

/// A record or gap on its way to the server.
pub(crate) struct Sent {
    /// The number of the last record that it stands for.
    pub(crate) last: u64,
    /// The bytes of its payload.
    pub(crate) bytes: u64,
    /// Whether a gap is sent in its place, because it is too large.
    pub(crate) is_refused: bool,
    pub(crate) done: Done,
}

/// Tells a server this program from another one that uses the same spool. A client has that of the former one if there still is
/// one, which may still be sending: they are no two programs.
#[derive(Debug)]
pub(crate) struct Run(pub(crate) [u8; 16]);

impl Run {
    fn new() -> Result<Self, StartError> {
        let mut run = [0; 16];
        getrandom::fill(&mut run)
            .map_err(|error| StartError::new(format!("the system gives no random numbers: {error}")))?;
        Ok(Self(run))
    }
}

/// A session of this length was of use, even if nothing was acknowledged.
const USEFUL_AFTER: Duration = Duration::from_secs(10);

impl Client {
    /// What the configuration says, with the files that it names; `services` knows a client of this program that it follows.
    ///
    /// # Errors
    /// What is wrong with them. A certificate that is out of date is no fault: samples wait until it is replaced.
    pub(crate) fn new(config: &Config, services: &Services) -> Result<Self, StartError> {
        let run = services.get_or_try_insert(Run::new)?;
        let targets = targets(config)?;
        let tls = config.tls.as_ref().map(|tls| ClientTls::new(tls, Some(b"h2")));
        Ok(Self {
            node: node_name(config)?,
            run,
            tls: tls.transpose()?,
            memory: Mutex::new(Memory {
                acknowledged: vec![0; targets.len()],
                ..Memory::default()
            }),
            targets,
            config: config.clone(),
        })
    }

    /// The token of this node as it is now, if it has one.
    pub(crate) fn token(&self) -> Result<Option<String>, SessionError> {
        let Config {
            token, token_file, ..
        } = &self.config;
        let token = read_secret(token.as_ref(), token_file.as_deref()).map_err(SessionError::unusable)?;
        if let Some(token) = &token {
            let file = token_file.as_ref().map(|path| path.display().to_string());
            let owner = || file.unwrap_or_else(|| "the configuration".to_owned());
            check_token(token, owner).map_err(SessionError::unusable)?;
        }
        Ok(token)
    }

    /// Sends what is given until nothing comes any more. When that fails, so does all that was given and is not done.
    pub(crate) async fn serve(
        self: Arc<Self>,
        spool: Arc<dyn Spool>,
        mut items: mpsc::UnboundedReceiver<Item>,
    ) {
        let Some(first) = items.recv().await else {
            return;
        };
        let mut given = Given::new(Some(first), items);
        // One session for each identity.
        while given.first.is_some() {
            if let Err(errors) = self.run(&spool, &mut given).await {
                let (text, pause) = self.judge(&errors, &*spool);
                return given.fail(&text, pause);
            }
        }
    }

    /// One session with the first server that can be reached.
    async fn run(&self, spool: &Arc<dyn Spool>, given: &mut Given) -> Result<(), Vec<SessionError>> {
        let mut errors = Vec::new();
        let first = self.memory.lock().first;
        for index in (0..self.targets.len()).map(|index| (first + index) % self.targets.len()) {
            let session = match self.open(index, spool, given).await {
                Ok(session) => session,
                Err(error) => {
                    tracing::debug!(%error, "no session with the relay server");
                    let is_copied = matches!(error, SessionError::Copied(_));
                    errors.push(error);
                    if is_copied {
                        break;
                    }
                    continue;
                }
            };
            tracing::info!(
                server = %session.server, software = %session.welcome.server, node = %self.node,
                "connected to the relay server"
            );
            let began = Instant::now();
            let mut pump = Pump::new(session, self, given);
            let result = pump.run().await;
            let acknowledged = pump.acknowledged;
            let mut memory = self.memory.lock();
            memory.acknowledged[index] = memory.acknowledged[index].max(acknowledged);
            // The search begins at the first again, unless that is what does not work.
            if acknowledged > 0 || began.elapsed() >= USEFUL_AFTER {
                (memory.first, memory.failures) = (0, 0);
            } else {
                memory.first = (index + 1) % self.targets.len();
            }
            return result.map_err(|error| vec![error]);
        }
        self.memory.lock().first = 0;
        Err(errors)
    }

    /// Begins a session with a server that speaks of the same records, and has all that it acknowledged as far as that is
    /// still here.
    async fn open(
        &self,
        index: usize,
        spool: &Arc<dyn Spool>,
        given: &Given,
    ) -> Result<Session, SessionError> {
        let Some(first) = &given.first else {
            return Err(SessionError::stopped());
        };
        let target = &self.targets[index];
        let next = first_of(&first.spooled);
        let stretch = Stretch::of(&**spool, next)?;
        let session = Session::open(self, target, stretch, next).await?;
        check_origin(&session, &first.spooled, spool).await?;
        // The only server has acknowledged everything before that; one of several, what it did while this runs.
        let acknowledged = match self.targets.len() {
            1 => next,
            _ => next.min(self.memory.lock().acknowledged[index] + 1),
        };
        let lost = self.find_lost(target, &session, spool, acknowledged).await?;
        if lost.is_empty() {
            return Ok(session);
        }
        drop(session);
        for lost in lost {
            self.restore(target, spool, lost).await?;
        }
        Session::open(self, target, stretch, next).await
    }

    /// What to tell of errors, and how long to wait before the next attempt.
    fn judge(&self, errors: &[SessionError], spool: &dyn Spool) -> (String, Duration) {
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let mut memory = self.memory.lock();
        if let Some(copied @ SessionError::Copied(_)) = errors.last() {
            let instance = spool.replace_instance();
            memory.acknowledged.fill(0);
            tracing::error!(
                reason = %copied, %instance,
                "another machine sends from a copy of this spool; nothing is dropped, and from now on this one has an \
                 identity of its own. Delete the copied spool file on one of them: what both hold is stored twice"
            );
            return (texts.join("; "), Duration::ZERO);
        }
        let longest = *self.config.retry.max_delay;
        let needs_people = |error: &SessionError| matches!(error, SessionError::NeedsPeople(_));
        let pause = if errors.iter().all(needs_people) {
            longest.mul_f64(0.5 + random_share() / 2.0)
        } else {
            // "Full jitter" of M. Brooker, *Exponential Backoff And Jitter* (AWS, 2015).
            let doubled = 1_u32.checked_shl(memory.failures).unwrap_or(u32::MAX);
            let bound = self.config.retry.initial_delay.saturating_mul(doubled);
            bound.min(longest).mul_f64(random_share())
        };
        memory.failures = memory.failures.saturating_add(1);
        (texts.join("; "), pause)
    }
}

impl Given {
    pub(crate) const fn new(first: Option<Item>, items: mpsc::UnboundedReceiver<Item>) -> Self {
        Self {
            first,
            items,
            sent: VecDeque::new(),
        }
    }

    /// What comes next; `None` when nothing does any more.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.items.recv().await,
        }
    }

    /// Everything comes again after a pause.
    fn fail(mut self, text: &str, pause: Duration) {
        let fail = |done: Done| drop(done.send(Err(Failure::retry_after(pause, text.to_owned()))));
        self.items.close();
        self.sent.into_iter().for_each(|sent| fail(sent.done));
        self.first.into_iter().for_each(|item| fail(item.done));
        while let Ok(item) = self.items.try_recv() {
            fail(item.done);
        }
    }
}

/// The name of this node: that of the configuration, or else that of the host.
fn node_name(config: &Config) -> Result<String, StartError> {
    if let Some(name) = &config.client_name {
        return Ok(name.clone());
    }
    let unusable = |reason: String| {
        StartError::new(format!(
            "the name of this host cannot be that of a node: {reason}; set `client_name`"
        ))
    };
    let name = nix::unistd::gethostname().map_err(|error| unusable(error.to_string()))?;
    let name = name.to_string_lossy().into_owned();
    check_node_name(&name).map_err(|error| unusable(error.to_string()))?;
    Ok(name)
}

/// From 0 (included) to 1 (excluded).
fn random_share() -> f64 {
    // Without random numbers, which no supported system lacks, everybody waits for half.
    getrandom::u32().map_or(0.5, |random| f64::from(random) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_follows_one_that_may_still_send_is_the_same_program_to_a_server() {
        let services = Services::default();
        let client = || Client::new(&Config::default(), &services).ok().unwrap();
        let former = client();
        let run = former.run.0;
        assert_eq!(client().run.0, run);
        drop(former);
        assert_ne!(client().run.0, run);
    }
}
