//! Lines to a file that is rotated.

mod durable;

use std::path::PathBuf;
use std::time::Duration;

use alumet_core::time::{Moment, Monotonic};
use alumet_core::{Batch, Failure, Timestamp};

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::encode::Encoder;
use crate::error::CsvError;
use crate::file::{ActiveFile, Whereabouts};
use crate::header::Header;
use crate::housekeeper::Housekeeper;
use crate::rotate::{Names, period};

/// How many bytes may wait when batches are not written at once.
pub(crate) const BUFFER: usize = 64 << 10;
/// How much memory is kept for the next batch.
const KEPT: usize = 8 << 20;
/// How often the path is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a rotation that failed is put off.
const ROTATION_PAUSE: Duration = Duration::from_secs(60);

/// Writes lines to a file; opens it again when it was moved away, and rotates it.
#[derive(Debug)]
pub(crate) struct FileSink {
    path: PathBuf,
    force_flush: bool,
    rotate_size: Option<u64>,
    rotate_interval: Option<Duration>,
    file: Option<ActiveFile>,
    /// Lines of whole batches that are not in the file yet, under the encoder's header.
    waiting: Vec<u8>,
    /// How many bytes of `waiting` are whole batches that were accepted.
    accepted: usize,
    /// The period in which the lines of the file were written.
    period: i128,
    next_look: Monotonic,
    next_rotation: Monotonic,
    housekeeper: Option<Housekeeper>,
    /// Whether the spool notes how far the file was written, so that what it was told of must be on disk.
    is_durable: bool,
    /// The place in the file after which lines may be that are about to come again.
    repeated: Option<Checkpoint>,
}

impl FileSink {
    /// Opens the file.
    ///
    /// # Errors
    /// What stands in the way, and how to mend it.
    pub(crate) fn open(config: &Config, encoder: &mut Encoder, now: Moment) -> Result<Self, CsvError> {
        let mut sink = Self {
            path: config.output_path.clone(),
            force_flush: config.force_flush,
            rotate_size: config.rotate_size.map(|size| size.0),
            rotate_interval: config.rotate_interval.map(|interval| *interval),
            file: None,
            waiting: Vec::new(),
            accepted: 0,
            period: 0,
            next_look: Monotonic::default(),
            next_rotation: Monotonic::default(),
            housekeeper: None,
            is_durable: false,
            repeated: None,
        };
        sink.reopen(encoder, now)?;
        if config.rotates() {
            sink.housekeeper = Housekeeper::start(Names::beside_target(&sink.path), config);
        }
        Ok(sink)
    }

    /// Takes a batch whole or not at all.
    ///
    /// # Errors
    /// Why it could not be taken.
    pub(crate) fn write(
        &mut self,
        batch: &Batch,
        encoder: &mut Encoder,
        now: Moment,
    ) -> Result<(), CsvError> {
        self.waiting.truncate(self.accepted);
        self.look_for_file(encoder, now)?;
        if self.write_repeated(batch, encoder)? {
            return Ok(());
        }
        if self.is_rotation_due_by_time(now.wall) {
            self.rotate(encoder, now)?;
        }
        self.encode(batch, encoder);
        if self.is_rotation_due_by_size(encoder) && self.rotate_before_last(encoder, now)? {
            self.encode(batch, encoder);
        }
        if self.force_flush || self.waiting.len() >= BUFFER {
            self.write_out(self.waiting.len(), encoder)?;
        }
        self.accepted = self.waiting.len();
        if let Some(interval) = self.rotate_interval {
            self.period = period(now.wall, interval);
        }
        if let Some(housekeeper) = &mut self.housekeeper {
            housekeeper.written(now.monotonic);
        }
        Ok(())
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Why it could not be written; it still waits then.
    pub(crate) fn flush(&mut self, encoder: &mut Encoder, now: Moment) -> Result<(), CsvError> {
        self.waiting.truncate(self.accepted);
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.look_for_file(encoder, now)?;
        self.write_out(self.accepted, encoder)
    }

    /// Writes what still waits, for those who never flush.
    pub(crate) fn close(&mut self, encoder: &Encoder) {
        self.waiting.truncate(self.accepted);
        let result = self.write_out(self.accepted, encoder);
        if self.accepted > 0 {
            let error = result.map_or_else(
                |error| Failure::retry(error).to_string(),
                |()| "it is not open".to_owned(),
            );
            tracing::error!(
                %error, path = %self.path.display(), bytes = self.accepted,
                "the last lines could not be written to the file and are lost"
            );
        }
    }

    /// Closes the file; it is opened again by the next write.
    pub(crate) fn reset(&mut self) {
        self.file = None;
        self.waiting.truncate(self.accepted);
    }

    fn encode(&mut self, batch: &Batch, encoder: &mut Encoder) {
        let is_new = self.file.as_ref().is_none_or(|file| file.header().is_none());
        if is_new && self.waiting.is_empty() {
            encoder.set_header(Header::of(batch));
        }
        encoder.encode(batch, &mut self.waiting);
    }

    /// Writes the first `count` bytes of what waits; they must be whole batches.
    fn write_out(&mut self, count: usize, encoder: &Encoder) -> Result<(), CsvError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if count == 0 {
            return Ok(());
        }
        let lines = &self.waiting[..count];
        if file.header().is_some() {
            file.append(lines)?;
        } else {
            let mut bytes = encoder.header_line();
            bytes.extend_from_slice(lines);
            file.begin(encoder.header(), &bytes)?;
        }
        self.waiting.drain(..count);
        self.accepted = self.accepted.saturating_sub(count);
        self.waiting.shrink_to(KEPT);
        Ok(())
    }

    /// Writes what waits to a file that is given up; a checkpoint in the next one stands for this one, too.
    fn write_last(&mut self, encoder: &Encoder) -> Result<(), CsvError> {
        self.write_out(self.accepted, encoder)?;
        match &mut self.file {
            Some(file) if self.is_durable => file.sync(),
            _ => Ok(()),
        }
    }

    /// Makes sure that the file is open and still where it should be.
    fn look_for_file(&mut self, encoder: &mut Encoder, now: Moment) -> Result<(), CsvError> {
        if let Some(file) = &self.file {
            if now.monotonic < self.next_look {
                return Ok(());
            }
            match file.whereabouts() {
                Whereabouts::InPlace => {
                    self.next_look = now.monotonic + LOOK;
                    return Ok(());
                }
                // What waits goes where the lines before it went.
                Whereabouts::Moved => self.write_last(encoder)?,
                Whereabouts::Gone => {}
            }
            tracing::warn!(path = %self.path.display(), "the file was moved, deleted or emptied; a new one is begun");
            self.file = None;
        }
        self.reopen(encoder, now)
    }

    fn reopen(&mut self, encoder: &mut Encoder, now: Moment) -> Result<(), CsvError> {
        let wanted = (!self.waiting.is_empty()).then(|| encoder.header());
        let file = ActiveFile::open(&self.path, encoder.delimiter(), wanted, now.wall)?;
        if let Some(header) = file.header() {
            encoder.set_header(header.clone());
        }
        if let Some(interval) = self.rotate_interval {
            self.period = period(
                if file.header().is_some() {
                    file.modified()
                } else {
                    now.wall
                },
                interval,
            );
        }
        self.file = Some(file);
        self.repeated = None;
        self.next_look = now.monotonic + LOOK;
        Ok(())
    }

    fn has_lines(&self) -> bool {
        self.accepted > 0 || self.file.as_ref().is_some_and(|file| file.header().is_some())
    }

    fn is_rotation_due_by_time(&self, now: Timestamp) -> bool {
        self.has_lines()
            && self
                .rotate_interval
                .is_some_and(|interval| period(now, interval) != self.period)
    }

    fn is_rotation_due_by_size(&self, encoder: &Encoder) -> bool {
        let Some(limit) = self.rotate_size else {
            return false;
        };
        let Some(file) = &self.file else { return false };
        let header = if file.header().is_some() {
            0
        } else {
            encoder.header_line().len()
        };
        self.has_lines() && file.len() + (header + self.waiting.len()) as u64 > limit
    }

    /// Rotates before the batch that was just encoded; gives back whether that batch has to be encoded again.
    fn rotate_before_last(&mut self, encoder: &mut Encoder, now: Moment) -> Result<bool, CsvError> {
        if now.monotonic < self.next_rotation {
            return Ok(false);
        }
        self.waiting.truncate(self.accepted);
        self.rotate(encoder, now)?;
        Ok(true)
    }

    /// Writes what waits, renames the file and begins a new one. If the file cannot be renamed, it grows on: too large
    /// a file is better than lost samples.
    fn rotate(&mut self, encoder: &mut Encoder, now: Moment) -> Result<(), CsvError> {
        if now.monotonic < self.next_rotation {
            return Ok(());
        }
        // What has the name now may be the file of somebody else.
        self.next_look = now.monotonic;
        self.look_for_file(encoder, now)?;
        if !self.has_lines() {
            return Ok(());
        }
        self.write_last(encoder)?;
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        match file.rotate(now.wall) {
            Ok(rotated) => {
                tracing::debug!(path = %self.path.display(), rotated = %rotated.display(), "rotated");
                if let Some(housekeeper) = &mut self.housekeeper {
                    housekeeper.rotated(&rotated);
                }
                self.reopen(encoder, now)
            }
            Err((file, error)) => {
                tracing::warn!(
                    %error, path = %self.path.display(),
                    "the file cannot be rotated and grows on; allow this process to rename files in its folder"
                );
                self.file = Some(file);
                self.next_rotation = now.monotonic + ROTATION_PAUSE;
                Ok(())
            }
        }
    }
}
