//! What a program inherits.
#![expect(
    unsafe_code,
    reason = "a signal is ignored by a call that could also install a handler"
)]

use std::io;

use alumet_reader_procfs::process::status;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use super::signals::passed_on;

/// What a program would inherit from whoever started the agent, and the agent changes for itself.
#[derive(Clone, Copy)]
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
    pub(super) fn restore(&self) -> io::Result<()> {
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
