//! Lines to a file that is rotated.

mod durable;

use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::output::Delivery;
use alumet_core::time::{Moment, Monotonic};

use crate::config::Config;
use crate::earlier::{Earlier, Known};
use crate::encode::Encoder;
use crate::error::CsvError;
use crate::file::ActiveFile;
use crate::growth::Growth;
use crate::housekeeper::Housekeeper;
use crate::metadata::Metadata;
use crate::rotate::period;

/// How often the path is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a rotation that failed is put off.
const ROTATION_PAUSE: Duration = Duration::from_secs(60);

/// Writes lines to a file; opens it again when it was moved away, and rotates it.
#[derive(Debug, Default)]
pub(crate) struct FileSink {
    config: Config,
    file: Option<ActiveFile>,
    /// Whether an earlier run, or this one, wrote to the file before it was opened.
    goes_on: bool,
    /// What describes the file, once something is written to it.
    metadata: Option<Metadata>,
    /// Whether the columns of the file were not compared yet with what metrics declare.
    is_unknown: bool,
    growth: Growth,
    /// Some lines of the delivery.
    lines: Vec<u8>,
    /// How many samples of a delivery that comes again are in a file that was taken away.
    gone: usize,
    /// The period in which the lines of the file were written, if there are periods.
    period: Option<i128>,
    next_look: Monotonic,
    next_rotation: Monotonic,
    housekeeper: Option<Housekeeper>,
    /// Whether the spool notes how far the file was written, so that what it was told of must be on disk.
    is_durable: bool,
    /// The time of the last delivery.
    now: Moment,
    /// What a killed run wrote and may come again.
    earlier: Option<Earlier>,
}

/// How the lines of a delivery were written.
enum Written {
    Whole,
    /// They would make the file too large, and are not there.
    TooMuch,
    /// Somebody has taken the file away, and what was in it.
    Gone,
}

impl FileSink {
    /// Opens the file.
    ///
    /// # Errors
    /// What stands in the way, and how to mend it.
    pub(crate) fn open(config: &Config, encoder: &mut Encoder, now: Moment) -> Result<Self, CsvError> {
        let mut sink = Self::default();
        sink.config = config.clone();
        sink.now = now;
        sink.reopen(encoder)?;
        if config.rotates() {
            let names = sink.file.as_ref().map(|file| file.names().clone());
            sink.housekeeper = names.and_then(|names| Housekeeper::start(names, config));
        }
        Ok(sink)
    }

    /// Writes a delivery whole or not at all.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(crate) fn write(&mut self, delivery: &Delivery, encoder: &mut Encoder) -> Result<(), CsvError> {
        self.now = delivery.now();
        let Some(earlier) = &mut self.earlier else {
            return self.write_new(delivery, encoder, &Known::default());
        };
        let known = earlier.take(delivery);
        let written = match known.is_all() {
            true => Ok(()),
            false => self.write_new(delivery, encoder, &known),
        };
        let now = self.now.monotonic;
        self.earlier = self.earlier.take().and_then(|mut earlier| match &written {
            Ok(()) => (!earlier.is_over(now)).then_some(earlier),
            Err(_) => {
                earlier.give_back(&known);
                Some(earlier)
            }
        });
        written
    }

    /// Writes what of a delivery is not there already.
    fn write_new(
        &mut self,
        delivery: &Delivery,
        encoder: &mut Encoder,
        known: &Known,
    ) -> Result<(), CsvError> {
        self.look_for_file(encoder)?;
        if self.is_rotation_due_by_time() || self.lacks_columns(delivery, encoder) {
            self.rotate(encoder)?;
        }
        loop {
            match self.write_lines(delivery, encoder, known)? {
                Written::Whole => break,
                Written::TooMuch => self.rotate(encoder)?,
                Written::Gone => self.begin_anew(encoder)?,
            }
        }
        self.gone = 0;
        self.period = self.period_of(self.now.wall);
        if let Some(housekeeper) = &mut self.housekeeper {
            housekeeper.written(self.now.monotonic);
        }
        self.describe(encoder);
        Ok(())
    }

    /// Closes the file; it is opened again by the next write.
    pub(crate) fn reset(&mut self) {
        self.file = None;
        self.gone = 0;
        self.end_metadata();
    }

    /// Sees to it that what describes the file says all that is in it.
    fn describe(&mut self, encoder: &Encoder) {
        let (Some(metrics), Some(file)) = (encoder.metrics(), &self.file) else {
            return;
        };
        let metadata = self.metadata.get_or_insert_with(|| {
            let begun = if self.goes_on { file.begun() } else { self.now.wall };
            let path = file.names().own_path();
            Metadata::new(&path, self.goes_on, begun, encoder.header(), &self.config)
        });
        metadata.note(metrics, self.now);
    }

    /// Nothing more is written to the file for now.
    fn end_metadata(&mut self) {
        if let Some(metadata) = self.metadata.take() {
            metadata.end(None, self.now.wall);
        }
    }

    /// Whether the file was begun when metrics declared less, so that some attributes would have no column.
    fn lacks_columns(&mut self, delivery: &Delivery, encoder: &Encoder) -> bool {
        let is_unknown = std::mem::take(&mut self.is_unknown) && self.begun().is_some();
        let lacks = is_unknown && encoder.header().lacks_declared(delivery.catalog());
        if lacks {
            tracing::info!(
                path = %self.config.output_path.display(),
                "the file has no column for some attributes of what is measured now; it is rotated, and a new one is begun"
            );
        }
        lacks
    }

    /// Appends the lines of a delivery to the file, part by part; if one cannot be appended, none is there.
    fn write_lines(
        &mut self,
        delivery: &Delivery,
        encoder: &mut Encoder,
        known: &Known,
    ) -> Result<Written, CsvError> {
        let may_rotate = self.begun().is_some() && self.now.monotonic >= self.next_rotation;
        let limit = self.config.most_bytes().filter(|_| may_rotate);
        let Some(file) = &mut self.file else {
            return Ok(Written::Gone);
        };
        let begin = file.len;
        let mut head = Vec::new();
        if file.header.is_none() {
            head = encoder.begin(delivery);
        }
        let mut done = self.gone;
        let mut samples = delivery.samples().skip(done);
        loop {
            let count = encoder.encode_part(delivery.catalog(), &mut samples, &mut self.lines);
            if count == 0 {
                let bytes = file.len - begin;
                self.growth.written(bytes, self.now.monotonic, &self.config);
                return Ok(Written::Whole);
            }
            known.remove_from(&mut self.lines, done);
            let is_first = !head.is_empty();
            if is_first {
                self.lines.splice(..0, head.drain(..));
            }
            if limit.is_some_and(|limit| file.len + self.lines.len() as u64 > limit) {
                file.take_back(begin);
                return Ok(Written::TooMuch);
            }
            match file.append(&self.lines) {
                Ok(true) => {}
                Ok(false) => {
                    self.gone = done;
                    return Ok(Written::Gone);
                }
                Err(error) => {
                    file.take_back(begin);
                    if begin == 0 {
                        file.header = None;
                    }
                    return Err(error);
                }
            }
            if is_first {
                file.header = Some(encoder.header().clone());
            }
            done += count;
        }
    }

    /// Gives a file up; a checkpoint in the next one stands for this one, too.
    fn leave(&mut self) -> Result<(), CsvError> {
        match &mut self.file {
            Some(file) if self.is_durable => file.sync(),
            Some(file) => file.finish_cut(),
            None => Ok(()),
        }
    }

    /// Makes sure that the file is open and still where it should be.
    fn look_for_file(&mut self, encoder: &mut Encoder) -> Result<(), CsvError> {
        if let Some(file) = &self.file {
            if self.now.monotonic < self.next_look {
                return Ok(());
            }
            if file.is_in_place() {
                self.next_look = self.now.monotonic + LOOK;
                return Ok(());
            }
            if file.is_anywhere() {
                self.leave()?;
            }
            return self.begin_anew(encoder);
        }
        self.reopen(encoder)
    }

    fn begin_anew(&mut self, encoder: &mut Encoder) -> Result<(), CsvError> {
        tracing::warn!(path = %self.config.output_path.display(), "the file was moved, deleted or emptied; a new one is begun");
        self.file = None;
        // What it says is of the file that is gone.
        self.metadata = None;
        self.reopen(encoder)
    }

    fn reopen(&mut self, encoder: &mut Encoder) -> Result<(), CsvError> {
        let file = ActiveFile::open(&self.config.output_path, encoder.format(), self.now.wall)?;
        if let Some(header) = &file.header {
            encoder.set_header(header.clone());
        }
        self.goes_on = file.header.is_some();
        self.is_unknown = self.goes_on;
        self.period = self.period_of(match file.header {
            Some(_) => file.modified,
            None => self.now.wall,
        });
        self.file = Some(file);
        self.next_look = self.now.monotonic + LOOK;
        Ok(())
    }

    fn period_of(&self, time: Timestamp) -> Option<i128> {
        self.config
            .rotate_interval
            .map(|interval| period(time, *interval))
    }

    /// The file, if there is anything in it.
    fn begun(&self) -> Option<&ActiveFile> {
        self.file.as_ref().filter(|file| file.header.is_some())
    }

    fn is_rotation_due_by_time(&self) -> bool {
        self.begun().is_some() && self.period_of(self.now.wall) != self.period
    }

    /// Renames the file and begins a new one. If the file cannot be renamed, it grows on: too large a file is better than
    /// lost samples.
    fn rotate(&mut self, encoder: &mut Encoder) -> Result<(), CsvError> {
        if self.now.monotonic < self.next_rotation {
            return Ok(());
        }
        // What has the name now may be the file of somebody else.
        self.next_look = self.now.monotonic;
        self.look_for_file(encoder)?;
        if self.begun().is_none() {
            return Ok(());
        }
        self.leave()?;
        let Some(file) = &self.file else { return Ok(()) };
        match file.rotate(self.now.wall) {
            Ok(rotated) => {
                tracing::debug!(path = %self.config.output_path.display(), ?rotated, "rotated");
                if let Some(metadata) = self.metadata.take() {
                    metadata.end(Some(&file.names().path(&rotated)), self.now.wall);
                }
                if let Some(housekeeper) = &mut self.housekeeper {
                    housekeeper.rotated(rotated, self.now.monotonic);
                }
                self.file = None;
                self.reopen(encoder)
            }
            Err(error) => {
                tracing::warn!(
                    %error, path = %self.config.output_path.display(),
                    "the file cannot be rotated and grows on; allow this process to rename files in its folder"
                );
                self.next_rotation = self.now.monotonic + ROTATION_PAUSE;
                Ok(())
            }
        }
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        self.end_metadata();
    }
}
