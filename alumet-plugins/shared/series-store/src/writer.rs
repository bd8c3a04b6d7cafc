//! What was given and is not in the file yet, and how it gets there.

use std::sync::Arc;
use std::time::Instant;

use alumet_core::Timestamp;
use alumet_core::metric::Metric;
use alumet_core::series::SeriesInfo;
use hashbrown::HashMap;
use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, params};

use crate::identity;
use crate::live::{Key, Known, Live};
use crate::part::{MOST_ROWS, Part, PartWriter};
use crate::rows::Resolution;
use crate::run::{self, Run, State};

/// One sample that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) key: Key,
    pub(crate) at: i64,
    pub(crate) bits: u64,
}

/// Writes samples to the file.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    /// The samples that wait, and since when the first of them does.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) since: Option<Instant>,
    parts: PartWriter,
    /// By all that tells one metric from another.
    metrics: HashMap<[String; 5], i64>,
    /// Metrics and series that are not in the file yet.
    new_metrics: Vec<(i64, Arc<Metric>)>,
    new_series: Vec<NewSeries>,
    new_by_hash: HashMap<i64, Vec<usize>>,
    /// Series in the file that come again, and those of which an earlier instant is known now.
    returned: Vec<u64>,
    pub(crate) lowered: Vec<u32>,
    next_series: u64,
    /// When the last sample was in the file when it was opened.
    pub(crate) horizon: i64,
}

/// A row of the table of series.
struct NewSeries {
    number: u64,
    metric: i64,
    texts: [String; 5],
    hash: i64,
}

/// Parts of samples are as large as this before they are compressed, and compressed quickly.
pub(crate) const SMALL_PART: usize = 48 << 10;
pub(crate) const QUICK: i32 = 1;

impl Writer {
    pub(crate) fn new(connection: Connection) -> rusqlite::Result<Self> {
        let metrics = {
            let sql = "SELECT id, name, kind, type, unit, quality FROM metrics";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                let text = |column| row.get(column);
                Ok(([text(1)?, text(2)?, text(3)?, text(4)?, text(5)?], row.get(0)?))
            })?;
            rows.collect::<rusqlite::Result<HashMap<_, _>>>()?
        };
        let last = "SELECT max(coalesce((SELECT max(id) FROM series), 0),
            coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'series'), 0))";
        let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
        let horizon = "SELECT coalesce(max(last_at + resolution * 1000000000), 0) FROM runs WHERE state = 1";
        let horizon: i64 = connection.query_row(horizon, [], |row| row.get(0))?;
        Ok(Self {
            connection,
            waiting: Vec::new(),
            since: None,
            parts: PartWriter::new(Resolution::Raw, SMALL_PART, QUICK),
            metrics,
            new_metrics: Vec::new(),
            new_series: Vec::new(),
            new_by_hash: HashMap::new(),
            returned: Vec::new(),
            lowered: Vec::new(),
            next_series: last.cast_unsigned() + 1,
            horizon,
        })
    }

    /// The series as the file knows it, or will; `at` is the instant of its first sample.
    pub(crate) fn intern(&mut self, series: &SeriesInfo, at: i64) -> rusqlite::Result<Known> {
        let metric = self.intern_metric(&series.metric);
        let texts = [
            series.resource().kind().to_owned(),
            series.resource().id().into_owned(),
            series.consumer().kind().to_owned(),
            series.consumer().id().into_owned(),
            identity::to_json(series.attributes()),
        ];
        let hash = identity::hash(metric, texts.each_ref().map(String::as_str));
        let known = |number: u64, first: i64, last: i64| Known {
            key: Key::new(number, series.metric.value_type),
            first,
            last,
            bits: 0,
            is_known: false,
            is_lowered: false,
            gpu: None,
        };
        let with_hash = self.new_by_hash.get(&hash).into_iter().flatten();
        let mut new = with_hash.map(|index| &self.new_series[*index]);
        if let Some(new) = new.find(|new| new.metric == metric && new.texts == texts) {
            return Ok(known(new.number, at, i64::MIN));
        }
        let sql =
            "SELECT id, first_at, last_at FROM series WHERE hash = ? AND metric = ? AND resource_kind = ?
            AND resource_id = ? AND consumer_kind = ? AND consumer_id = ? AND attributes = ?";
        let [a, b, c, d, e] = &texts;
        let stored =
            self.connection
                .prepare_cached(sql)?
                .query_row(params![hash, metric, a, b, c, d, e], |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, Option<i64>>(2)?,
                    ))
                });
        if let Some((number, first, last)) = stored.optional()? {
            let number = number.cast_unsigned();
            if last.is_some() {
                self.returned.push(number);
            }
            // What is stored of it may be newer than what comes.
            return Ok(known(number, first, last.unwrap_or(self.horizon)));
        }
        let number = self.next_series;
        self.next_series += 1;
        self.new_by_hash
            .entry(hash)
            .or_default()
            .push(self.new_series.len());
        self.new_series.push(NewSeries {
            number,
            metric,
            texts,
            hash,
        });
        Ok(known(number, at, i64::MIN))
    }

    fn intern_metric(&mut self, metric: &Arc<Metric>) -> i64 {
        let key = [
            metric.name.clone().into_owned(),
            metric.kind.name().to_owned(),
            metric.value_type.name().to_owned(),
            metric.unit.code().into_owned(),
            metric.quality.name().to_owned(),
        ];
        let next = self.metrics.values().max().map_or(1, |last| last + 1);
        *self.metrics.entry(key).or_insert_with(|| {
            self.new_metrics.push((next, Arc::clone(metric)));
            next
        })
    }

    /// Whether there is something that is not in the file.
    pub(crate) fn has_news(&self) -> bool {
        !self.waiting.is_empty()
            || !self.new_series.is_empty()
            || !self.returned.is_empty()
            || !self.lowered.is_empty()
    }

    pub(crate) fn has_new_series(&self) -> bool {
        !self.new_series.is_empty() || !self.returned.is_empty()
    }

    /// Writes all that waits, in one transaction; it is on disk when this returns. When it fails, it still waits.
    pub(crate) fn commit(&mut self, live: &RwLock<Live>, now: Timestamp) -> rusqlite::Result<()> {
        let runs = self.encode();
        let transaction = self.connection.transaction()?;
        let db: &Connection = &transaction;
        for (number, metric) in &self.new_metrics {
            let sql = "INSERT INTO metrics (id, name, kind, type, unit, quality, description)
                VALUES (?, ?, ?, ?, ?, ?, ?)";
            db.execute(
                sql,
                params![
                    number,
                    metric.name,
                    metric.kind.name(),
                    metric.value_type.name(),
                    metric.unit.code(),
                    metric.quality.name(),
                    metric.description
                ],
            )?;
        }
        {
            let live = live.read();
            let sql = "INSERT INTO series (id, metric, resource_kind, resource_id, consumer_kind, consumer_id, attributes, hash,
                first_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let mut insert = db.prepare_cached(sql)?;
            for NewSeries {
                number,
                metric,
                texts: [a, b, c, d, e],
                hash,
            } in &self.new_series
            {
                let first = live.find(*number).map_or(0, |known| known.first);
                insert.execute(params![number.cast_signed(), metric, a, b, c, d, e, hash, first])?;
            }
            let mut lower = db.prepare_cached("UPDATE series SET first_at = ? WHERE id = ?")?;
            for known in self.lowered.iter().filter_map(|place| live.get(*place)) {
                lower.execute(params![known.first, known.key.number().cast_signed()])?;
            }
            let mut open = db.prepare_cached("UPDATE series SET last_at = NULL WHERE id = ?")?;
            for number in &self.returned {
                open.execute([number.cast_signed()])?;
            }
        }
        for (sequence, (window, parts)) in (next_sequence(db)?..).zip(&runs) {
            let mut run = Run::new(sequence, Resolution::Raw, 0, *window, now.as_nanos());
            parts.iter().for_each(|part| run.count(part));
            run.insert(db, State::Visible)?;
            for (place, part) in parts.iter().enumerate() {
                run::insert_part(db, run.id, place as u64, part)?;
            }
        }
        transaction.commit()?;
        let mut live = live.write();
        self.lowered
            .drain(..)
            .for_each(|place| live.at(place).is_lowered = false);
        self.waiting.clear();
        self.since = None;
        self.new_metrics.clear();
        self.new_series.clear();
        self.new_by_hash.clear();
        self.returned.clear();
        Ok(())
    }

    /// The parts of each window that has samples.
    fn encode(&mut self) -> Vec<(i64, Vec<Part>)> {
        let waiting = &mut self.waiting;
        let window = |sample: &Waiting| Resolution::Raw.window_of(sample.at);
        let one = waiting.first().map(window);
        match waiting.iter().all(|sample| Some(window(sample)) == one) {
            true => waiting.sort_by_key(|sample| (sample.key, sample.at)),
            false => waiting.sort_by_key(|sample| (window(sample), sample.key, sample.at)),
        }
        let mut runs = Vec::new();
        let (mut times, mut bits) = (Vec::new(), Vec::new());
        for samples in waiting.chunk_by(|one, next| window(one) == window(next)) {
            let mut parts = Vec::new();
            for series in samples.chunk_by(|one, next| one.key == next.key) {
                let key = series[0].key;
                for chunk in series.chunks(MOST_ROWS) {
                    times.clear();
                    bits.clear();
                    for (index, sample) in chunk.iter().enumerate() {
                        // Of several at the same instant, the one that came last.
                        if chunk.get(index + 1).is_none_or(|next| next.at != sample.at) {
                            times.push(sample.at);
                            bits.push(sample.bits);
                        }
                    }
                    parts.extend(self.parts.push(key.number(), key.value_type(), &times, &[&bits]));
                }
            }
            parts.extend(self.parts.finish());
            runs.push((window(&samples[0]), parts));
        }
        runs
    }
}

/// A number that is higher than that of each run.
pub(crate) fn next_sequence(db: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(sequence), 0) + 1 FROM runs";
    db.prepare_cached(sql)?.query_row([], |row| row.get(0))
}
