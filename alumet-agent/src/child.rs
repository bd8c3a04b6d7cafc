//! Processes that are measured: started by us, or found running.
#![expect(
    unsafe_code,
    reason = "the kernel tells what one child used by wait4 alone, and what a program inherits is set between fork and exec"
)]

use std::ffi::{OsStr, OsString};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::process::{TreeUsage, status};
use anyhow::Context;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, rlim_t, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::process::{PidfdFlags, pidfd_open, set_child_subreaper};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Failed;
use crate::tree::SharedTree;

/// A process whose end can be awaited without reaping it.
pub(crate) struct Watched {
    pub(crate) pid: u32,
    pidfd: Arc<OwnedFd>,
    ended: watch::Receiver<Option<Instant>>,
}

impl Watched {
    /// Watches the process `pid`, in a small thread that sleeps until the process ends.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let pidfd = Arc::new(open_pidfd(pid)?);
        let (sender, ended) = watch::channel(None);
        let polled = Arc::clone(&pidfd);
        std::thread::Builder::new()
            .name("alumet-watch".to_owned())
            .spawn(move || {
                let mut fds = [PollFd::new(polled.as_fd(), PollFlags::POLLIN)];
                while poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
                // Nobody may listen any more.
                let _ = sender.send(Some(Instant::now()));
            })?;
        Ok(Self { pid, pidfd, ended })
    }

    /// Waits until the process has ended, and says when that was; it stays a zombie until its parent reaps it.
    pub(crate) async fn ended(&self) -> Instant {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await;
        // An error means that the thread is gone, which it is only after the end.
        ended.ok().and_then(|ended| *ended).unwrap_or_else(Instant::now)
    }

    /// The number that the process has in the mount of `/proc` that is measured.
    ///
    /// # Errors
    /// When it has none there, which says why.
    pub(crate) fn number_in(&self, root: &SystemRoot) -> Result<u32, String> {
        number_in(root, &self.pidfd).ok_or_else(|| {
            format!(
                "{} does not show the process {}: it belongs to another PID namespace\n  help: mount the proc of this \
                 namespace there (`mount -t proc proc /proc`), or name the right `system_root`",
                root.proc("").display(),
                self.pid
            )
        })
    }
}

fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    let raw = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let raw = raw.ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
    Ok(pidfd_open(raw, PidfdFlags::empty())?)
}

/// The number in a mount of `/proc`, which can be that of another PID namespace than ours; the kernel tells it about the
/// descriptor of a process (`Documentation/filesystems/proc.rst`, "pidfd files").
fn number_in(root: &SystemRoot, pidfd: &OwnedFd) -> Option<u32> {
    let file = root.proc(format!("self/fdinfo/{}", pidfd.as_raw_fd()));
    let number = status::number(&std::fs::read(file).ok()?, "Pid")?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}

/// What a program would inherit from whoever started the agent, and the agent changes for itself.
pub(crate) struct Inherited {
    open_files: Option<(rlim_t, rlim_t)>,
    /// One bit for each signal that is ignored, from the first.
    ignored: u64,
}

impl Inherited {
    /// What this process has inherited; to be called before anything is started.
    pub(crate) fn now() -> Self {
        let status = std::fs::read("/proc/self/status").unwrap_or_default();
        let ignored = status::field(&status, "SigIgn").and_then(|mask| str::from_utf8(mask).ok());
        Self {
            open_files: getrlimit(Resource::RLIMIT_NOFILE).ok(),
            ignored: ignored
                .and_then(|mask| u64::from_str_radix(mask, 16).ok())
                .unwrap_or(0),
        }
    }

    /// Restores it in a program to be. Safe between `fork` and `exec`: nothing but system calls.
    fn restore(&self) -> io::Result<()> {
        if let Some((soft, hard)) = self.open_files {
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
        }
        let listened = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM]
            .into_iter()
            .chain(passed_on());
        for number in listened.filter(|number| self.ignored & (1 << (number - 1)) != 0) {
            // SAFETY: no handler is installed, and the number is that of a signal.
            unsafe { libc::signal(number, libc::SIG_IGN) };
        }
        Ok(())
    }
}

/// A program that we run, and whose orphans come to us.
pub(crate) struct Running {
    pub(crate) started: Instant,
    pub(crate) watched: Watched,
    /// How large it was before it ran the program, in kibibytes: a copy of the agent. The kernel carries the peak of a
    /// process over `exec`.
    peak_before: i64,
}

/// How a program ended, and how large the largest of its processes was, in bytes, where that can be told.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) peak: Result<u64, AtMost>,
}

/// A peak that is hidden by that of the agent, in bytes.
pub(crate) struct AtMost(pub(crate) u64);

impl Running {
    /// Starts a program, and makes this process the parent of all its descendants that lose theirs.
    pub(crate) fn start(
        program: &OsStr,
        arguments: &[OsString],
        inherited: Inherited,
    ) -> Result<Self, Failed> {
        // Of any value but none.
        set_child_subreaper(Some(rustix::process::getpid())).context("orphans cannot be adopted")?;
        let (mut peak, mut tell_peak) = io::pipe()?;
        let prepare = move || {
            inherited.restore()?;
            let usage = getrusage(UsageWho::RUSAGE_SELF)?;
            tell_peak.write_all(&usage.max_rss().to_ne_bytes())
        };
        let mut command = Command::new(program);
        command.args(arguments);
        // SAFETY: only system calls are made, no memory is allocated and no lock is taken.
        unsafe { command.pre_exec(prepare) };
        let started = Instant::now();
        let child = command.spawn().map_err(|error| cannot_run(program, &error))?;
        let mut peak_before = [0; size_of::<i64>()];
        peak.read_exact(&mut peak_before)?;
        Ok(Self {
            started,
            watched: Watched::open(child.id())?,
            peak_before: i64::from_ne_bytes(peak_before),
        })
    }

    /// Passes a signal on that came to the agent.
    pub(crate) fn pass_on(&self, number: i32) {
        // What is typed at a terminal, and its size, reach the program as well; it decides what that means.
        let of_terminal = [
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTSTP,
            libc::SIGCONT,
            libc::SIGWINCH,
        ];
        if of_terminal.contains(&number) && terminal_reaches_program() {
            if number == libc::SIGTSTP {
                // The shell shall see both stopped.
                // SAFETY: a plain system call without pointers.
                unsafe { libc::raise(libc::SIGSTOP) };
            }
            return;
        }
        let signal =
            Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.to_string());
        tracing::info!(signal, "the signal is passed to the program");
        // The program may have ended in the meantime; until it is reaped, nobody else has its number.
        // SAFETY: a plain system call without pointers.
        unsafe { libc::kill(self.watched.pid.cast_signed(), number) };
    }

    /// Waits for orphans that have ended; the program itself stays a zombie. `tree` is told what they used.
    pub(crate) fn reap_orphans(&self, root: &SystemRoot, tree: &SharedTree) {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(status) = waitid(Id::All, peek)
            && let Some(pid) = status.pid()
            && pid.as_raw().cast_unsigned() != self.watched.pid
        {
            // Nothing is read between the moment in which the process vanishes and that in which its usage is known.
            let mut tree = tree.lock();
            let number = open_pidfd(pid.as_raw().cast_unsigned())
                .ok()
                .and_then(|pidfd| number_in(root, &pidfd));
            // A program that became the agent by `exec` may have left children behind.
            let is_ours = match (&mut *tree, number) {
                (Some(measured), Some(number)) => measured.tree.can_have(number),
                _ => false,
            };
            let Ok((_, usage)) = wait4(pid.as_raw()) else {
                return;
            };
            if let Some(measured) = tree.as_mut().filter(|_| is_ours) {
                measured.tree.reaped(used(&usage));
            }
        }
    }

    /// Reaps the program after it has ended, and tells `tree` what it used.
    pub(crate) fn reap(self, tree: &SharedTree) -> Result<End, Failed> {
        let mut tree = tree.lock();
        let (status, usage) = wait4(self.watched.pid.cast_signed())?;
        if let Some(measured) = &mut *tree {
            measured.tree.reaped(used(&usage));
        }
        /// The code that runs between the reading of the peak and `exec`, with what the kernel maps around it.
        const CODE: i64 = 1024;
        let bytes = usage.ru_maxrss.cast_unsigned() * 1024;
        let peak = match usage.ru_maxrss > self.peak_before + CODE {
            true => Ok(bytes),
            false => Err(AtMost(bytes)),
        };
        Ok(End { status, peak })
    }
}

fn wait4(pid: i32) -> io::Result<(ExitStatus, libc::rusage)> {
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: both pointers are valid for the call.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
    Errno::result(reaped)?;
    // SAFETY: all its fields are numbers, for which zero is a value, and the kernel has filled them in.
    Ok((ExitStatus::from_raw(status), unsafe { usage.assume_init() }))
}

fn used(usage: &libc::rusage) -> TreeUsage {
    let ns = |time: libc::timeval| {
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1000
    };
    // Blocks have 512 bytes (getrusage(2)).
    TreeUsage {
        user_ns: ns(usage.ru_utime),
        system_ns: ns(usage.ru_stime),
        read_bytes: usage.ru_inblock.cast_unsigned() * 512,
        written_bytes: usage.ru_oublock.cast_unsigned() * 512,
    }
}

/// The signals that are passed to a program besides those that ask the agent to end: all that would end it or stop it
/// without a fault of its own, or that tell it something. What a terminal stops for its input and output (`TTIN`, `TTOU`)
/// it stops as a group.
fn passed_on() -> impl Iterator<Item = i32> {
    let named = [
        libc::SIGQUIT,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGSTKFLT,
        libc::SIGCONT,
        libc::SIGTSTP,
        libc::SIGXCPU,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGWINCH,
        libc::SIGIO,
        libc::SIGPWR,
    ];
    named.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// Receives the signals that are meant for the program.
pub(crate) struct PassedOn(Vec<(i32, unix::Signal)>);

impl PassedOn {
    /// Receives them from now on, so that none ends the agent.
    pub(crate) fn listen() -> Result<Self, Failed> {
        let listen = |number| Ok((number, signal(SignalKind::from_raw(number))?));
        let signals = passed_on().map(listen).collect::<io::Result<_>>();
        Ok(Self(signals.context("signals cannot be received")?))
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> i32 {
        poll_fn(|context| {
            let mut signals = self.0.iter_mut();
            let came =
                signals.find_map(|(number, signal)| signal.poll_recv(context).is_ready().then_some(*number));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Tells when children have ended, one or several.
pub(crate) fn ends_of_children() -> Result<unix::Signal, Failed> {
    Ok(signal(SignalKind::child()).context("signals cannot be received")?)
}

/// Whether the agent, and with it the program, is the group at whose keys the terminal listens.
fn terminal_reaches_program() -> bool {
    std::fs::File::open("/dev/tty").is_ok_and(|terminal| {
        rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
    })
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
        let Ok(running) = Running::start("true".as_ref(), &[], Inherited::now()) else {
            panic!("there is a program `true`");
        };
        runtime.block_on(async {
            let first = running.watched.ended().await;
            assert!(running.started < first && first < Instant::now());
            assert_eq!(running.watched.ended().await, first);
        });
        assert!(running.reap(&SharedTree::default()).unwrap().status.success());
    }

    #[test]
    fn a_program_inherits_the_limit_that_the_agent_was_given_and_not_the_one_it_took() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let inherited = Inherited::now();
        setrlimit(Resource::RLIMIT_NOFILE, soft - 3, hard).unwrap();
        let script = format!("test $(ulimit -Sn) = {soft}");
        let Ok(running) = Running::start("sh".as_ref(), &["-c".into(), script.into()], inherited) else {
            panic!("there is a shell");
        };
        assert!(running.reap(&SharedTree::default()).unwrap().status.success());
    }
}
