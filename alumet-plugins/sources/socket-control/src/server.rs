//! The thread that serves the socket.

use std::io::{self, Write};
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use alumet_core::pipeline::Control;
use parking_lot::Mutex;
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Handle, Id, Runtime};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::connection::{Connection, Idle};
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
    /// How long a connection has in any case: who wants something says so at once.
    const ARRIVAL: Duration = Duration::from_millis(2);
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
    let mut clients = Vec::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                failing = false;
                if let Err(reason) = may_command(&stream) {
                    refuse(stream, reason);
                    continue;
                }
                if !make_room(&mut clients, config.max_connections).await {
                    let most = config.max_connections;
                    let reason = format!(
                        "{most} are connected and busy, which is all that `max_connections` allows; try again later"
                    );
                    refuse(stream, &reason);
                    continue;
                }
                let (idle, leave) = (
                    Arc::new(Mutex::new(Some(Instant::now()))),
                    CancellationToken::new(),
                );
                let connection = Connection::new(
                    stream,
                    control.clone(),
                    *config.idle_timeout,
                    Arc::clone(&idle),
                    leave.clone(),
                );
                let task = connections.spawn(connection.serve(stop.clone()));
                clients.push(Client { task, idle, leave });
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

/// Somebody who is connected, as the others see it.
struct Client {
    task: AbortHandle,
    idle: Idle,
    leave: CancellationToken,
}

/// Whether there is room for one more, for whom the connection has to go that has been idle for longest.
async fn make_room(clients: &mut Vec<Client>, most: usize) -> bool {
    loop {
        clients.retain(|client| !client.task.is_finished());
        if clients.len() < most {
            return true;
        }
        let idle = clients.iter().enumerate();
        let idle = idle.filter_map(|(index, client)| Some(((*client.idle.lock())?, index)));
        let Some((since, index)) = idle.min() else {
            return false;
        };
        if since + Server::ARRIVAL <= Instant::now() {
            clients.swap_remove(index).leave.cancel();
            return true;
        }
        sleep_until(since + Server::ARRIVAL).await;
    }
}

/// Whether whoever has connected may command this program: its user and root may. The mode of the file says the same, but
/// can be changed by mistake, and not every file system has modes.
fn may_command(stream: &UnixStream) -> Result<(), &'static str> {
    let own = geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if [0, own].contains(&peer.uid()) => Ok(()),
        Ok(peer) => {
            tracing::warn!(
                uid = peer.uid(),
                pid = peer.pid(),
                "another user wanted to command this program and was refused; mend the mode of the control socket"
            );
            Err("only root and the user of the agent may command it")
        }
        Err(error) => {
            tracing::warn!(%error, "it is not known who has connected to the control socket, so it was refused");
            Err("the system does not tell who you are")
        }
    }
}

/// Says why; a new connection has room for that.
fn refuse(stream: UnixStream, reason: &str) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(format!("error: {reason}\n").as_bytes());
    }
}
