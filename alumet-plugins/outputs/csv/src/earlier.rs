//! Lines that an earlier run wrote after the spool was told last. They may come again, in any order, and are not written
//! again then. Nothing is ever taken away: what does not come again was lost by the spool, and these lines are all that is
//! left of it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::output::Delivery;
use nix::fcntl::OFlag;

use crate::checkpoint::Place;
use crate::config::Config;
use crate::encode::Encoder;
use crate::file::{ActiveFile, identity, modified};
use crate::header::Header;
use crate::inspect::first_record;
use crate::rotate::Names;

/// How many bytes of such lines are remembered, and how many may be written until they are not waited for any more.
/// Needs up to half of that as memory.
const MOST: u64 = 256 << 20;
/// How many places the spool is told at most, with one file each.
const MOST_PLACES: usize = 16;
/// The clock of a file server may be behind that of this machine.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// How much is read at a time.
const BLOCK: usize = 1 << 18;

/// Lines that are in the files already.
#[derive(Debug)]
pub(crate) struct Earlier {
    /// Where the spool stands as long as some have not come again.
    pub(crate) places: Vec<Place>,
    /// How often each is there.
    lines: HashMap<Fingerprint, u32>,
    left: u64,
    /// One for each form that they have.
    encoders: Vec<Encoder>,
    hashers: [RandomState; 2],
    /// How many bytes may still be remembered, then be written.
    room: u64,
    text: Vec<u8>,
}

/// 128 bits of a hash with secret keys.
type Fingerprint = [u64; 2];

/// What of a delivery was there already.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// For each sample, if there is any such line.
    samples: Vec<bool>,
    lines: Vec<Fingerprint>,
}

impl Earlier {
    /// What was written after these places, wherever it is now; none if there is nothing.
    pub(crate) fn find(
        places: Vec<Place>,
        active: &ActiveFile,
        config: &Config,
        now: Timestamp,
    ) -> Option<Self> {
        let mut this = Self {
            places,
            lines: HashMap::new(),
            left: 0,
            encoders: Vec::new(),
            hashers: Default::default(),
            room: MOST,
            text: Vec::new(),
        };
        let mut formats = vec![config.format()];
        for place in &this.places {
            if !formats.contains(&place.format) {
                formats.push(place.format.clone());
            }
        }
        let mut seen = vec![active.identity];
        for place in this.places.clone() {
            this.remember_around(&place, &formats, &mut seen);
            if !seen.contains(&place.file) {
                tracing::warn!(
                    path = %place.path.display(), after_bytes = place.len,
                    "the file that was written when the spool was told last is not in its folder any more; if it is elsewhere, \
                     its lines after that many bytes may be in the new file once more"
                );
            }
        }
        let begin = this.begin_in(&active.file, active.identity);
        this.remember(&active.file, &config.output_path, begin.unwrap_or(0), &formats);
        if !this.places.iter().any(|place| place.file == active.identity) {
            this.places.push(active.place(0, now, config));
            let surplus = this.places.len().saturating_sub(MOST_PLACES);
            this.places.drain(..surplus);
        }
        this.room = MOST;
        (this.left > 0).then_some(this)
    }

    /// What of the delivery is in the files already. It does not count any more if it comes yet again.
    pub(crate) fn take(&mut self, delivery: &Delivery) -> Known {
        let mut known = Known::default();
        for encoder in &mut self.encoders {
            self.text.clear();
            encoder.encode(delivery, &mut self.text);
            for (index, line) in self.text.split_inclusive(|byte| *byte == b'\n').enumerate() {
                if known.samples.len() <= index {
                    known.samples.push(false);
                }
                let is_known = &mut known.samples[index];
                let fingerprint = fingerprint(&self.hashers, line);
                if !*is_known
                    && let Some(count) = self.lines.get_mut(&fingerprint)
                    && *count > 0
                {
                    *count -= 1;
                    *is_known = true;
                    known.lines.push(fingerprint);
                }
            }
        }
        self.left -= known.lines.len() as u64;
        known
    }

    /// The delivery was not written and comes again.
    pub(crate) fn give_back(&mut self, known: &Known) {
        for fingerprint in &known.lines {
            *self.lines.entry(*fingerprint).or_default() += 1;
        }
        self.left += known.lines.len() as u64;
    }

    /// The delivery was written; says whether nothing is waited for any more.
    pub(crate) fn is_over(&mut self) -> bool {
        self.room = self.room.saturating_sub(self.text.len() as u64);
        if self.room == 0 && self.left > 0 {
            tracing::warn!(
                lines = self.left,
                "lines that a killed run had written have not come again: the spool had lost them, or they are of a run without \
                 it; they stay where they are"
            );
        }
        self.room == 0 || self.left == 0
    }

    /// Where the lines begin that the spool does not know, in a file that it was told of.
    fn begin_in(&self, file: &File, identity: (u64, u64)) -> Option<u64> {
        let place = self.places.iter().find(|place| place.file == identity)?;
        Some(if place.is_in(file) { place.len } else { 0 })
    }

    /// Remembers what is in the file of the place, whatever its name is now, and in those that were written since: it may
    /// have been rotated, or somebody has copied and emptied it.
    fn remember_around(&mut self, place: &Place, formats: &[Config], seen: &mut Vec<(u64, u64)>) {
        let Ok(paths) = Names::beside(&place.path).siblings() else {
            return;
        };
        let mut files = Vec::new();
        for path in paths {
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            let is_told_of = self.places.iter().any(|place| place.file == identity(&found));
            let is_recent = place.time <= modified(&found).saturating_add(CLOCK_TOLERANCE);
            if found.is_file() && (is_told_of || is_recent) && !seen.contains(&identity(&found)) {
                files.push((path, found, is_told_of));
            }
        }
        // If not all can be remembered, what was certainly written then matters more.
        files.sort_by_key(|(.., is_told_of)| !is_told_of);
        for (path, found, is_told_of) in files {
            let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(flags.bits())
                .open(&path);
            // What another process writes is not ours. The lock is given back at once, because it may be about to open it.
            let file = file.and_then(|file| {
                if !is_told_of {
                    file.try_lock_shared()?;
                    file.unlock()?;
                }
                Ok(file)
            });
            match file {
                Ok(file) => {
                    seen.push(identity(&found));
                    let begin = self.begin_in(&file, identity(&found));
                    self.remember(&file, &path, begin.unwrap_or(0), formats);
                }
                Err(error) => tracing::debug!(%error, path = %path.display(), "not looked at"),
            }
        }
    }

    /// Remembers the lines after the first `begin` bytes, if the file is one of ours.
    fn remember(&mut self, file: &File, path: &Path, begin: u64, formats: &[Config]) {
        let before = (self.left, self.room);
        if let Err(error) = self.read(file, begin, formats) {
            tracing::warn!(
                %error, path = %path.display(),
                "what a killed run wrote last cannot be read; it may be written once more"
            );
        }
        let (lines, bytes) = (self.left - before.0, before.1 - self.room);
        if lines > 0 {
            tracing::warn!(
                path = %path.display(), lines, bytes,
                "the program was killed before the spool was told of the last lines; they stay, and are not written again \
                 when they come again"
            );
        }
        if self.room == 0 {
            tracing::warn!(
                path = %path.display(), remembered_bytes = MOST,
                "more than that was written since the spool was told last; what follows may be written once more"
            );
        }
    }

    fn read(&mut self, file: &File, begin: u64, formats: &[Config]) -> io::Result<()> {
        let len = file.metadata()?.len();
        let Some(first) = first_record(file, len)? else {
            return Ok(());
        };
        let mut is_ours = false;
        for format in formats {
            let Some(header) = Header::parse(&first, format.delimiter()) else {
                continue;
            };
            is_ours = true;
            if !self.encoders.iter().any(|known| known.writes(format, &header)) {
                let mut encoder = Encoder::new(format);
                encoder.set_header(header);
                self.encoders.push(encoder);
            }
        }
        let mut at = begin.max(first.len() as u64);
        let mut block = vec![0; BLOCK];
        let mut line = Vec::new();
        while is_ours && at < len && self.room > 0 {
            let wanted = (len - at).min(BLOCK as u64).min(self.room);
            let block = &mut block[..usize::try_from(wanted).unwrap_or(BLOCK)];
            file.read_exact_at(block, at)?;
            at += wanted;
            self.room -= wanted;
            for part in block.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.ends_with(b"\n") {
                    *self.lines.entry(fingerprint(&self.hashers, &line)).or_default() += 1;
                    self.left += 1;
                    line.clear();
                }
            }
        }
        Ok(())
    }
}

impl Known {
    /// Whether nothing is left to be written.
    pub(crate) fn is_all(&self) -> bool {
        !self.lines.is_empty() && self.samples.iter().all(|is_known| *is_known)
    }

    /// Takes the lines of known samples out of the lines of the delivery.
    pub(crate) fn remove_from(&self, lines: &mut Vec<u8>) {
        if self.lines.is_empty() {
            return;
        }
        let each = lines.split_inclusive(|byte| *byte == b'\n').zip(&self.samples);
        let new: Vec<&[u8]> = each
            .filter(|(_, is_known)| !**is_known)
            .map(|(line, _)| line)
            .collect();
        *lines = new.concat();
    }
}

fn fingerprint(hashers: &[RandomState; 2], line: &[u8]) -> Fingerprint {
    [hashers[0].hash_one(line), hashers[1].hash_one(line)]
}
