use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::time::{Alarm, Clock, Moment, Monotonic, Timestamp, Waker};

/// A clock that is moved by hand. Cheap to clone; all clones are the same clock.
///
/// Starts at 2026-01-01T00:00:00 UTC. A pipeline on this clock polls exactly when the clock is moved past a deadline;
/// a following [`Control::flush`](crate::pipeline::Control::flush) returns after all that was due has been written.
#[derive(Debug, Clone)]
pub struct ManualClock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    now: Mutex<Moment>,
    changed: Condvar,
}

impl ManualClock {
    /// 2026-01-01T00:00:00 UTC in nanoseconds.
    pub const START: Timestamp = Timestamp::from_nanos(1_767_225_600_000_000_000);

    /// A clock at [`Self::START`].
    pub fn new() -> Self {
        let now = Moment {
            wall: Self::START,
            monotonic: Monotonic::from_nanos(1_000_000_000),
        };
        Self {
            inner: Arc::new(Inner {
                now: Mutex::new(now),
                changed: Condvar::new(),
            }),
        }
    }

    /// Lets `duration` pass on both clocks.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.inner.now.lock();
        now.wall = now.wall.saturating_add(duration);
        now.monotonic = now.monotonic + duration;
        drop(now);
        self.inner.changed.notify_all();
    }

    /// Sets the wall clock alone, as an administrator or a time server does.
    pub fn set_wall(&self, wall: Timestamp) {
        self.inner.now.lock().wall = wall;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.inner.now.lock()
    }

    fn alarm(&self) -> io::Result<Box<dyn Alarm>> {
        Ok(Box::new(ManualAlarm {
            clock: Arc::clone(&self.inner),
            woken: Arc::new(Mutex::new(false)),
        }))
    }
}

struct ManualAlarm {
    clock: Arc<Inner>,
    woken: Arc<Mutex<bool>>,
}

impl Alarm for ManualAlarm {
    fn waker(&self) -> Waker {
        let (clock, woken) = (Arc::clone(&self.clock), Arc::clone(&self.woken));
        Arc::new(move || {
            // Under the lock of the clock, so that a thread about to wait cannot miss it.
            let _now = clock.now.lock();
            *woken.lock() = true;
            clock.changed.notify_all();
        })
    }

    fn wait(&mut self, deadline: Option<Monotonic>) {
        let mut now = self.clock.now.lock();
        while !std::mem::take(&mut *self.woken.lock())
            && deadline.is_none_or(|deadline| now.monotonic < deadline)
        {
            self.clock.changed.wait(&mut now);
        }
    }
}
