//! Lines to a pipe, a terminal or another thing that cannot be cut or renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use alumet_core::output::Delivery;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::config::Config;
use crate::encode::Encoder;
use crate::error::{CsvError, lacks_reader};
use crate::inspect::end_of_last_record;
use crate::link::{no_follow, resolve};

/// How long a reader may let a full pipe wait before the engine hears of it, in milliseconds.
const PATIENCE: u16 = 1000;
/// A pipe that is ready takes this much without blocking (`PIPE_BUF`).
const CHUNK: usize = 4096;

/// Writes lines to a stream, and goes on exactly where it stopped when the stream was full.
#[derive(Debug)]
pub(crate) struct StreamSink {
    path: PathBuf,
    stream: Option<File>,
    /// The part of the header line that is not written yet; none as long as there are no columns.
    header: Option<Vec<u8>>,
    /// Of how many samples of a delivery that is not written whole there were lines already. It comes again, and they must
    /// not be made again.
    done: usize,
    /// The last of these lines.
    lines: Vec<u8>,
    /// How many bytes of them are written.
    written: usize,
}

impl StreamSink {
    /// Opens the stream; a pipe that nobody reads yet is opened by the first write.
    ///
    /// # Errors
    /// What stands in the way, and how to mend it.
    pub(crate) fn open(config: &Config) -> Result<Self, CsvError> {
        let path = config.output_path.clone();
        let stream = match connect(&path) {
            Ok(stream) => Some(stream),
            Err(CsvError::System { source, .. }) if lacks_reader(&source) => {
                tracing::info!(path = %path.display(), "waiting for a reader");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            path,
            stream,
            header: None,
            done: 0,
            lines: Vec::new(),
            written: 0,
        })
    }

    /// Writes a delivery; after an error the same has to come again.
    ///
    /// # Errors
    /// Why it could not be written whole.
    pub(crate) fn write(&mut self, delivery: &Delivery, encoder: &mut Encoder) -> Result<(), CsvError> {
        if self.header.is_none() {
            self.header = Some(encoder.begin(delivery));
        }
        let mut samples = delivery.samples().skip(self.done);
        let error = loop {
            let stream = match self.stream.take() {
                Some(stream) => stream,
                None => connect(&self.path)?,
            };
            if let Err(error) = self.push(stream) {
                break error;
            }
            self.written = 0;
            let count = encoder.encode_part(delivery.catalog(), &mut samples, &mut self.lines);
            if count == 0 {
                self.done = 0;
                return Ok(());
            }
            self.done += count;
        };
        match error.kind() {
            io::ErrorKind::BrokenPipe if is_stdout(&self.path) => return Err(CsvError::StdoutClosed),
            io::ErrorKind::BrokenPipe => self.begin_anew(encoder),
            io::ErrorKind::WouldBlock => return Err(CsvError::SlowReader(self.path.clone())),
            _ => {}
        }
        Err(CsvError::write(&self.path, error))
    }

    /// Closes the stream; it is opened again by the next write. The standard output cannot be closed.
    pub(crate) fn reset(&mut self, encoder: &Encoder) {
        if !is_stdout(&self.path) {
            self.begin_anew(encoder);
        }
    }

    /// Writes the header and the lines, as far as the stream takes them.
    fn push(&mut self, stream: File) -> io::Result<()> {
        let stream = self.stream.insert(stream);
        if let Some(header) = &mut self.header {
            while !header.is_empty() {
                let count = write_some(stream, header)?;
                header.drain(..count);
            }
        }
        while self.written < self.lines.len() {
            self.written += write_some(stream, &self.lines[self.written..])?;
        }
        Ok(())
    }

    /// Prepares for another reader: a header, then whole lines from the first that was not written whole.
    fn begin_anew(&mut self, encoder: &Encoder) {
        self.stream = None;
        let whole = end_of_last_record(&self.lines[..self.written]);
        self.lines.drain(..whole);
        self.written = 0;
        self.header = self.header.take().map(|_| encoder.header_line());
    }
}

/// Whether the path means the standard output of this process.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new("/dev/stdout")
}

fn connect(path: &Path) -> Result<File, CsvError> {
    let opened = if is_stdout(path) {
        io::stdout().as_fd().try_clone_to_owned().map(File::from)
    } else {
        let real = resolve(path)?;
        // A pipe without a reader would block until one comes.
        let flags = no_follow(&real) | OFlag::O_NONBLOCK;
        OpenOptions::new()
            .append(true)
            .custom_flags(flags.bits())
            .open(real)
    };
    opened.map_err(|error| CsvError::open("open", path, error))
}

/// Writes as much as the stream takes at once, after waiting for it to take anything.
///
/// Standard output may be shared and must not be made non-blocking, so no more is written than a ready pipe takes.
fn write_some(stream: &mut File, bytes: &[u8]) -> io::Result<usize> {
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::from(PATIENCE)) {
        Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(0),
        Err(error) => return Err(error.into()),
    }
    match stream.write(&bytes[..bytes.len().min(CHUNK)]) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        result => result,
    }
}
