//! The output: a batch comes in, lines go to a file or a stream.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::time::Moment;

use crate::checkpoint;
use crate::config::Config;
use crate::encode::Encoder;
use crate::error::CsvError;
use crate::file_sink::FileSink;
use crate::stream_sink::{StreamSink, is_stdout};

/// Writes samples as CSV.
#[derive(Debug)]
pub struct CsvOutput {
    encoder: Encoder,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    File(Box<FileSink>),
    Stream(StreamSink),
}

impl CsvOutput {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// What stands in the way, and how to mend it.
    pub fn open(config: &Config, now: Moment) -> Result<Self, CsvError> {
        let mut encoder = Encoder::new(config);
        let sink = if is_stream(config)? {
            // A bound on all files is no wish for several.
            if config.rotate_size.is_some() || config.rotate_interval.is_some() {
                tracing::warn!(path = %config.output_path.display(), "a stream is not rotated");
            }
            Sink::Stream(StreamSink::open(config)?)
        } else {
            Sink::File(Box::new(FileSink::open(config, &mut encoder, now)?))
        };
        Ok(Self { encoder, sink })
    }
}

impl Output for CsvOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let result = match &mut self.sink {
            _ if delivery.is_empty() => Ok(()),
            Sink::File(file) => file.write(delivery, &mut self.encoder),
            Sink::Stream(stream) => stream.write(delivery, &mut self.encoder),
        };
        result.map(|()| Delivering::done()).map_err(failure)
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let Sink::File(file) = &mut self.sink else {
            return Ok(None);
        };
        let places = file.checkpoint().map_err(failure)?;
        Ok(places.map(|places| checkpoint::to_bytes(&places)))
    }

    fn resume(&mut self, position: &[u8]) -> Result<(), Failure> {
        let Sink::File(file) = &mut self.sink else {
            return Ok(());
        };
        let places = checkpoint::parse(position);
        if places.is_none() && !position.is_empty() {
            tracing::warn!("the spool was told last by another version; some lines may be written once more");
        }
        file.resume(&places.unwrap_or_default(), &mut self.encoder)
            .map_err(failure)
    }

    fn reset(&mut self) {
        match &mut self.sink {
            Sink::File(file) => file.reset(),
            Sink::Stream(stream) => stream.reset(&self.encoder),
        }
    }
}

/// Everything may work later, but for a standard output that nobody reads any more.
fn failure(error: CsvError) -> Failure {
    match error {
        CsvError::StdoutClosed => Failure::end(error),
        error => Failure::retry(error),
    }
}

/// Whether the path is something that is neither cut nor renamed.
pub(crate) fn is_stream(config: &Config) -> Result<bool, CsvError> {
    let path = &config.output_path;
    if is_stdout(path) {
        return Ok(true);
    }
    // Opening what cannot be looked at creates it, or says what is wrong.
    let Ok(found) = fs::metadata(path) else {
        return Ok(false);
    };
    let found = found.file_type();
    let kind = if found.is_dir() {
        "folder"
    } else if found.is_block_device() {
        "disk"
    } else if found.is_socket() {
        "socket"
    } else {
        return Ok(!found.is_file());
    };
    Err(CsvError::NoFile {
        path: path.clone(),
        kind,
    })
}
