//! Removes and compresses rotated files in the background.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::compress::compress;
use crate::config::{Compression, Config};
use crate::rotate::{Names, Rotated};

/// A thread that looks after the rotated files when asked to.
///
/// When it is dropped, removals that were asked for are done first, but a compression under way is given up: it starts anew
/// with the next run.
#[derive(Debug)]
pub(crate) struct Housekeeper {
    requests: Option<Sender<()>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be done to rotated files.
#[derive(Debug)]
struct Rules {
    names: Names,
    keep: Option<usize>,
    compression: Compression,
    stop: Arc<AtomicBool>,
}

impl Housekeeper {
    /// Starts the thread and asks it for a first look; none if there is nothing to do with rotated files.
    pub(crate) fn start(names: Names, config: &Config) -> Option<Self> {
        if config.keep_files.is_none() && config.compression == Compression::None {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let rules = Rules {
            names,
            keep: config
                .keep_files
                .map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
            compression: config.compression,
            stop: Arc::clone(&stop),
        };
        let (requests, inbox) = channel();
        match thread::Builder::new()
            .name("csv-housekeeper".into())
            .spawn(move || rules.serve(&inbox))
        {
            Ok(thread) => {
                let this = Self {
                    requests: Some(requests),
                    stop,
                    thread: Some(thread),
                };
                this.tidy();
                Some(this)
            }
            Err(error) => {
                tracing::warn!(%error, "rotated files are neither compressed nor removed: no thread can be started");
                None
            }
        }
    }

    /// Asks for a look at the rotated files.
    pub(crate) fn tidy(&self) {
        if let Some(requests) = &self.requests {
            // The thread ends only when this sender is dropped.
            let _ = requests.send(());
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

impl Rules {
    fn serve(&self, inbox: &Receiver<()>) {
        while inbox.recv().is_ok() {
            // One look answers all requests that have come so far.
            while inbox.try_recv().is_ok() {}
            if let Err(error) = self.apply() {
                let folder = self.names.folder().display();
                tracing::warn!(
                    %error, %folder,
                    "rotated files could not be compressed or removed; check the free space and the permissions there"
                );
            }
        }
    }

    fn apply(&self) -> io::Result<()> {
        let mut files = self.names.list()?;
        if let Some(keep) = self.keep {
            let surplus = files.len().saturating_sub(keep);
            for file in files.drain(..surplus) {
                remove(&self.names, &file)?;
            }
        }
        if self.compression == Compression::Zstd {
            for file in files.iter().filter(|file| !file.is_compressed()) {
                if self.stop.load(Ordering::Relaxed) {
                    break;
                }
                let to = self.names.path(&file.compressed());
                compress(
                    &self.names.path(file),
                    &self.names.temporary(file),
                    &to,
                    &self.stop,
                )?;
            }
        }
        Ok(())
    }
}

fn remove(names: &Names, file: &Rotated) -> io::Result<()> {
    // Left behind by a process that was killed while it compressed.
    let _ = fs::remove_file(names.temporary(file));
    match fs::remove_file(names.path(file)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
