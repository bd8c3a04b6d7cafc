use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use alumet_core::time::{Alarm, Clock, Moment, SystemClock};
use alumet_plugin_socket_control::SocketControlPlugin;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;

use crate::agent::{Agent, Client, PATIENCE, builder, config, listen, probe};

/// Why the plugin does not start; a trial must say the same.
fn refusal(path: &Path) -> String {
    let Err(error) = listen(path) else {
        panic!("it listens on {}", path.display());
    };
    assert_eq!(probe(path).unwrap_err().to_string(), error.to_string());
    error.to_string()
}

#[test]
fn a_trial_leaves_everything_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.sock");
    probe(&path).unwrap();
    assert!(!path.exists());
    drop(UnixListener::bind(&path).unwrap());
    probe(&path).unwrap();
    assert!(path.exists());
}

#[test]
fn only_the_user_may_connect() {
    let agent = Agent::start();
    let metadata = fs::metadata(&agent.path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn another_user_is_refused_whatever_the_mode_of_the_file_is() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can become another user.
        return;
    }
    let agent = Agent::start();
    for (path, mode) in [(agent.path.parent().unwrap(), 0o755), (&*agent.path, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let path = agent.path.clone();
    // Of this thread only, which ends afterwards.
    let stranger = std::thread::spawn(move || {
        let nobody = Uid::from_raw(65534);
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        Client::new(&path).rest()
    });
    let said = stranger.join().unwrap();
    assert_eq!(
        said,
        "error: only root and the user of the agent may command it\n"
    );
    assert_eq!(agent.ask("ping"), "  pong\nok\n");
}

#[test]
fn the_socket_is_never_open_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.sock");
    let (seen, done) = (AtomicU32::new(0), AtomicBool::new(false));
    let widest = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut widest = 0;
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir(folder.path()).unwrap() {
                    let Ok(metadata) = fs::symlink_metadata(entry.unwrap().path()) else {
                        continue;
                    };
                    seen.fetch_add(1, Ordering::Relaxed);
                    widest |= metadata.permissions().mode() & 0o777;
                }
            }
            widest
        });
        let deadline = Instant::now() + PATIENCE;
        while seen.load(Ordering::Relaxed) < 200 && Instant::now() < deadline {
            drop(listen(&path).unwrap());
        }
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert_eq!(widest, 0o600, "seen {} times", seen.into_inner());
}

#[test]
fn the_socket_of_a_dead_agent_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let builder = listen(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    drop(builder);
    assert!(!path.exists());
}

#[test]
fn the_socket_of_a_living_agent_is_left_alone() {
    let agent = Agent::start();
    let error = refusal(&agent.path);
    assert!(
        error.starts_with("another agent listens on ") && error.contains("`socket_path`"),
        "{error}"
    );
    assert_eq!(agent.ask("ping"), "  pong\nok\n");
}

#[test]
fn what_is_no_socket_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = folder.path().join("link");
    symlink(&file, &link).unwrap();
    for path in [&file, &link, &folder.path().to_owned()] {
        let error = refusal(path);
        assert!(error.contains("exists and is no socket"), "{error}");
    }
    assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
}

#[test]
fn a_place_where_nothing_can_be_made_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&folder.path().join("missing/c.sock"));
    assert!(error.contains("does not exist; create it"), "{error}");
    let error = refusal(&folder.path().join("x".repeat(120)));
    assert!(error.contains("at most 107"), "{error}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refusal(&file.join("c.sock"));
    assert!(error.contains("does not exist; create it"), "{error}");
}

#[test]
fn at_the_end_the_socket_of_somebody_else_stays() {
    let agent = Agent::start();
    fs::remove_file(&agent.path).unwrap();
    let other = UnixListener::bind(&agent.path).unwrap();
    let path = agent.path.clone();
    drop(agent.pipeline);
    assert!(path.exists());
    drop(other);
}

/// Lets the start of the pipeline, which needs an alarm, wait for a reply that comes too early.
struct SlowStart(Arc<OnceLock<UnixStream>>);

impl Clock for SlowStart {
    fn now(&self) -> Moment {
        SystemClock.now()
    }

    fn alarm(&self) -> io::Result<Box<dyn Alarm>> {
        let client = self.0.get().unwrap();
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let early = rustix::net::recv(client, &mut [0; 1], RecvFlags::PEEK);
        assert_eq!(
            early.unwrap_err(),
            Errno::AGAIN,
            "it was answered before the pipeline ran"
        );
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        SystemClock.alarm()
    }
}

#[test]
fn whoever_comes_before_the_pipeline_runs_is_answered_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.sock");
    let client = Arc::default();
    let mut builder = builder(Arc::new(SlowStart(Arc::clone(&client))));
    builder.plugin::<SocketControlPlugin>(config(&path)).unwrap();
    let mut early = Client::new(&path);
    early.send("ping\n");
    client.set(early.stream.get_ref().try_clone().unwrap()).unwrap();
    let _pipeline = builder.start().unwrap();
    assert_eq!(early.reply(), "  pong\nok\n");
}
