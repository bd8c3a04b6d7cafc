//! What a file says at its opening: all but the records.

use std::path::Path;

use alumet_core::spool::InstanceId;
use rusqlite::Connection;

use super::Noted;
use super::fetch::visit;
use super::row::{self, Meta, Stored};
use crate::record::{Entry, Had, Loss, Mark, Stand, Stretch, WantedBatch, Watermark};

/// What a file says at its opening.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) numberings: Vec<Stretch>,
    /// The machine on which it was begun.
    pub(crate) machine: Option<u64>,
    /// The first and the last record, without payload.
    pub(crate) first: Option<Entry>,
    pub(crate) last: Option<Entry>,
    pub(crate) cursors: Vec<Stand>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) origins: Vec<(InstanceId, Watermark)>,
    pub(crate) wanted: Vec<WantedBatch>,
    pub(crate) had: Vec<Had>,
    /// The newest dictionary of which anything is there.
    pub(crate) generation: u32,
    /// Numbers up to this one may have been used.
    pub(crate) reserved: u64,
    /// What was written, was waiting and is not there any more.
    pub(crate) missing: Option<(Mark, Mark)>,
    /// The same for people, also where it is not known what it was.
    pub(crate) lost: Option<String>,
    /// Whether a row of these tables is damaged, or it was salvaged from a damaged file.
    pub(crate) damaged: bool,
}

impl Loaded {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut loaded = Self::default();
        let damaged = &mut loaded.damaged;
        loaded.numberings = all(connection, damaged)?;
        for (key, value, instance) in all::<Meta>(connection, damaged)? {
            match key.as_str() {
                "instance" if loaded.numberings.is_empty() => {
                    let begin = Mark::default();
                    let of_all = instance.map(|instance| Stretch { begin, instance });
                    loaded.numberings.extend(of_all);
                }
                "machine" => loaded.machine = Some(value),
                "reserved" => loaded.reserved = value,
                _ => {}
            }
        }
        loaded.cursors = all(connection, damaged)?;
        loaded.losses = all(connection, damaged)?;
        loaded.origins = all(connection, damaged)?;
        loaded.wanted = all(connection, damaged)?;
        loaded.had = all(connection, damaged)?;
        loaded.first = end_of_records(connection, "ASC", damaged)?;
        loaded.last = end_of_records(connection, "DESC", damaged)?;
        let newest = "SELECT max(generation) FROM definitions";
        let defined: Option<u32> = connection.query_row(newest, [], |row| row.get(0))?;
        let used = loaded.last.as_ref().map(|last| last.generation);
        loaded.generation = defined.max(used).unwrap_or(0);
        Ok(loaded)
    }

    /// Up to where it goes.
    pub(crate) fn head(&self) -> Mark {
        let records = self.last.as_ref().map(|last| last.end);
        let cursors = self.cursors.iter().map(|(_, done, _)| *done);
        let losses = self.losses.iter().map(|loss| loss.end);
        let begins = self.numberings.iter().map(|stretch| stretch.begin);
        let ends = records.into_iter().chain(cursors).chain(losses).chain(begins);
        ends.max().unwrap_or_default()
    }

    /// Whether the file went further when it was last written. What no output follows may be gone.
    pub(super) fn is_behind(&self, noted: &Noted) -> bool {
        let is_followed = !self.cursors.is_empty() || self.numberings.is_empty();
        is_followed && noted.head.sequence > self.head().sequence
    }

    /// Finds out whether it is behind what was noted of it.
    pub(super) fn compare(&mut self, path: &Path, noted: Option<Noted>) {
        let Some(noted) = noted.filter(|noted| self.is_behind(noted)) else {
            return;
        };
        let begin = self.head().max(noted.start);
        let is_known = |stretch: &Stretch| noted.instances.contains(&stretch.instance);
        let is_known = self.numberings.is_empty() || self.numberings.iter().any(is_known);
        let (now, then) = (begin.sequence, noted.head.sequence);
        let samples = noted.head.samples.saturating_sub(begin.samples);
        let what = "the spool does not have any more what was written last: an older copy of it was put back, or the disk has \
                    lost its end";
        tracing::error!(path = %path.display(), now, then, samples, "{what}");
        self.lost = Some(format!(
            "{what}; in `{}`, {samples} samples that waited are missing up to record {then}: check the disk; what relay clients \
             still keep of it comes again by itself",
            path.display()
        ));
        // Of a copy that is older still, it is not known what is missing.
        self.missing = is_known.then_some((begin, noted.head));
    }

    /// The identity of its newest records.
    pub(crate) fn instance(&self) -> Option<InstanceId> {
        Some(self.numberings.last()?.instance)
    }

    /// Whether it holds records, or an output has still to hear of lost ones.
    pub(crate) fn is_in_use(&self) -> bool {
        self.first.is_some() || !self.losses.is_empty()
    }
}

/// The good rows of a table.
pub(super) fn all<T: Stored>(connection: &Connection, damaged: &mut bool) -> rusqlite::Result<Vec<T>> {
    let mut good = Vec::new();
    visit(connection, &row::select::<T>(""), [], |one| {
        *damaged |= one.is_none();
        good.extend(one);
        true
    })?;
    Ok(good)
}

/// The first good record from one end.
fn end_of_records(
    connection: &Connection,
    order: &str,
    damaged: &mut bool,
) -> rusqlite::Result<Option<Entry>> {
    let sql = row::select_headers(&format!("ORDER BY sequence {order}"));
    let mut found = None;
    visit(connection, &sql, [], |entry| {
        *damaged |= entry.is_none();
        found = entry;
        found.is_none()
    })?;
    Ok(found)
}
