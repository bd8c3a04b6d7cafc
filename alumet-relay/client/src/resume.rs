//! What a server has of the records here: whether they are the same, and what it has lost.

use std::collections::VecDeque;
use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::spool::{Definitions, Numbering, Record, Spool, Spooled};
use tokio::sync::{mpsc, oneshot};

use crate::client::{Client, Given};
use crate::error::SessionError;
use crate::output::Item;
use crate::pump::Pump;
use crate::session::Session;
use crate::target::Target;

/// How many bytes of records are read at once to send them again.
const SLICE: usize = 1 << 20;

/// Consecutive numbers that count within one identity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) numbering: Numbering,
    /// The first number after it; `None` if records to come belong to it.
    pub(crate) end: Option<u64>,
}

impl Stretch {
    /// All of a spool, oldest first.
    fn all(spool: &dyn Spool) -> Vec<Self> {
        let numberings = spool.numberings();
        let ends = numberings
            .iter()
            .skip(1)
            .map(|next| Some(next.first))
            .chain([None]);
        let stretches = numberings.iter().zip(ends);
        stretches
            .map(|(&numbering, end)| Self { numbering, end })
            .collect()
    }

    /// The one of a number.
    pub(crate) fn of(spool: &dyn Spool, sequence: u64) -> Result<Self, SessionError> {
        let all = Self::all(spool);
        let mut later = all.iter().rev();
        let found = later.find(|stretch| stretch.numbering.first <= sequence);
        let found = found.or(all.first()).copied();
        found.ok_or_else(|| SessionError::Passing("the spool has no identity".to_owned()))
    }

    pub(crate) fn has(&self, sequence: u64) -> bool {
        self.end.is_none_or(|end| sequence < end)
    }
}

/// The number of the first record that it stands for.
pub(crate) const fn first_of(item: &Spooled) -> u64 {
    match item {
        Spooled::Record(record) => record.sequence,
        Spooled::Gap(gap) => gap.first,
    }
}

/// Finds out whether what the server holds came from here; `next` is what would be sent next.
///
/// A machine that was cloned while it ran has other records under the same identity and numbers.
pub(crate) async fn check_origin(
    session: &Session,
    next: &Spooled,
    spool: &Arc<dyn Spool>,
) -> Result<(), SessionError> {
    let (stored, checksum) = (session.welcome.last_sequence, session.welcome.last_checksum);
    let server = &session.server;
    if stored < session.stretch.numbering.first {
        return Ok(());
    }
    let found = records_after(spool, stored.saturating_sub(1), 1).await?;
    match found.first() {
        // 0 is a gap, of which there is no checksum.
        Some(record) if record.sequence == stored && checksum != 0 && record.checksum != checksum => Err(
            SessionError::Copied(format!("{server} has another batch {stored} than this spool")),
        ),
        None if session.stretch.end.is_none() && next.last() < stored => Err(SessionError::Copied(format!(
            "{server} has batches up to {stored} of this spool, which never had that many"
        ))),
        _ => Ok(()),
    }
}

/// Records that a server had acknowledged and does not have any more.
pub(crate) struct Lost {
    stretch: Stretch,
    /// Those after one number and before another, in their order.
    ranges: VecDeque<(u64, u64)>,
}

impl Client {
    /// What the server has lost of the records before `before` that are still here, and what it wants again, oldest first.
    ///
    /// All of them were acknowledged. Of an identity of which it has something, it has all that was before, but for what it
    /// wants.
    pub(crate) async fn find_lost(
        &self,
        target: &Target,
        session: &Session,
        spool: &Arc<dyn Spool>,
        mut before: u64,
    ) -> Result<Vec<Lost>, SessionError> {
        let mut all_lost = Vec::new();
        for stretch in Stretch::all(&**spool).into_iter().rev() {
            let Numbering { instance, first } = stretch.numbering;
            let is_own = instance == session.stretch.numbering.instance;
            let may_lack = is_own || first < before || session.welcome.wants_others;
            if first > session.next || !may_lack {
                continue;
            }
            let end = stretch.end.unwrap_or(session.next);
            let mut lost = Lost {
                stretch,
                ranges: VecDeque::from([(first - 1, end)]),
            };
            let other;
            let welcome = if is_own {
                &session.welcome
            } else if lost.records(spool, 1).await?.is_empty() {
                continue;
            } else {
                other = Session::open(self, target, stretch, end).await?;
                &other.welcome
            };
            let wanted = welcome.wanted.iter();
            lost.ranges = wanted
                .map(|range| (range.first.saturating_sub(1), range.last.saturating_add(1)))
                .collect();
            let stored = welcome.last_sequence.max(first - 1);
            lost.ranges.push_back((stored, end.min(before)));
            if !lost.records(spool, 1).await?.is_empty() {
                all_lost.push(lost);
            }
            if welcome.last_sequence >= first {
                before = 0;
            }
        }
        all_lost.reverse();
        Ok(all_lost)
    }

    /// Sends again what a server has lost.
    pub(crate) async fn restore(
        &self,
        target: &Target,
        spool: &Arc<dyn Spool>,
        lost: Lost,
    ) -> Result<(), SessionError> {
        let after = lost.ranges.front().map_or(0, |(after, _)| *after);
        let session = Session::open(self, target, lost.stretch, after + 1).await?;
        let server = session.server.clone();
        tracing::warn!(
            %server, after, instance = %lost.stretch.numbering.instance,
            "the server does not have any more what it had acknowledged: what is still here is sent again"
        );
        let (items, given) = mpsc::unbounded_channel();
        let mut given = Given::new(None, given);
        let mut pump = Pump::new(session, self, &mut given);
        let (samples, ()) = tokio::try_join!(lost.feed(spool, items), pump.run())?;
        tracing::info!(%server, samples, "what the server had lost is there again");
        Ok(())
    }
}

impl Lost {
    /// The first that are still here, about `bytes` of them.
    async fn records(&mut self, spool: &Arc<dyn Spool>, bytes: usize) -> Result<Vec<Record>, SessionError> {
        while let Some((after, before)) = self.ranges.front() {
            let mut records = records_after(spool, *after, bytes).await?;
            records.retain(|record| record.sequence < *before);
            if !records.is_empty() {
                return Ok(records);
            }
            self.ranges.pop_front();
        }
        Ok(Vec::new())
    }

    /// Gives all of it to a session, and waits until it is stored; says how many samples it was.
    async fn feed(
        mut self,
        spool: &Arc<dyn Spool>,
        items: mpsc::UnboundedSender<Item>,
    ) -> Result<u64, SessionError> {
        let mut dictionary = (0, 0);
        let mut samples = 0;
        loop {
            let records = self.records(spool, SLICE).await?;
            let Some(last) = records.last() else {
                return Ok(samples);
            };
            if let Some((after, _)) = self.ranges.front_mut() {
                *after = last.sequence;
            }
            let mut waiting = Vec::new();
            for record in records {
                let definitions =
                    missing(&mut dictionary, record.generation, &**spool).map_err(unreadable)?;
                let (done, over) = oneshot::channel();
                waiting.push((record.samples, over));
                let spooled = Spooled::Record(record);
                let item = Item {
                    spooled,
                    definitions,
                    done,
                };
                items.send(item).map_err(|_| SessionError::stopped())?;
            }
            for (count, over) in waiting {
                // What is too large for the server is told to it as lost.
                if over.await.map_err(|_| SessionError::stopped())?.is_ok() {
                    samples += u64::from(count);
                }
            }
        }
    }
}

/// The definitions that a session must have before a record, and does not have; `dictionary` is the one in use, and how
/// much of it the session has. Records come in their order, and so do generations: of an earlier one, nothing is needed.
pub(crate) fn missing(
    dictionary: &mut (u32, u32),
    generation: u32,
    spool: &dyn Spool,
) -> Result<Vec<Definitions>, Failure> {
    let sent = match *dictionary {
        (current, sent) if current == generation => sent,
        _ => 0,
    };
    let missing = spool.definitions(generation, sent)?;
    let ends = missing.iter().map(|one| one.first.saturating_add(one.count));
    *dictionary = (generation, ends.max().unwrap_or(sent).max(sent));
    Ok(missing)
}

async fn records_after(
    spool: &Arc<dyn Spool>,
    sequence: u64,
    bytes: usize,
) -> Result<Vec<Record>, SessionError> {
    let spool = Arc::clone(spool);
    let found = tokio::task::spawn_blocking(move || spool.records_after(sequence, bytes)).await;
    found
        .unwrap_or_else(|error| Err(Failure::retry(error)))
        .map_err(unreadable)
}

fn unreadable(failure: Failure) -> SessionError {
    SessionError::Passing(failure.to_string())
}
