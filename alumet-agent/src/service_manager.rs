//! What systemd is told of a service of `Type=notify`: that it has started, how it is, that it lives and that it stops
//! (sd_notify(3)). Nothing without `NOTIFY_SOCKET`.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crate::health::{Health, life_threat};

/// The socket of the service manager.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    socket: UnixDatagram,
    /// How often it wants to hear that the program lives.
    watchdog: Option<Duration>,
}

/// How often it is told how the program is, when that has changed.
const STATUS: Duration = Duration::from_secs(5);

impl ServiceManager {
    /// The one that the environment names, if it does.
    pub(crate) fn of_environment() -> Option<Self> {
        let variable = |name| std::env::var(name).ok();
        let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())?;
        let socket = connect(&path).inspect_err(|error| {
            tracing::warn!(%error, ?path, "the service manager cannot be told how the program is; `NOTIFY_SOCKET` names no socket of it");
        });
        // The variables may have been meant for another process.
        let is_meant = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").filter(|_| is_meant);
        let micros = watchdog
            .and_then(|micros| micros.parse().ok())
            .filter(|micros| *micros > 0);
        Some(Self {
            socket: socket.ok()?,
            watchdog: micros.map(Duration::from_micros),
        })
    }

    /// The program stops.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping: what is not written yet is written");
    }

    /// Tells that the program has started and then how it is; never ends. While something threatens the life of the program, it
    /// does not say that it lives.
    pub(crate) async fn keep_informed(&self, health: &Arc<Health>) -> ! {
        // Twice as often, so that one that is late is none that is missing.
        let every = self.watchdog.map_or(STATUS, |watchdog| STATUS.min(watchdog / 2));
        let mut ticks = tokio::time::interval(every);
        let mut said = String::new();
        let mut ready = "READY=1\n";
        loop {
            ticks.tick().await;
            let status = match health.obstacles() {
                obstacles if obstacles.is_empty() => "STATUS=ready".to_owned(),
                // One line, as `systemctl status` shows it.
                obstacles => format!("STATUS=not ready: {}", obstacles.join("; ").replace('\n', " ")),
            };
            if status != said {
                self.tell(&format!("{ready}{status}"));
                said = status;
                ready = "";
            }
            if self.watchdog.is_some() && life_threat(Arc::clone(health)).await.is_none() {
                self.tell("WATCHDOG=1");
            }
        }
    }

    /// There is nobody to tell if that fails.
    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send(what.as_bytes()) {
            tracing::debug!(%error, "the service manager could not be told how the program is");
        }
    }
}

/// A path, or the name of an abstract socket after an `@`.
fn connect(path: &OsStr) -> io::Result<UnixDatagram> {
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that does not read must not hold up the program.
    socket.set_nonblocking(true)?;
    Ok(socket)
}
