//! The alarm of the system clock: a `timerfd` for absolute deadlines and an `eventfd` to be woken by.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::time::{Alarm, Monotonic, Waker};

/// Waits on `CLOCK_MONOTONIC` with absolute deadlines: a late wake-up never shifts the next one.
///
/// A `timerfd` is not subject to the timer slack of the thread (50 µs by default), unlike a futex or `poll` timeout.
pub(crate) struct TimerAlarm {
    timer: TimerFd,
    event: Arc<EventFd>,
    armed: Option<Monotonic>,
}

impl TimerAlarm {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            timer: TimerFd::new(
                ClockId::CLOCK_MONOTONIC,
                TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
            )?,
            event: Arc::new(EventFd::from_flags(
                EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK,
            )?),
            armed: None,
        })
    }

    fn arm(&mut self, deadline: Option<Monotonic>) -> nix::Result<()> {
        if self.armed == deadline {
            return Ok(());
        }
        match deadline {
            // An all-zero time would disarm the timer.
            Some(at) => self.timer.set(
                Expiration::OneShot(TimeSpec::from_duration(Duration::from_nanos(
                    at.as_nanos().max(1),
                ))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
            None => self.timer.unset()?,
        }
        self.armed = deadline;
        Ok(())
    }
}

impl Alarm for TimerAlarm {
    fn waker(&self) -> Waker {
        let event = Arc::clone(&self.event);
        // A full eventfd counter (2^64 - 2 wake-ups unread) means that the thread is awake already.
        Arc::new(move || {
            let _ = event.write(1);
        })
    }

    fn wait(&mut self, deadline: Option<Monotonic>) {
        let is_armed = self.arm(deadline);
        let mut fds = [
            PollFd::new(self.timer.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.event.as_fd(), PollFlags::POLLIN),
        ];
        match is_armed.and_then(|()| poll(&mut fds, PollTimeout::NONE)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                // Cannot happen with valid descriptors and times; sleeping a little keeps the caller from spinning.
                tracing::error!(%error, "waiting for the timer failed");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        // A timer that has expired is left as it is: it stays so until it is set again.
        if fds[1].any().unwrap_or(false) {
            let _ = self.event.read();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TimerAlarm;
    use crate::time::{Alarm, Clock, SystemClock};
    use std::os::fd::{AsFd, AsRawFd};
    use std::time::Duration;

    #[test]
    fn an_alarm_rings_at_its_deadline_and_not_before() {
        let clock = SystemClock;
        let mut alarm = clock.alarm().unwrap();
        for _ in 0..3 {
            let deadline = clock.now().monotonic + Duration::from_millis(5);
            while clock.now().monotonic < deadline {
                alarm.wait(Some(deadline));
            }
            alarm.wait(Some(deadline));
        }
    }

    #[test]
    fn a_waker_ends_a_wait_without_deadline() {
        let mut alarm = SystemClock.alarm().unwrap();
        let waker = alarm.waker();
        let thread = std::thread::spawn(move || waker());
        alarm.wait(None);
        thread.join().unwrap();
    }

    #[test]
    fn an_alarm_sleeps_until_its_deadline_instead_of_asking_again_and_again() {
        sleeps(&mut *SystemClock.alarm().unwrap());
    }

    /// Waits for a moment, which takes hardly more than one wait: a debugger or a job control signal may end one early.
    fn sleeps(alarm: &mut dyn Alarm) {
        let deadline = SystemClock.now().monotonic + Duration::from_millis(20);
        let mut waits = 0;
        while SystemClock.now().monotonic < deadline {
            alarm.wait(Some(deadline));
            waits += 1;
        }
        assert!(waits <= 3, "{waits} waits");
    }

    #[test]
    fn an_alarm_that_has_rung_sleeps_when_there_is_no_further_deadline() {
        let mut alarm = SystemClock.alarm().unwrap();
        let waker = alarm.waker();
        alarm.wait(Some(SystemClock.now().monotonic));
        let (woken, is_woken) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            alarm.wait(None);
            woken.send(()).unwrap();
        });
        std::thread::sleep(Duration::from_millis(20));
        assert!(is_woken.try_recv().is_err(), "nobody has called the waker");
        waker();
        thread.join().unwrap();
    }

    #[test]
    fn a_waker_ends_one_wait_and_no_other() {
        let mut alarm = SystemClock.alarm().unwrap();
        let waker = alarm.waker();
        waker();
        waker();
        alarm.wait(None);
        sleeps(&mut *alarm);
    }

    #[test]
    fn a_program_that_is_started_inherits_no_alarm_and_no_read_of_it_blocks() {
        let alarm = TimerAlarm::new().unwrap();
        for fd in [alarm.timer.as_fd().as_raw_fd(), alarm.event.as_fd().as_raw_fd()] {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
            let expected = libc::O_CLOEXEC | libc::O_NONBLOCK;
            assert_eq!(flags & expected, expected, "{info}");
        }
    }
}
