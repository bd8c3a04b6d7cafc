//! Accepts connections, as many as may be.

use std::sync::Arc;
use std::time::Duration;

use alumet_shared_http_server::most_connections;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::connection::serve;
use crate::refusal::{Reason, Refusal};
use crate::state::Running;

/// A pause when the system has no room for another connection.
const OUT_OF_FILES: Duration = Duration::from_millis(200);

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
