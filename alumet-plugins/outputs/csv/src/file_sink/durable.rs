//! What a spool asks of the file: to be on disk up to a place, and to go back there after a crash.

use alumet_core::output::Delivery;

use super::FileSink;
use crate::checkpoint::Checkpoint;
use crate::encode::Encoder;
use crate::error::CsvError;

const TAKEN_BACK: &str =
    "the program was killed before the spool was told of the last lines; they are taken back and come again";

impl FileSink {
    /// Says where the file ends; everything before is on disk. Nothing to say when there is no file at the moment.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(crate) fn checkpoint(&mut self) -> Result<Option<Checkpoint>, CsvError> {
        self.become_durable(false);
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let end = file.checkpoint(self.now.wall)?;
        // As long as lines of the killed run are there that have not come again, the place is before them, and is as old.
        Ok(Some(self.repeated.unwrap_or(end)))
    }

    /// Takes back what was written after a checkpoint.
    ///
    /// # Errors
    /// When a file cannot be cut or removed.
    pub(crate) fn resume(&mut self, checkpoint: &Checkpoint, encoder: &mut Encoder) -> Result<(), CsvError> {
        self.become_durable(true);
        self.look_for_file(encoder)?;
        let Some(file) = &mut self.file else { return Ok(()) };
        let is_recent = checkpoint.is_recent(file.modified);
        if file.has(checkpoint) {
            if is_recent {
                return file.cut_back(checkpoint.len, TAKEN_BACK);
            }
            self.repeated = (checkpoint.len < file.len).then_some(*checkpoint);
            return Ok(());
        }
        let is_new = file.header.is_none();
        if (is_recent || is_new) && checkpoint.undo_rotations(file.names())? {
            return file.cut_back(0, TAKEN_BACK);
        }
        if !is_new {
            self.warn_of_repetition();
        }
        Ok(())
    }

    /// Takes a delivery that the file may have already, and writes what is missing of it; `false` if it is another one.
    ///
    /// What was written long after the spool was told last may be what comes again now, after a pause in which there was
    /// nothing to tell; or it is from a run without the spool, which must stay. Only the lines themselves can tell.
    pub(super) fn write_repeated(
        &mut self,
        delivery: &Delivery,
        encoder: &mut Encoder,
    ) -> Result<bool, CsvError> {
        let (Some(mut place), Some(file)) = (self.repeated, &self.file) else {
            return Ok(false);
        };
        let end = file.len;
        encoder.encode(delivery, &mut self.lines);
        let Some(count) = file.has_already(place.len, &self.lines)? else {
            self.repeated = None;
            self.lines.clear();
            self.warn_of_repetition();
            return Ok(false);
        };
        self.lines.drain(..count);
        if !self.lines.is_empty() {
            self.write_out(encoder)?;
        }
        place.len += count as u64;
        self.repeated = (place.len < end).then_some(place);
        Ok(true)
    }

    /// From now on the spool notes how far the file is written. `was_before`: so it did in a run that was killed.
    fn become_durable(&mut self, was_before: bool) {
        self.is_durable = true;
        if let Some(housekeeper) = &mut self.housekeeper {
            housekeeper.spare_new_files(self.now.monotonic, was_before);
        }
    }

    fn warn_of_repetition(&self) {
        tracing::warn!(
            path = %self.config.output_path.display(),
            "this is not the file that was written when the spool was told last; some lines may be repeated"
        );
    }
}
