//! Mends the write-ahead log of a database.
//!
//! SQLite drops everything from the first frame on whose checksum is wrong ("Database File Format",
//! sqlite.org/fileformat2.html, section 4). That is right for what was not on disk yet when the power went, and a loss of
//! everything since the last checkpoint when a disk has changed one bit of it. But the checksum of a frame begins with that
//! of the frame before it, as it is written there: so each of them can be checked by itself, and in a bad one, the bit that
//! is wrong can mostly be found.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use alumet_core::time::Timestamp;
use alumet_shared_sqlite_file::{DiskError, free_name, journal, with_suffix};

use crate::record::PAGE_SIZE;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// In the header and in each frame: where what the checksum covers ends, and which bytes hold the checksum.
const COVERED_HEADER: usize = 24;
const COVERED_FRAME: usize = 8;

/// The two halves of a checksum.
type Sum = [u32; 2];

/// The write-ahead log of a database, in memory.
struct Log {
    bytes: Vec<u8>,
    page: usize,
    /// Whether the words of checksums are read big-endian.
    is_big: bool,
    /// Whether the header was as it should be.
    is_header_good: bool,
}

/// What is wrong with a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    /// How many frames were as they should be again, and how many were not.
    pub(super) mended: usize,
    pub(super) left: usize,
}

/// Whether there are frames that were on disk after one that SQLite would stop at. `is_promised` says that the last
/// transaction was on disk; otherwise the power may have gone while it was written.
pub(super) fn is_damaged(path: &Path, is_promised: bool) -> bool {
    let log = fs::read(journal(path)).ok().and_then(Log::of);
    log.is_some_and(|log| log.good_prefix() < log.end(is_promised))
}

/// Mends the log, and keeps the damaged one under another name.
pub(super) fn mend(path: &Path, is_promised: bool, now: Timestamp) -> Result<(), DiskError> {
    let journal = journal(path);
    let failed = |error| DiskError::system("mend", &journal, &error, "check the disk and its free space");
    let Some(mut log) = fs::read(&journal).map(Log::of).map_err(failed)? else {
        return Ok(());
    };
    let damage = log.mend(is_promised);
    let aside = free_name(&journal, "damaged", now);
    let new = with_suffix(&journal, ".mended");
    let replace = || -> io::Result<()> {
        fs::copy(&journal, &aside)?;
        // What a process left that was killed.
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&log.bytes)?;
        file.sync_all()?;
        fs::rename(&new, &journal)
    };
    replace().map_err(failed)?;
    tracing::error!(
        path = %journal.display(), aside = %aside.display(), mended = damage.mended, left = damage.left,
        "pages of the spool were damaged while it was not in use: `mended` of them are as they were, and of those that are \
         `left`, what can be read is kept; check the disk"
    );
    Ok(())
}

impl Log {
    fn of(bytes: Vec<u8>) -> Option<Self> {
        let page = PAGE_SIZE as usize;
        if bytes.len() < HEADER + FRAME_HEADER + page {
            return None;
        }
        let mut log = Self {
            page,
            is_big: bytes[3] & 1 == 1,
            is_header_good: true,
            bytes,
        };
        log.is_header_good = log.header_sum() == log.stored_header();
        if !log.is_header_good {
            log.mend_header();
        }
        // Otherwise it is not that of a spool.
        (log.word(8) as usize == page).then_some(log)
    }

    fn header_sum(&self) -> Sum {
        self.sum([0; 2], 0..COVERED_HEADER)
    }

    /// A word of those that a checksum is made of.
    fn read(&self, at: usize) -> u32 {
        let bytes = std::array::from_fn(|index| self.bytes[at + index]);
        match self.is_big {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        }
    }

    fn put_sum(&mut self, frame: usize, sum: Sum) {
        let at = self.begin(frame) + 16;
        self.put(at, sum[0]);
        self.put(at + 4, sum[1]);
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(std::array::from_fn(|index| self.bytes[at + index]))
    }

    fn put(&mut self, at: usize, word: u32) {
        self.bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }

    fn stored(&self, at: usize) -> Sum {
        [self.word(at), self.word(at + 4)]
    }

    fn stored_header(&self) -> Sum {
        self.stored(COVERED_HEADER)
    }

    fn frames(&self) -> usize {
        (self.bytes.len() - HEADER) / (FRAME_HEADER + self.page)
    }

    fn begin(&self, frame: usize) -> usize {
        HEADER + frame * (FRAME_HEADER + self.page)
    }

    /// The checksum of a frame as it is written; before the first, that of the header.
    fn stored_sum(&self, frame: usize) -> Sum {
        self.stored(self.begin(frame) + 16)
    }

    fn seed(&self, frame: usize) -> Sum {
        match frame.checked_sub(1) {
            Some(before) => self.stored_sum(before),
            None => self.stored_header(),
        }
    }

    fn salt(&self, frame: usize) -> Sum {
        self.stored(self.begin(frame) + 8)
    }

    fn header_salt(&self) -> Sum {
        self.stored(16)
    }

    /// Whether a frame ends a transaction.
    fn is_commit(&self, frame: usize) -> bool {
        self.word(self.begin(frame) + 4) != 0
    }

    fn sum(&self, seed: Sum, range: std::ops::Range<usize>) -> Sum {
        let [mut one, mut two] = seed;
        for pair in range.step_by(8) {
            one = one.wrapping_add(self.read(pair)).wrapping_add(two);
            two = two.wrapping_add(self.read(pair + 4)).wrapping_add(one);
        }
        [one, two]
    }

    /// The checksum that a frame should have after one with the checksum `seed`.
    fn frame_sum(&self, frame: usize, seed: Sum) -> Sum {
        let begin = self.begin(frame);
        let seed = self.sum(seed, begin..begin + COVERED_FRAME);
        self.sum(seed, begin + FRAME_HEADER..begin + FRAME_HEADER + self.page)
    }

    /// Whether a frame is as it was written, if the checksum before it is.
    fn is_good(&self, frame: usize) -> bool {
        self.salt(frame) == self.header_salt()
            && self.frame_sum(frame, self.seed(frame)) == self.stored_sum(frame)
    }

    /// How many frames SQLite takes.
    fn good_prefix(&self) -> usize {
        if !self.is_header_good {
            return 0;
        }
        (0..self.frames())
            .take_while(|&frame| self.is_good(frame))
            .count()
    }

    /// Where the frames of transactions end that were on disk.
    fn end(&self, is_promised: bool) -> usize {
        let is_good = |&frame: &usize| self.is_good(frame);
        let Some(last) = (0..self.frames()).rev().find(is_good) else {
            return 0;
        };
        // What ends the last transaction may be what is damaged.
        let next = last + 1;
        if is_promised && next < self.frames() && bits(self.salt(next), self.header_salt()) <= 1 {
            return next + 1;
        }
        let is_commit = |&frame: &usize| self.is_commit(frame) && is_good(&frame);
        let mut commits = (0..=last).rev().filter(is_commit);
        let Some(commit) = commits.next() else {
            return 0;
        };
        let before = commits.next().map_or(0, |commit| commit + 1);
        // Nothing is written after a transaction before that is on disk.
        match is_promised || commit < last || (before..commit).all(|frame| is_good(&frame)) {
            true => commit + 1,
            false => before,
        }
    }

    fn most_common_salt(&self) -> Sum {
        let salt = |frame| self.salt(frame);
        // Those of the present log are the first ones.
        let (first, second) = (salt(0), salt(1.min(self.frames() - 1)));
        let third = salt(2.min(self.frames() - 1));
        if first == second || first == third {
            first
        } else {
            second
        }
    }

    /// Makes everything up to the end one log that SQLite takes.
    fn mend(&mut self, is_promised: bool) -> Damage {
        let end = self.end(is_promised);
        let mut damage = Damage::default();
        let salt = self.header_salt();
        let good = (0..end).filter(|frame| self.is_good(*frame));
        let pages = good
            .map(|frame| self.word(self.begin(frame) + 4))
            .max()
            .unwrap_or(0);
        for frame in 0..end {
            let seed = self.seed(frame);
            let begin = self.begin(frame);
            if self.is_good(frame) {
                continue;
            }
            self.put(begin + 8, salt[0]);
            self.put(begin + 12, salt[1]);
            if self.flip_back(frame, seed, pages) {
                damage.mended += 1;
            } else {
                damage.left += 1;
                if !(1..=pages).contains(&self.word(begin)) {
                    // It is no page of the database, over which nothing must be written: a neighbour comes twice.
                    let other = self.begin(frame.checked_sub(1).unwrap_or(frame + 1));
                    self.bytes.copy_within(other..other + 4, begin);
                    let page = other + FRAME_HEADER..other + FRAME_HEADER + self.page;
                    self.bytes.copy_within(page, begin + FRAME_HEADER);
                }
            }
        }
        self.bytes.truncate(self.begin(end));
        let mut seed = self.stored_header();
        for frame in 0..end {
            seed = self.frame_sum(frame, seed);
            self.put_sum(frame, seed);
        }
        damage
    }

    /// Finds the wrong bit of the header, or makes another one.
    fn mend_header(&mut self) {
        /// A number for "little-endian", and the version of the format.
        const MAGIC: u32 = 0x377f_0682;
        const VERSION: u32 = 3_007_000;
        let salt = self.most_common_salt();
        for bit in 0..HEADER * 8 {
            self.bytes[bit / 8] ^= 1 << (bit % 8);
            self.is_big = self.bytes[3] & 1 == 1;
            let fixed = [self.word(0) | 1, self.word(4), self.word(8)];
            let is_usual = fixed == [MAGIC | 1, VERSION, self.page as u32] && self.header_salt() == salt;
            if is_usual && self.header_sum() == self.stored_header() {
                return;
            }
            self.bytes[bit / 8] ^= 1 << (bit % 8);
        }
        self.is_big = false;
        for (at, word) in [
            (0, MAGIC),
            (4, VERSION),
            (8, self.page as u32),
            (16, salt[0]),
            (20, salt[1]),
        ] {
            self.put(at, word);
        }
        let sum = self.header_sum();
        self.put(COVERED_HEADER, sum[0]);
        self.put(COVERED_HEADER + 4, sum[1]);
    }

    /// Finds the wrong bit of a frame; says whether there is one, and only one that it can be.
    ///
    /// A word counts for the checksum with a factor, modulo 2^32, that grows with its distance from the end like the Fibonacci
    /// numbers. Of the highest bits little is left of that, so that they cannot be told apart.
    fn flip_back(&mut self, frame: usize, seed: Sum, pages: u32) -> bool {
        let begin = self.begin(frame);
        let (stored, found) = (self.stored_sum(frame), self.frame_sum(frame, seed));
        // Of the checksum itself, or of the salt.
        if bits(found, stored) <= 1 {
            self.put_sum(frame, found);
            return true;
        }
        let wanted = [0, 1].map(|half| stored[half].wrapping_sub(found[half]));
        let page = begin + FRAME_HEADER..begin + FRAME_HEADER + self.page;
        let mut factors: [Sum; 2] = [[1, 1], [0, 1]];
        let mut candidates = Vec::new();
        for pair in page.step_by(8).rev().chain([begin]) {
            for (at, factor) in [(pair, factors[0]), (pair + 4, factors[1])] {
                let word = self.read(at);
                let is_it = |bit: &u32| {
                    let added = if word & bit == 0 { *bit } else { bit.wrapping_neg() };
                    factor.map(|factor| factor.wrapping_mul(added)) == wanted
                };
                let found = (0..32).map(|bit| 1_u32 << bit).filter(is_it);
                candidates.extend(found.map(|bit| (at, bit)));
            }
            factors = factors.map(|[one, two]| {
                let one = one.wrapping_add(two);
                [one, one.wrapping_add(two)]
            });
        }
        let as_written = |bit: u32| if self.is_big { bit } else { bit.swap_bytes() };
        let number = self.word(begin);
        let is_page = |number: u32| (1..=pages).contains(&number);
        // A number that no page can have is what is wrong.
        let is_number = |&&(at, bit): &&(usize, u32)| {
            at == begin && !is_page(number) && is_page(number ^ as_written(bit))
        };
        let found = match candidates.as_slice() {
            [one] => Some(one),
            several => several.iter().find(is_number),
        };
        let Some(&(at, bit)) = found else {
            return false;
        };
        let word = self.word(at) ^ as_written(bit);
        self.put(at, word);
        true
    }
}

/// How many bits differ.
const fn bits(one: Sum, other: Sum) -> u32 {
    (one[0] ^ other[0]).count_ones() + (one[1] ^ other[1]).count_ones()
}
