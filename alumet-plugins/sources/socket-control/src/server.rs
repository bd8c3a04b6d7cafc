//! The thread that serves the socket.

use std::io::{self, Write};
use std::os::unix::net::UnixListener as StdListener;
use std::thread::JoinHandle;
use std::time::Duration;

use alumet_core::pipeline::Control;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Handle, Id, Runtime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::SocketError;
use crate::socket_file::SocketFile;

/// A socket that is being served. It has a thread of its own, so that it answers while the rest of the agent is busy or
/// stopping; dropping it ends that and removes the socket.
#[derive(Debug)]
pub(crate) struct Server {
    file: Option<SocketFile>,
    stop: CancellationToken,
    runtime: Id,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// How long a reply that is being made may take when the server ends.
    const GRACE: Duration = Duration::from_secs(2);
    /// How often it looks whether the pipeline runs already.
    const LOOK: Duration = Duration::from_millis(10);
    /// A pause when the system has no room for another connection.
    const OUT_OF_FILES: Duration = Duration::from_millis(200);

    /// Listens, and answers as soon as the pipeline runs.
    pub(crate) fn start(config: Config, control: Control) -> Result<Self, SocketError> {
        let (listener, file) = SocketFile::listen(&config.socket_path)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(config.max_connections)
            .thread_name("socket-control")
            .build()
            .map_err(SocketError::Thread)?;
        let id = runtime.handle().id();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let path = config.socket_path.clone();
        let thread = std::thread::Builder::new()
            .name("socket-control".to_owned())
            .spawn(move || run(runtime, listener, config, control, stopped))
            .map_err(SocketError::Thread)?;
        tracing::info!(path = %path.display(), "commands are taken from this socket");
        Ok(Self {
            file: Some(file),
            stop,
            runtime: id,
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First, so that nobody finds a socket that is not served.
        self.file.take();
        self.stop.cancel();
        if Handle::try_current().is_ok_and(|handle| handle.id() == self.runtime) {
            // A command of this socket ends it, such as a reload; its reply is still to be written.
            return;
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the control socket panicked");
        }
    }
}

fn run(runtime: Runtime, listener: StdListener, config: Config, control: Control, stop: CancellationToken) {
    let served = runtime.block_on(async {
        let listener = UnixListener::from_std(listener)?;
        serve(&listener, &config, &control, &stop).await;
        Ok::<_, io::Error>(())
    });
    if let Err(error) = served {
        tracing::error!(%error, "the control socket cannot be served");
    }
    // A command may wait for the pipeline longer than anybody waits for this.
    runtime.shutdown_background();
}

async fn serve(listener: &UnixListener, config: &Config, control: &Control, stop: &CancellationToken) {
    // Whoever is early waits in the queue of the socket instead of being told that nothing runs.
    while !control.is_running() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(Server::LOOK) => {}
        }
    }
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) if connections.len() >= config.max_connections => refuse(stream, config),
            Ok((stream, _)) => {
                failing = false;
                let connection = Connection::new(stream, control.clone(), *config.idle_timeout);
                connections.spawn(connection.serve(stop.clone()));
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "the control socket cannot take a connection; it goes on trying");
                }
                sleep(Server::OUT_OF_FILES).await;
            }
        }
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(Server::GRACE, finish).await;
}

/// Says why; a new connection has room for that.
fn refuse(stream: UnixStream, config: &Config) {
    let reason = format!(
        "error: {} are connected already, which is all that `max_connections` allows; try again later\n",
        config.max_connections
    );
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(reason.as_bytes());
    }
}
