//! Tells a client what is stored.

use alumet_relay_protocol::v1::{Ack, ServerMessage, server_message};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// What a session answers.
pub(crate) type Answers = mpsc::Sender<Result<ServerMessage, Status>>;

/// Acknowledges until the client has gone, or has been told of everything that was stored by the time of `last_call`. A client
/// that reads slowly gets fewer acknowledgements, each for more.
pub(crate) async fn acknowledge(
    mut commits: watch::Receiver<u64>,
    mut told: u64,
    answers: Answers,
    last_call: CancellationToken,
) {
    loop {
        // Asked first: what is stored may change until the next line.
        let is_last = last_call.is_cancelled();
        let sequence = *commits.borrow_and_update();
        if sequence > told {
            let ack = server_message::Message::Ack(Ack { sequence });
            if answers.send(Ok(ServerMessage::sealed(ack))).await.is_err() {
                return;
            }
            told = sequence;
            continue;
        }
        if is_last {
            return;
        }
        tokio::select! {
            biased;
            changed = commits.changed() => if changed.is_err() { return },
            () = answers.closed() => return,
            () = last_call.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn acknowledgements_rise_and_a_slow_reader_gets_the_newest() {
        let (commit, commits) = watch::channel(3);
        let (answers, mut read) = mpsc::channel(1);
        let task = tokio::spawn(acknowledge(commits, 3, answers, CancellationToken::new()));
        let mut seen = Vec::new();
        for sequence in 4..=100 {
            commit.send(sequence).unwrap();
            tokio::task::yield_now().await;
        }
        while seen.last() != Some(&100) {
            let message = read.recv().await.unwrap().unwrap();
            let Some(server_message::Message::Ack(ack)) = message.message else {
                panic!("no acknowledgement")
            };
            seen.push(ack.sequence);
        }
        assert!(seen.is_sorted() && seen[0] > 3 && seen.len() < 10, "{seen:?}");
        drop(read);
        task.await.unwrap();
    }
}
