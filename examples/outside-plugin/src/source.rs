//! The source: what makes samples of readings.

use std::path::PathBuf;

use alumet_core::failure::OrFail;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Failure, Series};

/// Reads the load of the last minute.
#[derive(Debug)]
pub(crate) struct LoadSource {
    file: PathBuf,
    load: Series<f64>,
}

impl LoadSource {
    /// A source that pushes what `file` begins with to `load`.
    pub(crate) const fn new(file: PathBuf, load: Series<f64>) -> Self {
        Self { file, load }
    }
}

impl Source for LoadSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        // What cannot be read now may be there at the next tick: `?` asks for another try.
        let text = std::fs::read_to_string(&self.file)?;
        let first = text.split(' ').next().unwrap_or_default();
        out.push(&self.load, first.parse().or_skip()?);
        Ok(())
    }
}
