//! Lines that an earlier run wrote after the spool was told last. They may come again, in any order, and are not written
//! again then. Nothing is ever taken away: what does not come again was lost by the spool, and these lines are all that is
//! left of it.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use alumet_core::output::Delivery;
use alumet_core::time::Monotonic;
use nix::fcntl::OFlag;

use crate::checkpoint::Place;
use crate::encode::Encoder;
use crate::file::{ActiveFile, begun, identity};
use crate::format::Format;
use crate::header::Header;
use crate::inspect::first_record;
use crate::rotate::Names;

/// How many bytes of such lines are remembered, which needs up to half of that as memory.
pub(crate) const MOST: u64 = 256 << 20;
/// How long they are waited for after the last one has come again.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many pieces of files the spool is told of at most, each in about 200 bytes. There is one more with each kill and each
/// rotation until all of them have come again.
const MOST_PLACES: usize = 128;
/// How much is read at a time.
const BLOCK: usize = 1 << 18;

/// Lines that are in the files already.
#[derive(Debug)]
pub(crate) struct Earlier {
    /// Where they are, the newest first.
    places: Vec<Place>,
    /// How often each is there.
    lines: HashMap<Fingerprint, u32>,
    left: u64,
    /// One for each form that they have.
    encoders: Vec<Encoder>,
    hashers: [RandomState; 2],
    /// When they are not waited for any more.
    until: Monotonic,
    text: Vec<u8>,
}

/// Looks for them.
struct Search<'a> {
    /// Where the spool was told that they are.
    places: &'a [Place],
    formats: Vec<Format>,
    /// The files that were looked at.
    seen: Vec<(u64, u64)>,
    /// How many bytes may still be remembered.
    room: u64,
    found: Earlier,
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
        places: &[Place],
        active: &ActiveFile,
        format: Format,
        now: Monotonic,
    ) -> Option<Self> {
        let mut search = Search {
            places,
            formats: vec![format],
            seen: Vec::new(),
            room: MOST,
            found: Self {
                places: Vec::new(),
                lines: HashMap::new(),
                left: 0,
                encoders: Vec::new(),
                hashers: Default::default(),
                until: now + PATIENCE,
                text: Vec::new(),
            },
        };
        for place in places {
            if !search.formats.contains(&place.format) {
                search.formats.push(place.format);
            }
        }
        if active.file.metadata().is_ok_and(|found| search.is_wanted(&found)) {
            search.look_into(&active.file, active.identity, &active.names().own_path());
        }
        search.seen.push(active.identity);
        for place in places.iter().rev() {
            search.look_around(place);
            if place.end.is_none() && !search.seen.contains(&place.file) {
                tracing::warn!(
                    path = %place.path.display(), after_bytes = place.len,
                    "the file that was written when the spool was told last is not in its folder any more; if it is elsewhere, \
                     its lines after that many bytes may be in the new file once more"
                );
            }
        }
        let mut found = search.found;
        found.places.truncate(MOST_PLACES);
        (found.left > 0).then_some(found)
    }

    /// Where they are, the newest last.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().rev()
    }

    /// What of the delivery is in the files already. It does not count any more if it comes yet again.
    pub(crate) fn take(&mut self, delivery: &Delivery) -> Known {
        let mut known = Known {
            samples: vec![false; delivery.len()],
            lines: Vec::new(),
        };
        for encoder in &mut self.encoders {
            let (mut samples, mut is_known) = (delivery.samples(), known.samples.iter_mut());
            while encoder.encode_part(delivery.catalog(), &mut samples, &mut self.text) > 0 {
                let lines = self.text.split_inclusive(|byte| *byte == b'\n');
                for (line, is_known) in lines.zip(&mut is_known) {
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
        }
        self.left -= known.lines.len() as u64;
        if !known.lines.is_empty() {
            self.until = delivery.now().monotonic + PATIENCE;
        }
        known
    }

    /// Remembers the whole lines in so many bytes.
    fn read(&mut self, file: &File, mut at: u64, mut bytes: u64) -> io::Result<()> {
        let mut block = vec![0; BLOCK];
        let mut line = Vec::new();
        while bytes > 0 {
            let wanted = usize::try_from(bytes).map_or(BLOCK, |bytes| bytes.min(BLOCK));
            file.read_exact_at(&mut block[..wanted], at)?;
            at += wanted as u64;
            bytes -= wanted as u64;
            for part in block[..wanted].split_inclusive(|byte| *byte == b'\n') {
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

    /// The delivery was not written and comes again.
    pub(crate) fn give_back(&mut self, known: &Known) {
        for fingerprint in &known.lines {
            *self.lines.entry(*fingerprint).or_default() += 1;
        }
        self.left += known.lines.len() as u64;
    }

    /// Whether nothing is waited for any more.
    pub(crate) fn is_over(&self, now: Monotonic) -> bool {
        let is_late = self.left > 0 && now >= self.until;
        if is_late {
            tracing::warn!(
                lines = self.left,
                "lines that a killed run had written have not come again: the spool had lost them, or they are of a run without \
                 it; they stay where they are"
            );
        }
        self.left == 0 || is_late
    }
}

impl Search<'_> {
    fn is_told_of(&self, identity: (u64, u64)) -> bool {
        self.places.iter().any(|place| place.file == identity)
    }

    /// Whether there can be such lines in the file: the spool was told of it, or it was begun later.
    fn is_wanted(&self, found: &Metadata) -> bool {
        let is_later = |place: &Place| place.end.is_none() && place.later <= begun(found);
        self.is_told_of(identity(found)) || self.places.iter().any(is_later)
    }

    /// Looks into the file of the place, whatever its name is now, and into those that were begun later: it may have been
    /// rotated, or somebody has copied and emptied it.
    fn look_around(&mut self, place: &Place) {
        let Ok(paths) = Names::beside(&place.path).siblings() else {
            return;
        };
        for path in paths {
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            let identity = identity(&found);
            if !found.is_file() || !self.is_wanted(&found) || self.seen.contains(&identity) {
                continue;
            }
            match open(&path, identity, self.is_told_of(identity)) {
                Ok(file) => self.look_into(&file, identity, &path),
                Err(error) => tracing::debug!(%error, path = %path.display(), "not looked at"),
            }
            self.seen.push(identity);
        }
    }

    /// Remembers the pieces of the file that the spool was told of, or all of it.
    fn look_into(&mut self, file: &File, identity: (u64, u64), path: &Path) {
        let is_told_of = self.is_told_of(identity);
        for place in self.places.iter().rev() {
            let begin = match place.end {
                _ if place.file == identity && place.is_in(file) => place.len,
                // Somebody has emptied it, or it was begun later.
                None if place.file == identity || !is_told_of => 0,
                _ => continue,
            };
            let piece = Place {
                file: identity,
                len: begin,
                path: path.to_owned(),
                ..place.clone()
            };
            if let Err(error) = self.remember(file, piece) {
                tracing::warn!(
                    %error, path = %path.display(),
                    "what a killed run wrote last cannot be read; it may be written once more"
                );
            }
        }
    }

    /// Remembers the lines of this piece, if the file is one of ours.
    fn remember(&mut self, file: &File, mut piece: Place) -> io::Result<()> {
        let len = file.metadata()?.len();
        let end = piece.end.unwrap_or(len).min(len);
        let Some(first) = first_record(file, len)? else {
            return Ok(());
        };
        let mut is_ours = false;
        for &format in &self.formats {
            let Some(header) = Header::parse(&first, format) else {
                continue;
            };
            is_ours = true;
            let encoders = &mut self.found.encoders;
            if !encoders.iter().any(|known| known.writes(format, &header)) {
                let mut encoder = Encoder::of(format);
                encoder.set_header(header);
                encoders.push(encoder);
            }
        }
        if !is_ours {
            return Ok(());
        }
        piece.len = piece.len.max(first.len() as u64);
        let bytes = end.saturating_sub(piece.len);
        let before = self.found.left;
        self.found.read(file, piece.len, bytes.min(self.room))?;
        if bytes > self.room {
            tracing::warn!(
                path = %piece.path.display(), bytes, remembered_bytes = self.room,
                "too much was written since the spool was told last to be remembered; the end of it may be written once more"
            );
        }
        self.room = self.room.saturating_sub(bytes);
        let lines = self.found.left - before;
        if lines == 0 {
            return Ok(());
        }
        if piece.end.is_none() {
            tracing::warn!(
                path = %piece.path.display(), lines, bytes,
                "the spool was not told of the last lines before the program was killed, or does not know this file; they stay, \
                 and are not written again when they come again"
            );
        }
        piece.end = Some(end);
        piece.ending = Place::ending(file, piece.len)?;
        self.found.places.push(piece);
        Ok(())
    }
}

/// Opens a file that may be ours. What another process writes is not, unless the spool was told of it.
fn open(path: &Path, expected: (u64, u64), is_told_of: bool) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    if identity(&file.metadata()?) != expected {
        return Err(io::Error::other("another file has its name now"));
    }
    if !is_told_of {
        file.try_lock_shared()?;
        // At once, because it may be about to be opened there.
        file.unlock()?;
    }
    Ok(file)
}

impl Known {
    /// Whether nothing is left to be written.
    pub(crate) fn is_all(&self) -> bool {
        !self.lines.is_empty() && self.samples.iter().all(|is_known| *is_known)
    }

    /// Takes the lines of known samples out of those of the samples from `first` on.
    pub(crate) fn remove_from(&self, lines: &mut Vec<u8>, first: usize) {
        if self.lines.is_empty() {
            return;
        }
        let each = lines
            .split_inclusive(|byte| *byte == b'\n')
            .zip(&self.samples[first..]);
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
