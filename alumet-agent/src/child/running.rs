//! A program from its start to its end.
#![expect(
    unsafe_code,
    reason = "the kernel tells what one child used by wait4 alone, and what a program inherits is set between fork and exec"
)]

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Instant;

use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::process::TreeUsage;
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use rustix::process::set_child_subreaper;

use super::explain::cannot_run;
use super::watched::{number_in, open_pidfd};
use super::{Inherited, Watched};
use crate::exit::Failed;
use crate::tree::SharedTree;

/// A program that we run, and whose orphans come to us.
pub(crate) struct Running {
    pub(crate) started: Instant,
    pub(crate) watched: Watched,
    /// How large it was before it ran the program, in kibibytes: a copy of the agent. The kernel carries the peak of a
    /// process over `exec`.
    peak_before: i64,
}

/// How a program ended.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    /// The most memory of its largest process, in bytes.
    pub(crate) peak: u64,
    /// Whether that may be the memory of the agent, which was copied for the program.
    pub(crate) is_hidden: bool,
}

impl Running {
    /// Starts a program, and makes this process the parent of all its descendants that lose theirs.
    pub(crate) fn start(
        program: &OsStr,
        arguments: &[OsString],
        inherited: Inherited,
    ) -> Result<Self, Failed> {
        if let Err(error) = set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::warn!(%error, "descendants that lose their parent are not measured");
        }
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
        Ok(End {
            status,
            // In kibibytes (getrusage(2)).
            peak: usage.ru_maxrss.cast_unsigned() * 1024,
            is_hidden: usage.ru_maxrss <= self.peak_before + CODE,
        })
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

/// The exit code of a program, or 128 and the number of the signal that ended it, as shells have it.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    (code & 0xff) as u8
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

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
