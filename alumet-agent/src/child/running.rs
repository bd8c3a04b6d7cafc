//! A program from its start to its end.
#![expect(
    unsafe_code,
    reason = "the kernel tells what one child used by wait4 alone, and what a program inherits is set between fork and exec"
)]

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use alumet_reader_procfs::SystemRoot;
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeSpec;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::time::{ClockId, clock_gettime};
use rustix::process::set_child_subreaper;

use super::explain::cannot_run;
use super::watched::{number_in, open_pidfd};
use super::{Inherited, Watched};
use crate::exit::Failed;
use crate::measured::{RunGroup, SharedTree};

/// A program that we run, and whose orphans come to us.
pub(crate) struct Running {
    pub(crate) started: Instant,
    pub(crate) watched: Watched,
    /// How large it was before it ran the program, in kibibytes: a copy of the agent. The kernel carries the peak of a
    /// process over `exec`.
    peak_before: i64,
    /// The control group that was made for it, if it is in it.
    pub(crate) group: Option<RunGroup>,
}

/// How a program ended.
#[derive(Debug)]
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
        mut command: Command,
        inherited: Inherited,
        group: Option<RunGroup>,
    ) -> Result<Self, Failed> {
        if let Err(error) = set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::warn!(%error, "descendants that lose their parent are not measured");
        }
        let (mut told, mut tell) = io::pipe()?;
        let door = group.as_ref().and_then(|group| group.door().ok());
        let prepare = move || {
            inherited.restore()?;
            let entered = door.as_ref().is_some_and(|door| RunGroup::enter(door).is_ok());
            let usage = getrusage(UsageWho::RUSAGE_SELF)?;
            let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
            tell.write_all(&usage.max_rss().to_ne_bytes())?;
            tell.write_all(&now.tv_sec().to_ne_bytes())?;
            tell.write_all(&now.tv_nsec().to_ne_bytes())?;
            tell.write_all(&[u8::from(entered)])
        };
        // SAFETY: only system calls are made, no memory is allocated and no lock is taken.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn();
        let child = child.map_err(|error| cannot_run(command.get_program(), &error))?;
        let mut number = || {
            let mut bytes = [0; size_of::<i64>()];
            told.read_exact(&mut bytes).map(|()| i64::from_ne_bytes(bytes))
        };
        let (peak_before, seconds, nanos) = (number()?, number()?, number()?);
        let mut has_entered = [0];
        told.read_exact(&mut has_entered)?;
        // When it was about to run the program: until then it was the agent that worked.
        let began = Duration::from(TimeSpec::new(seconds, nanos));
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(io::Error::from)?;
        let age = Duration::from(now).saturating_sub(began);
        Ok(Self {
            started: Instant::now() - age,
            watched: Watched::open(child.id())?,
            peak_before,
            group: group.filter(|_| has_entered == [1]),
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
            let number = number.filter(|number| tree.as_mut().is_some_and(|tree| tree.can_have(*number)));
            let Ok((_, usage)) = wait4(pid.as_raw()) else {
                return;
            };
            if let (Some(measured), Some(number)) = (&mut *tree, number) {
                measured.reaped(number, &usage);
            }
        }
    }

    /// Reaps the program after it has ended, and tells `tree` what it used.
    pub(crate) fn reap(self, tree: &SharedTree) -> Result<End, Failed> {
        let mut tree = tree.lock();
        let (status, usage) = wait4(self.watched.pid.cast_signed())?;
        if let Some(measured) = &mut *tree {
            measured.reaped(measured.root(), &usage);
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

#[cfg(test)]
mod tests {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    use super::*;

    #[test]
    fn a_process_has_ended_when_it_did_and_not_when_somebody_asks() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Ok(running) = Running::start(Command::new("true"), Inherited::now(), None) else {
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
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script);
        let Ok(running) = Running::start(shell, inherited, None) else {
            panic!("there is a shell");
        };
        assert!(running.reap(&SharedTree::default()).unwrap().status.success());
    }
}
