//! What a spool asks of the file: to be on disk up to a place, and to write nothing twice after a crash.

use super::FileSink;
use crate::checkpoint::Place;
use crate::earlier::Earlier;
use crate::encode::Encoder;
use crate::error::CsvError;

impl FileSink {
    /// Says where the file ends; everything before is on disk. Nothing to say when there is no file at the moment.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(crate) fn checkpoint(&mut self) -> Result<Option<Vec<Place>>, CsvError> {
        self.become_durable(false);
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let end = file.checkpoint(self.now.wall, self.config.format())?;
        // What has not come again of a killed run must be known to the next run, too.
        let earlier = self.earlier.iter().flat_map(Earlier::places).cloned();
        Ok(Some(earlier.chain([end]).collect()))
    }

    /// Looks for what was written after the places that the spool was told last; without any, for all that was written last.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn resume(&mut self, places: &[Place], encoder: &mut Encoder) -> Result<(), CsvError> {
        self.become_durable(true);
        self.look_for_file(encoder)?;
        if let Some(file) = &mut self.file {
            let recent;
            let places = match places {
                [] => {
                    recent = [file.recent(self.now.wall, self.config.format())?];
                    &recent
                }
                places => places,
            };
            self.earlier = Earlier::find(places, file, self.config.format(), self.now.monotonic);
        }
        Ok(())
    }

    /// From now on the spool notes how far the file is written. `was_before`: so it did in a run that was killed.
    fn become_durable(&mut self, was_before: bool) {
        self.is_durable = true;
        if let Some(housekeeper) = &mut self.housekeeper {
            housekeeper.spare_new_files(self.now.monotonic, was_before);
        }
    }
}
