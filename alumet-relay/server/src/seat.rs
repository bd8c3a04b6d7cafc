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
    /// With what tells the session that another one took over.
    holder: Option<(Claim, CancellationToken)>,
    /// Runs that a newer one took over from. They have ended, unless two machines use one spool.
    replaced: VecDeque<RunId>,
}

impl Seat {
    /// How many former runs are remembered.
    const MEMORY: usize = 64;

    /// Gives the seat to a new session, and tells the former one. The token says when a newer one took over from this.
    ///
    /// # Errors
    /// When two machines use the instance: a run came back that a newer one took over from, or another node holds a session.
    pub(crate) fn take(&mut self, claim: Claim) -> Result<CancellationToken, Refusal> {
        if let Some((holder, session)) = &self.holder {
            let is_held_by_other = holder.node != claim.node && !session.is_cancelled();
            if is_held_by_other || self.replaced.contains(&claim.run) {
                return Err(copied(holder, &claim));
            }
            session.cancel();
            if holder.run != claim.run {
                if self.replaced.len() == Self::MEMORY {
                    self.replaced.pop_front();
                }
                self.replaced.push_back(holder.run);
            }
        }
        let replaced = CancellationToken::new();
        self.holder = Some((claim, replaced.clone()));
        Ok(replaced)
    }

    /// Whether a session holds it.
    pub(crate) fn is_held(&self) -> bool {
        self.holder
            .as_ref()
            .is_some_and(|(_, session)| !session.is_cancelled())
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
        let refusal = seat.take(claim(1, "a")).unwrap_err();
        assert_eq!(refusal.reason, Reason::Copied);
        assert!(refusal.message.contains("192.0.2.1:1") && refusal.message.contains("192.0.2.2:1"));
        assert!(!newer.is_cancelled(), "the newer one goes on");
        // Also when the newer one is not connected at the moment.
        newer.cancel();
        assert!(seat.take(claim(1, "a")).is_err());
        assert!(seat.take(claim(3, "a")).is_ok());
        assert!(seat.take(claim(2, "a")).is_err());
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
        }
        assert_eq!(seat.replaced.len(), Seat::MEMORY);
        assert!(seat.take(claim(254, "a")).is_err());
    }
}
