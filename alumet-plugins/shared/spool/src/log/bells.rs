//! Tells readers that there may be more to read.

use std::fmt;

use alumet_core::spool::Wake;
use parking_lot::Mutex;

/// One bell for each reader.
#[derive(Default)]
pub(crate) struct Bells {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    last: u64,
    bells: Vec<(Bell, Wake)>,
}

/// Names a bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bell(u64);

impl Bells {
    pub(crate) fn hang(&self, wake: Wake) -> Bell {
        let mut list = self.list.lock();
        list.last += 1;
        let bell = Bell(list.last);
        list.bells.push((bell, wake));
        bell
    }

    pub(crate) fn take_down(&self, bell: Bell) {
        self.list.lock().bells.retain(|(other, _)| *other != bell);
    }

    pub(crate) fn ring(&self) {
        for (_, wake) in &self.list.lock().bells {
            wake();
        }
    }
}

/// How many there are.
impl fmt::Debug for Bells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bells({})", self.list.lock().bells.len())
    }
}
