//! Accepts connections, as many as may be.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::connection::serve;
use crate::refusal::{Reason, Refusal};
use crate::state::Running;

/// A pause when the system has no room for another connection.
const OUT_OF_FILES: Duration = Duration::from_millis(200);

/// How many connections there are at most, of so many that are wanted. Everything else in the program needs files, too: a
/// quarter of those that the system allows is not given to clients, who need no credentials to connect.
fn most_connections(wanted: usize) -> usize {
    let needed = u64::try_from(wanted)
        .unwrap_or(u64::MAX)
        .saturating_mul(4)
        .div_ceil(3);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|files| files < needed) {
        let more = limit.maximum.map_or(needed, |hard| hard.min(needed));
        let raised = Rlimit {
            current: Some(more),
            ..limit
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let Some(files) = limit.current.filter(|files| *files < needed) else {
        return wanted;
    };
    let most = files / 4 * 3;
    tracing::warn!(
        open_files = files,
        needed,
        connections = most,
        "the system allows less open files than `max_connections` needs, so fewer can connect; allow as many as are needed, \
         with LimitNOFILE= in the service, or lower `max_connections`"
    );
    usize::try_from(most).unwrap_or(wanted)
}

/// Accepts connections until the server stops.
pub(crate) async fn accept_all(listener: TcpListener, running: Arc<Running>) {
    let limit = most_connections(running.state.config.max_connections).min(Semaphore::MAX_PERMITS);
    let connections = Arc::new(Semaphore::new(limit));
    // Those who have not proved yet who they are must not take the place of everybody else.
    let pending = Arc::new(Semaphore::new(limit.min((limit / 4).max(256))));
    loop {
        let accepted = tokio::select! {
            () = running.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(
                    %error,
                    "a connection could not be accepted; it goes on trying; if no file is left to open, allow the program more"
                );
                sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        let places = (
            Arc::clone(&connections).try_acquire_owned(),
            Arc::clone(&pending).try_acquire_owned(),
        );
        let (Ok(place), Ok(pending)) = places else {
            let message =
                "as many are connected as `max_connections` allows; raise it, or use several servers";
            let refusal = Refusal::new(Reason::Busy, message);
            running.state.refusals.note(&refusal, peer, "");
            continue;
        };
        // Answers must not wait for each other. Where that cannot be set, they are only slower.
        let _ = stream.set_nodelay(true);
        let connection = serve(Arc::clone(&running), stream, peer, pending);
        running.tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}
