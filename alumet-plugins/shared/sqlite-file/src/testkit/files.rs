//! Files as a disk holds them: what was synced, and what has come since.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::Operation;

/// The files as a disk holds them: what was synced, and what has come since.
#[derive(Debug, Default, Clone)]
pub(super) struct Files(BTreeMap<PathBuf, File>);

#[derive(Debug, Default, Clone)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
    deleted: bool,
    /// It is not in the folder on disk yet.
    new: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Truncate(length) => content.resize(*length, 0),
            Self::Write(at, bytes) => {
                if content.len() < at + bytes.len() {
                    content.resize(at + bytes.len(), 0);
                }
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// Only some of the sectors reach the disk.
    fn apply_torn(&self, content: &mut Vec<u8>, random: &mut Random) {
        const SECTOR: usize = 512;
        let Self::Write(at, bytes) = self else {
            return self.apply(content);
        };
        let mut from = 0;
        while from < bytes.len() {
            let to = ((at + from) / SECTOR * SECTOR + SECTOR - at).min(bytes.len());
            if random.below(2) == 0 {
                Self::Write(at + from, bytes[from..to].to_vec()).apply(content);
            }
            from = to;
        }
    }
}

impl Files {
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(path) => {
                let is_there = self.0.get(path).is_some_and(|file| !file.deleted);
                if !is_there {
                    let new = File {
                        new: true,
                        ..File::default()
                    };
                    self.0.insert(path.clone(), new);
                }
            }
            Operation::Write(path, at, bytes) => self.change(path, Change::Write(*at, bytes.clone())),
            Operation::Truncate(path, length) => self.change(path, Change::Truncate(*length)),
            Operation::Sync(path) => {
                if let Some(file) = self.0.get_mut(path) {
                    for change in std::mem::take(&mut file.pending) {
                        change.apply(&mut file.durable);
                    }
                    // With a new journal, SQLite syncs the folder too, and with that all deletions.
                    let is_journal = path.extension().is_some_and(|end| end != "db");
                    if std::mem::take(&mut file.new) && is_journal {
                        self.0.retain(|_, file| !file.deleted);
                    }
                }
            }
            Operation::Delete(path) => {
                if let Some(file) = self.0.get_mut(path) {
                    file.deleted = true;
                }
            }
            Operation::Promise(_) => {}
        }
    }

    fn change(&mut self, path: &Path, change: Change) {
        self.0.entry(path.to_owned()).or_default().pending.push(change);
    }

    /// Writes what a power failure leaves of the files: of what was not synced, an accidental part.
    pub(super) fn materialize(&self, folder: &Path, variant: u64, random: &mut Random) -> io::Result<()> {
        for (path, file) in &self.0 {
            // A deletion may not have reached the disk.
            if file.deleted && variant != 3 {
                continue;
            }
            let mut content = file.durable.clone();
            match variant {
                0 => file.pending.iter().for_each(|change| change.apply(&mut content)),
                1 => {}
                // All but one, in particular all but the last and all but the first.
                2 => {
                    let missing = random.below(file.pending.len().max(1) as u64) as usize;
                    let others = file
                        .pending
                        .iter()
                        .enumerate()
                        .filter(|(index, _)| *index != missing);
                    others.for_each(|(_, change)| change.apply(&mut content));
                }
                // Any of them, torn.
                _ => {
                    for change in &file.pending {
                        match random.below(3) {
                            0 => change.apply(&mut content),
                            1 => change.apply_torn(&mut content, random),
                            _ => {}
                        }
                    }
                }
            }
            std::fs::write(folder.join(path.file_name().unwrap_or_default()), content)?;
        }
        Ok(())
    }
}

/// Numbers without rhyme or reason (xorshift64).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) const fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
