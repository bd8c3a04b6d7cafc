//! Removes and compresses rotated files in the background.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use alumet_core::time::Monotonic;

use crate::compress::compress;
use crate::config::{Compression, Config};
use crate::rotate::{Names, Rotated};

/// How long the spool may need to note that a file was rotated. Until then that file stays what it is: a program that
/// is killed goes back to a place in it.
const SETTLED: Duration = Duration::from_secs(60);

/// A thread that looks after the rotated files when asked to.
///
/// When it is dropped, removals that were asked for are done first, but a compression under way is given up: it starts anew
/// with the next run.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    compression: Compression,
    /// Asks the thread to remove what is too much, and to compress these files.
    requests: Option<Sender<Vec<Rotated>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// How long a file stays as it is after it was rotated.
    spared: Duration,
    /// What is to be compressed, and not before when.
    uncompressed: Vec<(Monotonic, Rotated)>,
}

/// What the thread knows.
#[derive(Debug)]
struct Worker {
    names: Names,
    keep: Option<usize>,
    /// How many bytes all rotated files may have together.
    most_bytes: Option<u64>,
    stop: Arc<AtomicBool>,
    /// What is still to be compressed, also because it could not be done yet.
    uncompressed: Vec<Rotated>,
}

impl Housekeeper {
    /// Starts the thread and asks it to remove what is too much; none if there is nothing to do with rotated files.
    pub(crate) fn start(names: Names, config: &Config) -> Option<Self> {
        let is_bounded = config.keep_files.is_some() || config.max_total_size.is_some();
        if !is_bounded && config.compression == Compression::None {
            return None;
        }
        // What an earlier run has left.
        let uncompressed = match config.compression {
            Compression::Zstd => list(&names),
            Compression::None => Vec::new(),
        };
        let uncompressed = uncompressed.into_iter().filter(|file| !file.compressed);
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            names,
            keep: config.keep_files.map(|count| count as usize),
            // The file that is written may need the rest.
            most_bytes: config
                .max_total_size
                .zip(config.most_bytes())
                .map(|(most, each)| most.0.saturating_sub(each)),
            stop: Arc::clone(&stop),
            uncompressed: Vec::new(),
        };
        let (requests, inbox) = channel();
        let thread = thread::Builder::new()
            .name("csv-housekeeper".into())
            .spawn(move || worker.serve(&inbox))
            .inspect_err(|error| {
                tracing::warn!(%error, "rotated files are neither compressed nor removed: no thread can be started");
            })
            .ok()?;
        let this = Self {
            uncompressed: uncompressed.map(|file| (Monotonic::default(), file)).collect(),
            compression: config.compression,
            requests: Some(requests),
            stop,
            thread: Some(thread),
            spared: Duration::ZERO,
        };
        this.ask(Vec::new());
        Some(this)
    }

    /// The spool names places in the files from now on: those that are just rotated are left as they are for a while.
    /// So are all files, if the spool named a place in one of them before.
    pub(crate) fn spare_new_files(&mut self, now: Monotonic, and_old_ones: bool) {
        self.spared = SETTLED;
        if and_old_ones {
            for (due, _) in &mut self.uncompressed {
                *due = now + SETTLED;
            }
        }
    }

    /// A file was rotated. What is too much is removed at once: it may be what fills the disk.
    pub(crate) fn rotated(&mut self, file: Rotated, now: Monotonic) {
        if self.compression == Compression::Zstd {
            self.uncompressed.push((now + self.spared, file));
        }
        self.ask(Vec::new());
    }

    /// A batch was written; asks for the compressions that are due.
    pub(crate) fn written(&mut self, now: Monotonic) {
        let due = self.uncompressed.extract_if(.., |(due, _)| *due <= now);
        let due: Vec<_> = due.map(|(_, file)| file).collect();
        if !due.is_empty() {
            self.ask(due);
        }
    }

    fn ask(&self, compress: Vec<Rotated>) {
        if let Some(requests) = &self.requests {
            // The thread ends only when this sender is dropped.
            let _ = requests.send(compress);
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn serve(mut self, inbox: &Receiver<Vec<Rotated>>) {
        while let Ok(files) = inbox.recv() {
            self.remove_surplus();
            if !files.is_empty() {
                self.uncompressed.extend(files);
                self.compress();
            }
        }
    }

    fn remove_surplus(&self) {
        if self.keep.is_none() && self.most_bytes.is_none() {
            return;
        }
        let files = list(&self.names);
        let mut surplus = self.keep.map_or(0, |keep| files.len().saturating_sub(keep));
        if let Some(most) = self.most_bytes {
            let sizes: Vec<u64> = files.iter().map(|file| size(&self.names, file)).collect();
            let mut total: u64 = sizes[surplus..].iter().sum();
            while total > most {
                total -= sizes[surplus];
                surplus += 1;
            }
        }
        for file in &files[..surplus] {
            remove(&self.names, file);
        }
    }

    /// Compresses what is to be compressed; what cannot be is tried again with the next files.
    fn compress(&mut self) {
        let Self {
            names,
            stop,
            uncompressed,
            ..
        } = self;
        uncompressed.retain(|file| {
            if stop.load(Ordering::Relaxed) {
                return true;
            }
            let (from, to) = (names.path(file), names.path(&file.compressed()));
            match compress(&from, &names.temporary(file), &to, stop) {
                Ok(()) => false,
                // It was removed in the meantime.
                Err(_) if !from.exists() => false,
                Err(error) => {
                    report(&from, &error);
                    true
                }
            }
        });
    }
}

fn list(names: &Names) -> Vec<Rotated> {
    let files = names.list().inspect_err(|error| report(names.folder(), error));
    files.unwrap_or_default()
}

/// How many bytes the file has, and what describes it.
fn size(names: &Names, file: &Rotated) -> u64 {
    let paths = [names.path(file), names.metadata(file)];
    let found = paths.iter().filter_map(|path| path.symlink_metadata().ok());
    found.map(|found| found.len()).sum()
}

fn remove(names: &Names, file: &Rotated) {
    // Left behind by a process that was killed while it compressed.
    let _ = fs::remove_file(names.temporary(file));
    let path = names.path(file);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return report(&path, &error),
        Ok(()) => tracing::info!(path = %path.display(), "the oldest rotated file was removed to make room"),
    }
    // There may be none.
    let _ = fs::remove_file(names.metadata(file));
}

/// One file that cannot be mended must not keep the others from being looked after.
fn report(path: &Path, error: &io::Error) {
    tracing::warn!(
        %error, path = %path.display(),
        "a rotated file could not be compressed or removed; check the free space and the permissions there"
    );
}
