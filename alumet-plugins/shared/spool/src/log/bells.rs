//! Tells readers that there may be more to read.

use std::fmt;

use alumet_core::spool::{Readable, Wake};
use parking_lot::Mutex;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A record was appended.
    Appended,
    /// Records are on disk.
    Committed,
    /// All there is may be read.
    Everything,
}

/// One bell for each reader.
#[derive(Default)]
pub(crate) struct Bells {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    last: u64,
    bells: Vec<(Bell, Readable, Wake)>,
}

/// Names a bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bell(u64);

impl Bells {
    pub(crate) fn hang(&self, readable: Readable, wake: Wake) -> Bell {
        let mut list = self.list.lock();
        list.last += 1;
        let bell = Bell(list.last);
        list.bells.push((bell, readable, wake));
        bell
    }

    pub(crate) fn take_down(&self, bell: Bell) {
        self.list.lock().bells.retain(|(other, ..)| *other != bell);
    }

    /// Tells those who want to hear of it.
    pub(crate) fn ring(&self, heard: Heard) {
        for (_, readable, wake) in &self.list.lock().bells {
            let wanted = match heard {
                Heard::Appended => *readable == Readable::Appended,
                Heard::Committed => *readable == Readable::Committed,
                Heard::Everything => true,
            };
            if wanted {
                wake();
            }
        }
    }
}

/// How many there are.
impl fmt::Debug for Bells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bells({})", self.list.lock().bells.len())
    }
}
