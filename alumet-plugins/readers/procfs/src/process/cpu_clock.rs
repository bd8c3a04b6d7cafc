//! The CPU-time clock of a process: nanoseconds of all its threads, ended ones included, in one cheap system call.
//!
//! The kernel names such a clock by a negative number that contains the number of the process
//! (`include/linux/posix-timers.h`, `MAKE_PROCESS_CPUCLOCK`); libc's `clock_getcpuclockid` computes the same number and
//! asks the kernel once more whether the process exists, which the reading itself does as well.

use std::path::Path;
use std::{fs, io};

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use super::status::field;
use crate::ReadError;
use crate::root::if_there;
use alumet_reader_kernel_file::fields::Fields;

/// The CPU-time clock of one process.
///
/// It is valid for numbers of *this program's* PID namespace only, and it follows the number, not
/// the process: after the process has ended, the number can be given to another one.
#[derive(Clone, Copy, Debug)]
pub struct ProcessClock(ClockId);

impl ProcessClock {
    /// The clock of a process; `None` for a number that no process can have (0, or above the kernel's limit of 2^22).
    pub fn of(pid: u32) -> Option<Self> {
        /// `CPUCLOCK_SCHED`: the scheduler's precise run time, of the whole process.
        const SCHED: i32 = 2;
        let number = i32::try_from(pid)
            .ok()
            .filter(|number| (1..=1 << 22).contains(number))?;
        Some(Self(ClockId::from_raw((!number << 3) | SCHED)))
    }

    /// The CPU time since the process started, in nanoseconds; `None` when there is no such process.
    ///
    /// # Errors
    /// When the kernel refuses the reading for another reason.
    pub fn read(&self) -> Result<Option<u64>, ReadError> {
        let time = match clock_gettime(self.0) {
            Ok(time) => time,
            Err(Errno::EINVAL | Errno::ESRCH) => return Ok(None),
            Err(errno) => {
                return Err(ReadError::Io {
                    path: "clock_gettime".into(),
                    error: errno.into(),
                });
            }
        };
        let (seconds, nanoseconds) = (time.tv_sec(), time.tv_nsec());
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(0);
        let seconds = u64::try_from(seconds).unwrap_or(0);
        Ok(Some(seconds.saturating_mul(1_000_000_000) + nanoseconds))
    }
}

/// Whether the process numbers in a mount of `/proc` are those of this program's PID namespace.
///
/// The line `NSpid` of `self/status` lists the number of this program in each namespace from the mount's inwards, so it
/// holds exactly one number, our own, when both are the same.
///
/// # Errors
/// When no descriptor is left to find that out.
pub(super) fn are_numbers_ours(proc: &Path) -> io::Result<bool> {
    let status = if_there(fs::read(proc.join("self/status")))?.unwrap_or_default();
    let mut numbers = Fields::of(field(&status, "NSpid").unwrap_or_default());
    Ok(numbers.number() == Some(u64::from(std::process::id())) && numbers.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_clock_of_this_program_advances_with_its_work() {
        let clock = ProcessClock::of(std::process::id()).unwrap();
        let before = clock.read().unwrap().unwrap();
        black_box((0..100_000_u64).map(black_box).sum::<u64>());
        assert!(clock.read().unwrap().unwrap() > before);
    }

    #[test]
    fn the_clock_of_an_ended_process_has_no_time() {
        let mut child = Command::new("true").spawn().unwrap();
        let clock = ProcessClock::of(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(clock.read().unwrap(), None);
    }

    #[test]
    fn impossible_numbers_have_no_clock() {
        // Number 0 would be this program itself.
        for pid in [0, (1 << 22) + 1, u32::MAX] {
            assert!(ProcessClock::of(pid).is_none());
        }
    }

    #[test]
    fn only_a_mount_of_our_own_namespace_has_our_numbers() {
        assert!(are_numbers_ours(Path::new("/proc")).unwrap());
        let folder = tempfile::tempdir().unwrap();
        assert!(!are_numbers_ours(folder.path()).unwrap());
        fs::create_dir(folder.path().join("self")).unwrap();
        let id = std::process::id();
        for (status, ours) in [
            (format!("NSpid:\t{id}\n"), true),
            (format!("NSpid:\t{id}\t7\n"), false),
            ("NSpid:\t0\n".into(), false),
        ] {
            fs::write(folder.path().join("self/status"), status).unwrap();
            assert_eq!(are_numbers_ours(folder.path()).unwrap(), ours);
        }
    }
}
