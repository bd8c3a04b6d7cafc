//! Processes that are measured: started by us, or found running.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::sync::watch;

use crate::exit::Failed;

/// A process whose end can be awaited without reaping it.
pub(crate) struct Watched {
    pub(crate) pid: u32,
    ended: watch::Receiver<Option<Instant>>,
}

impl Watched {
    /// Watches the process `pid`, in a small thread that sleeps until the process ends.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let raw = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        let raw = raw.ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty())?;
        let (sender, ended) = watch::channel(None);
        std::thread::Builder::new()
            .name("alumet-watch".to_owned())
            .spawn(move || {
                let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
                while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
                // Nobody may listen any more.
                let _ = sender.send(Some(Instant::now()));
            })?;
        Ok(Self { pid, ended })
    }

    /// Waits until the process has ended, and says when that was; it stays a zombie until its parent reaps it.
    pub(crate) async fn ended(&self) -> Instant {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await;
        // An error means that the thread is gone, which it is only after the end.
        ended.ok().and_then(|ended| *ended).unwrap_or_else(Instant::now)
    }
}

/// A program that we run.
pub(crate) struct Running {
    child: Child,
    pub(crate) started: Instant,
    pub(crate) watched: Watched,
    /// What children that ended before have used: whoever became this program by `exec`, such as `cargo run`, may have
    /// had some.
    before: Usage,
    /// The peak of the agent when it started the program, in bytes.
    own_peak: u64,
}

/// What a program has used, its own children that it waited for included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) peak_memory: PeakMemory,
    /// In bytes, from and to storage.
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// The largest part of a program that was in RAM, in bytes.
///
/// The kernel carries the peak of a process over `exec`, so a program never seems smaller than the agent that
/// started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeakMemory {
    Exactly(u64),
    AtMost(u64),
}

impl Running {
    /// Starts a program.
    pub(crate) fn start(program: &OsStr, arguments: &[OsString]) -> Result<Self, Failed> {
        let before = Usage::of_children()?;
        let started = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .spawn()
            .map_err(|error| cannot_run(program, &error))?;
        let own_peak = getrusage(UsageWho::RUSAGE_SELF)
            .map_err(io::Error::from)?
            .max_rss()
            .unsigned_abs()
            * 1024;
        let watched = Watched::open(child.id())?;
        Ok(Self {
            child,
            started,
            watched,
            before,
            own_peak,
        })
    }

    /// Passes a signal on.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.watched.pid).unwrap_or_default());
        // It may have ended in the meantime; until it is reaped, nobody else has its number.
        let _ = kill(pid, signal);
    }

    /// Reaps the program after it has ended.
    pub(crate) fn reap(mut self) -> Result<(ExitStatus, Usage), Failed> {
        let status = self.child.wait()?;
        // No other child has ended since, so the rest belongs to this one.
        let usage = Usage::of_children()?.since(&self.before, self.own_peak);
        Ok((status, usage))
    }
}

impl Usage {
    /// What all children have used that have ended.
    fn of_children() -> io::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let duration = |time: TimeVal| {
            Duration::new(
                time.tv_sec().unsigned_abs(),
                time.tv_usec().unsigned_abs() as u32 * 1000,
            )
        };
        // The kernel counts blocks of 512 bytes and kibibytes (getrusage(2)).
        Ok(Self {
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
            peak_memory: PeakMemory::Exactly(usage.max_rss().unsigned_abs() * 1024),
            read: usage.block_reads().unsigned_abs() * 512,
            written: usage.block_writes().unsigned_abs() * 512,
        })
    }

    /// What was used since `before`. A peak below that of earlier children, or `own_peak`, cannot be seen.
    fn since(self, before: &Self, own_peak: u64) -> Self {
        let hidden = own_peak.max(before.peak_memory.bytes());
        let peak = self.peak_memory.bytes();
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            peak_memory: if peak > hidden {
                PeakMemory::Exactly(peak)
            } else {
                PeakMemory::AtMost(peak)
            },
            read: self.read.saturating_sub(before.read),
            written: self.written.saturating_sub(before.written),
        }
    }
}

impl PeakMemory {
    const fn bytes(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::AtMost(bytes) => bytes,
        }
    }
}

/// The exit code of a program, or 128 and the number of the signal that ended it, as shells have it.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    (code & 0xff) as u8
}

/// Whether there is a program of this name, executable or not.
pub(crate) fn find(program: &OsStr) -> Result<(), Failed> {
    match locate(program) {
        Some(_) => Ok(()),
        None => Err(cannot_run(program, &io::Error::from(ErrorKind::NotFound))),
    }
}

/// Explains why a program cannot be run; 127 if there is none and 126 if it may not be run, as shells have it.
fn cannot_run(program: &OsStr, error: &io::Error) -> Failed {
    let name = program.display();
    // The kind of the error alone does not tell: a folder in PATH that may not be searched gives the same one as a file
    // that may not be run, and a missing interpreter the same one as a missing file.
    let Some(file) = locate(program) else {
        let hint = nearest_program(program).map_or_else(
            || "check the spelling, and that the folder of the program is in PATH".to_owned(),
            |nearest| format!("did you mean `{}`?", nearest.display()),
        );
        return Failed::with_code(127, format!("there is no program `{name}`\n  help: {hint}"));
    };
    let hint = if file.is_dir() {
        "it is a folder; name a file in it".to_owned()
    } else if error.kind() == ErrorKind::PermissionDenied {
        let file = file.display();
        format!("make it executable with `chmod +x {file}`, or run it with its interpreter")
    } else if error.kind() == ErrorKind::NotFound {
        format!(
            "the interpreter that the first line of {} names, or the loader of a binary, is missing",
            file.display()
        )
    } else if error.raw_os_error() == Some(Errno::ENOEXEC as i32) {
        "it is no program for this machine, and no script that begins with a line such as `#!/bin/sh`"
            .to_owned()
    } else {
        return Failed::with_code(126, format!("`{name}` cannot be run: {error}"));
    };
    Failed::with_code(126, format!("`{name}` cannot be run: {error}\n  help: {hint}"))
}

/// The file that a program name stands for, executable or not.
fn locate(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    if program.as_encoded_bytes().contains(&b'/') {
        // What cannot be looked at may be there.
        return path.try_exists().unwrap_or(true).then(|| path.to_owned());
    }
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(path))
        .find(|file| file.is_file())
}

/// The folders in which programs are found; without PATH, those that the C library takes.
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into())
}

/// The program in PATH, or in the folder of `program`, whose name is most like that of `program`.
fn nearest_program(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    let wanted = path.file_name()?.to_str()?;
    let in_folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folders: Vec<PathBuf> = match in_folder {
        Some(folder) => vec![folder.to_owned()],
        None => std::env::split_paths(&search_path()).collect(),
    };
    let names = folders
        .iter()
        .filter_map(|folder| folder.read_dir().ok())
        .flatten()
        .flatten();
    let likely = names.filter_map(|entry| {
        let name = entry.file_name();
        let distance = strsim::damerau_levenshtein(wanted, name.to_str()?);
        // A third of the letters wrong is no typing error any more.
        (distance * 3 <= wanted.chars().count()).then_some((distance, name, entry.path()))
    });
    let (_, name, full) = likely.min()?;
    Some(if in_folder.is_some() {
        full
    } else {
        PathBuf::from(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_ended_when_it_did_and_not_when_somebody_asks() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Ok(running) = Running::start("true".as_ref(), &[]) else {
            panic!("there is a program `true`");
        };
        runtime.block_on(async {
            let first = running.watched.ended().await;
            assert!(running.started < first && first < Instant::now());
            assert_eq!(running.watched.ended().await, first);
        });
        let (status, _) = running.reap().unwrap();
        assert!(status.success());
    }
}
