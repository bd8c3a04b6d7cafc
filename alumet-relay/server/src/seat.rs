//! Which run of the program of an instance may send: the newest one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::refusal::{Reason, Refusal};

/// 16 random bytes, new with each start of a program.
pub(crate) type RunId = [u8; 16];

/// Who wants to send for an instance.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) run: RunId,
    pub(crate) node: Arc<str>,
    pub(crate) peer: SocketAddr,
}

/// The place of the one session that an instance may have.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    holder: Option<Holder>,
    /// Runs that a newer one took over from. They have ended, unless two machines use one spool.
    replaced: VecDeque<RunId>,
}

#[derive(Debug)]
struct Holder {
    claim: Claim,
    /// Tells the session that another one took over.
    session: CancellationToken,
    /// The run that it took over from, until it has said something after it was heard. A network can bring the first word
    /// of a program that was killed after that of the next run: it would then look as if the next run were the former one.
    former: Option<RunId>,
}

impl Seat {
    /// How many former runs are remembered.
    const MEMORY: usize = 64;

    /// Gives the seat to a new session, and tells the former one. The token says when a newer one took over from this.
    ///
    /// # Errors
    /// When two machines use the instance: a run came back that a newer one took over from, or another node holds a session.
    pub(crate) fn take(&mut self, claim: Claim) -> Result<CancellationToken, Refusal> {
        let mut former = None;
        if let Some(holder) = &self.holder {
            let is_held_by_other = holder.claim.node != claim.node && !holder.session.is_cancelled();
            if is_held_by_other || self.replaced.contains(&claim.run) {
                return Err(copied(&holder.claim, &claim));
            }
            holder.session.cancel();
            former = match holder.claim.run {
                run if run == claim.run => holder.former,
                run => Some(run),
            };
        }
        let session = CancellationToken::new();
        let replaced = session.clone();
        self.holder = Some(Holder {
            claim,
            session,
            former,
        });
        Ok(replaced)
    }

    /// A run has said something after it was heard, so that it lives, and what it took over from is over.
    pub(crate) fn lives(&mut self, run: &RunId) {
        let holder = self.holder.as_mut().filter(|holder| holder.claim.run == *run);
        if let Some(former) = holder.and_then(|holder| holder.former.take()) {
            if self.replaced.len() == Self::MEMORY {
                self.replaced.pop_front();
            }
            self.replaced.push_back(former);
        }
    }

    /// Whether a session holds it.
    pub(crate) fn is_held(&self) -> bool {
        self.holder
            .as_ref()
            .is_some_and(|holder| !holder.session.is_cancelled())
    }
}

fn copied(holder: &Claim, claim: &Claim) -> Refusal {
    let message = format!(
        "two programs use the same spool: `{}` at {} and `{}` at {}; it was copied with the disk of one of them, so delete \
         the spool file on the machine that is the copy",
        holder.node, holder.peer, claim.node, claim.peer
    );
    Refusal::new(Reason::Copied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(run: u8, node: &str) -> Claim {
        Claim {
            run: [run; 16],
            node: node.into(),
            peer: format!("192.0.2.{run}:1").parse().unwrap(),
        }
    }

    #[test]
    fn a_newer_session_takes_over_from_the_former_one() {
        let mut seat = Seat::default();
        let first = seat.take(claim(1, "a")).unwrap();
        let again = seat.take(claim(1, "a")).unwrap();
        assert!(first.is_cancelled() && !again.is_cancelled());
        let restarted = seat.take(claim(2, "a")).unwrap();
        assert!(again.is_cancelled() && !restarted.is_cancelled());
        assert!(seat.is_held());
    }

    #[test]
    fn a_run_that_comes_back_after_another_took_over_shows_that_the_spool_was_copied() {
        let mut seat = Seat::default();
        seat.take(claim(1, "a")).unwrap();
        let newer = seat.take(claim(2, "a")).unwrap();
        seat.lives(&[2; 16]);
        let refusal = seat.take(claim(1, "a")).unwrap_err();
        assert_eq!(refusal.reason, Reason::Copied);
        assert!(refusal.message.contains("192.0.2.1:1") && refusal.message.contains("192.0.2.2:1"));
        assert!(!newer.is_cancelled(), "the newer one goes on");
        // Also when the newer one is not connected at the moment.
        newer.cancel();
        assert!(seat.take(claim(1, "a")).is_err());
        assert!(seat.take(claim(3, "a")).is_ok());
        seat.lives(&[3; 16]);
        assert!(seat.take(claim(2, "a")).is_err());
    }

    #[test]
    fn the_late_word_of_a_killed_run_does_not_make_a_copy_of_the_next_one() {
        let mut seat = Seat::default();
        seat.take(claim(1, "a")).unwrap();
        seat.lives(&[1; 16]);
        seat.take(claim(2, "a")).unwrap();
        seat.take(claim(1, "a")).unwrap();
        // Of a session that is over.
        seat.lives(&[2; 16]);
        seat.take(claim(2, "a")).unwrap();
        seat.take(claim(2, "a")).unwrap();
        seat.lives(&[2; 16]);
        assert!(seat.take(claim(1, "a")).is_err(), "it came after all");
        assert!(seat.take(claim(2, "a")).is_ok());
    }

    #[test]
    fn another_node_gets_the_seat_only_when_it_is_free() {
        let mut seat = Seat::default();
        let session = seat.take(claim(1, "a")).unwrap();
        let refusal = seat.take(claim(2, "b")).unwrap_err();
        assert!(
            refusal.message.contains("`a`") && refusal.message.contains("`b`"),
            "{refusal}"
        );
        session.cancel();
        assert!(
            seat.take(claim(2, "b")).is_ok(),
            "a machine that was given another name"
        );
        assert!(seat.take(claim(1, "a")).is_err());
    }

    #[test]
    fn the_memory_of_former_runs_is_bounded() {
        let mut seat = Seat::default();
        for run in 0..=255 {
            seat.take(claim(run, "a")).unwrap();
            seat.lives(&[run; 16]);
        }
        assert_eq!(seat.replaced.len(), Seat::MEMORY);
        assert!(seat.take(claim(254, "a")).is_err());
    }
}
