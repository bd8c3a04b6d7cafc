//! Answers questions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alumet_core::async_trait;
use alumet_core::time::Timestamp;
use alumet_core::value::{Value, ValueType};
use alumet_shared_query::{
    Backend, BackendStatus, Buckets, Budget, Identity, Limits, QueryError, Range, Selector, SeriesBuckets,
    SeriesEntry, SeriesSamples, Steps,
};
use rusqlite::{Connection, params};

use crate::entries::{Gpu, NODE};
use crate::find::{self, Found};
use crate::read::{ReadError, Reader};
use crate::rows::{HOUR, Resolution, Rows, number};
use crate::run::{Dropped, TOP};
use crate::store::{SeriesStore, Shared};

#[async_trait]
impl Backend for SeriesStore {
    async fn series(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesEntry>, QueryError> {
        let entry = |found: Found| SeriesEntry {
            series: found.identity,
            first_at: found.first_at,
            last_at: found.last_at,
        };
        self.ask(selector, range, budget, move |_, _, found, _| {
            Ok(found.into_iter().map(entry).collect())
        })
        .await
    }

    async fn samples(
        &self,
        selector: &Selector,
        range: Range,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        self.ask(selector, range, budget, move |shared, reader, found, budget| {
            samples(shared, reader, found, range, newest, budget)
        })
        .await
    }

    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        let range = Range {
            from: steps.start,
            until: steps.end(),
        };
        // Of samples that are thinned out, the beginning of the interval counts, which may be in the range when they are not.
        let meant = Range {
            from: range.from.saturating_sub(HOUR),
            until: range.until.saturating_add(HOUR),
        };
        self.ask(selector, meant, budget, move |shared, reader, found, budget| {
            buckets(shared, reader, found, steps, budget)
        })
        .await
    }

    async fn status(&self) -> BackendStatus {
        let shared = Arc::clone(&self.shared);
        let told = tokio::task::spawn_blocking(move || {
            let budget = Budget::new(Limits::default());
            let counts = shared.read(&budget, |reader| Ok(counts(reader)?));
            let mut problems = shared.problems();
            let (series, samples, bytes) = match counts {
                Ok((series, samples, bytes)) => (Some(series), Some(samples), Some(bytes)),
                Err(error) => {
                    problems.push(unavailable(&shared, error).to_string());
                    (None, None, None)
                }
            };
            BackendStatus {
                series,
                samples,
                bytes,
                max_entries_per_gpu: shared.config.max_entries_per_gpu.map(|most| most as u64),
                problems,
            }
        });
        told.await.unwrap_or_default()
    }

    fn generation(&self) -> Option<u64> {
        Some(self.shared.generation.load(Ordering::Acquire))
    }
}

impl SeriesStore {
    /// Finds the series that are meant, and lets `work` answer, in a thread that may wait.
    async fn ask<T: Send + 'static>(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
        work: impl FnOnce(&Shared, &mut Reader, Vec<Found>, &Budget) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let (shared, selector, budget) = (Arc::clone(&self.shared), selector.clone(), budget.clone());
        let answered = tokio::task::spawn_blocking(move || {
            let answer = shared.read(&budget, |reader| {
                let found = shared.find(reader, &selector, range, &budget)?;
                work(&shared, reader, found, &budget)
            });
            answer.map_err(|error| unavailable(&shared, error))
        });
        answered.await.unwrap_or_else(|error| {
            Err(QueryError::Unavailable {
                who: "the store".to_owned(),
                why: error.to_string(),
            })
        })
    }
}

impl Shared {
    fn find(
        &self,
        reader: &mut Reader,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<Found>, ReadError> {
        let horizon = self.horizon.load(Ordering::Relaxed);
        let metrics = reader.metrics()?;
        find::series(
            &reader.connection,
            &metrics,
            &self.live,
            horizon,
            selector,
            range,
            budget,
        )
    }
}

fn unavailable(shared: &Shared, error: ReadError) -> QueryError {
    match error {
        ReadError::Query(error) => error,
        ReadError::Sqlite(error) => QueryError::Unavailable {
            who: format!("the store `{}`", shared.config.path.display()),
            why: error.to_string(),
        },
    }
}

/// How many series, samples and bytes there are. Of samples that are thinned out, nobody knows how many there were.
fn counts(reader: &mut Reader) -> rusqlite::Result<(u64, u64, u64)> {
    let series = reader.count_series()?;
    let db = &reader.connection;
    let samples = "SELECT coalesce(sum(rows), 0) FROM runs WHERE state = 1 AND resolution = 0";
    let samples: i64 = db.prepare_cached(samples)?.query_row([], |row| row.get(0))?;
    let pragma = |name| {
        db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
    };
    Ok((
        series,
        samples.cast_unsigned(),
        pragma("page_count")? * pragma("page_size")?,
    ))
}

fn samples(
    shared: &Shared,
    reader: &mut Reader,
    found: Vec<Found>,
    range: Range,
    newest: Option<usize>,
    budget: &Budget,
) -> Result<Vec<SeriesSamples>, ReadError> {
    let dropped = Dropped::read(&reader.connection)?;
    let range = Range {
        from: range.from.max(dropped.before(Resolution::Raw)),
        ..range
    };
    let mut answers: Vec<Option<Rows>> = vec![None; found.len()];
    if newest == Some(1) {
        let live = shared.live.read();
        for (series, answer) in found.iter().zip(&mut answers) {
            if let Some(known) = live.find(series.number)
                && known.is_known
                && (range.from..range.until).contains(&known.last)
            {
                *answer = Some(Rows {
                    times: vec![known.last],
                    columns: vec![vec![known.bits]],
                });
            }
        }
        budget.spend(answers.iter().flatten().count() as u64)?;
    }
    let oldest = found
        .iter()
        .map(|series| kept_from(shared, reader, &series.identity));
    let oldest: Vec<i64> = oldest.collect::<Result<_, _>>()?;
    let mut missing: Vec<usize> = (0..found.len())
        .filter(|place| answers[*place].is_none())
        .collect();
    let (first, last) = match missing.is_empty() {
        true => (0, -1),
        false => span(&reader.connection)?,
    };
    let from = range.from.max(first);
    let mut until = range.until.min(last.saturating_add(1));
    let mut length = match newest {
        Some(_) => HOUR,
        None => i64::MAX,
    };
    while until > from && !missing.is_empty() {
        let begin = from.max(until.saturating_sub(length));
        length = length.saturating_mul(4);
        let numbers: Vec<u64> = missing.iter().map(|place| found[*place].number).collect();
        let piece = Range { from: begin, until };
        let rows = reader.rows(Resolution::Raw, piece, &numbers, Some(budget), &shared.damaged)?;
        for (place, mut rows) in missing.iter().zip(rows) {
            if let Some(later) = answers[*place].take() {
                rows.append(&later);
            }
            answers[*place] = Some(rows);
        }
        let has_enough = |rows: &Rows| newest.is_some_and(|newest| rows.len() >= newest);
        missing.retain(|place| !answers[*place].as_ref().is_some_and(has_enough));
        until = begin;
    }
    let answers = found
        .into_iter()
        .zip(answers)
        .zip(oldest)
        .filter_map(|((series, rows), oldest)| {
            let mut rows = rows?;
            rows.cut(oldest, i64::MAX);
            let start = newest.map_or(0, |newest| rows.len().saturating_sub(newest));
            let value_type = series.identity.metric.value_type;
            let values = rows.columns.first()?;
            let value = |bits: &u64| match value_type {
                ValueType::U64 => Value::U64(*bits),
                ValueType::I64 => Value::I64(bits.cast_signed()),
                ValueType::F64 => Value::F64(f64::from_bits(*bits)),
            };
            (start < rows.len()).then(|| SeriesSamples {
                times: rows.times[start..]
                    .iter()
                    .map(|at| Timestamp::from_nanos(*at))
                    .collect(),
                values: values[start..].iter().map(value).collect(),
                series: series.identity,
            })
        });
    Ok(answers.collect())
}

/// From when on samples of a series are kept, if only so many are kept of what it is about.
pub(crate) fn kept_from(shared: &Shared, reader: &mut Reader, series: &Identity) -> Result<i64, ReadError> {
    let gpu = Gpu::of(&series.resource, &series.attributes);
    let (Some(entries), Some(gpu)) = (&shared.entries, gpu) else {
        return Ok(i64::MIN);
    };
    let most = {
        let mut entries = entries.lock();
        let place = entries.place(gpu.clone());
        if let Some(oldest) = entries.oldest(place) {
            return Ok(oldest);
        }
        entries.most()
    };
    let mut all = Selector::default()
        .with("resource_kind", series.resource.kind())
        .with("resource_id", &gpu.bus_id);
    if !gpu.node.is_empty() {
        all = all.with(NODE, &gpu.node);
    }
    let all = shared.find(reader, &all, Range::ALL, &Budget::new(Limits::default()))?;
    let is_same =
        |found: &&Found| Gpu::of(&found.identity.resource, &found.identity.attributes).as_ref() == Some(&gpu);
    let numbers: Vec<u64> = all.iter().filter(is_same).map(|found| found.number).collect();
    let (first, last) = span(&reader.connection)?;
    let (mut instants, mut until, mut length) = (BTreeSet::new(), last.saturating_add(1), HOUR);
    while until > first && instants.len() < most {
        let from = first.max(until.saturating_sub(length));
        let rows = reader.rows(
            Resolution::Raw,
            Range { from, until },
            &numbers,
            None,
            &shared.damaged,
        )?;
        instants.extend(rows.into_iter().flat_map(|rows| rows.times));
        (until, length) = (from, length.saturating_mul(4));
    }
    let mut entries = entries.lock();
    // It may have another place by now.
    let place = entries.place(gpu);
    entries.complete(place, instants.into_iter().rev().take(most));
    Ok(entries.oldest(place).unwrap_or(i64::MIN))
}

/// The first and the last instant of which there is anything.
fn span(db: &Connection) -> rusqlite::Result<(i64, i64)> {
    let sql = "SELECT coalesce(min(first_at), 0), coalesce(max(last_at), -1) FROM runs WHERE state = 1";
    db.prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn buckets(
    shared: &Shared,
    reader: &mut Reader,
    found: Vec<Found>,
    steps: Steps,
    budget: &Budget,
) -> Result<Vec<SeriesBuckets>, ReadError> {
    let mut answers: Vec<Buckets> = found.iter().map(|_| Buckets::new(steps)).collect();
    let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let dropped = Dropped::read(&reader.connection)?.before(Resolution::Raw);
    for (place, series) in found.iter().enumerate() {
        let whole = whole_from(shared, reader, &series.identity, dropped)?;
        groups.entry(whole).or_default().push(place);
    }
    for (whole, places) in groups {
        let numbers: Vec<u64> = places.iter().map(|place| found[*place].number).collect();
        for (resolution, range) in pieces(&reader.connection, steps, whole)? {
            let rows = reader.rows(resolution, range, &numbers, Some(budget), &shared.damaged)?;
            for (place, rows) in places.iter().zip(rows) {
                let (series, answer) = (&found[*place], &mut answers[*place]);
                let Some(values) = rows.columns.first() else {
                    continue;
                };
                match resolution {
                    Resolution::Raw => {
                        let value_type = series.identity.metric.value_type;
                        for (at, bits) in rows.times.iter().zip(values) {
                            answer.add(Timestamp::from_nanos(*at), number(value_type, *bits));
                        }
                    }
                    Resolution::Minute | Resolution::Hour => {
                        (0..rows.len()).for_each(|row| answer.append(&rows.bucket(row)));
                    }
                }
            }
        }
    }
    let answers = found.into_iter().zip(answers).filter_map(|(series, buckets)| {
        let buckets = buckets.finish();
        (!buckets.is_empty()).then_some(SeriesBuckets {
            series: series.identity,
            buckets,
        })
    });
    Ok(answers.collect())
}

/// From when on all samples of a series are there: since `dropped`, before which those of all series were dropped, or later, if
/// before that there are only the newest of them, and what they came to.
fn whole_from(
    shared: &Shared,
    reader: &mut Reader,
    series: &Identity,
    dropped: i64,
) -> Result<i64, ReadError> {
    let oldest = kept_from(shared, reader, series)?;
    if oldest <= dropped {
        return Ok(dropped);
    }
    let sql = "SELECT coalesce(min(window), ?1) FROM
        (SELECT window FROM runs WHERE state = 1 AND resolution = 0 GROUP BY window HAVING max(level) < ?2)";
    // Of windows that are not over, none are left out.
    let all = Resolution::Raw.window_of(oldest).saturating_add(HOUR);
    let open = reader
        .connection
        .prepare_cached(sql)?
        .query_row([all, TOP], |row| row.get::<_, i64>(0))?;
    Ok(dropped.max(all.min(open)))
}

/// The coarsest resolution of which intervals are parts of these, and between when and when they are not.
fn coarsest(steps: Steps) -> (Resolution, Vec<(i64, i64)>) {
    /// More places than this are not read one by one.
    const MOST: u64 = 100;
    let fits =
        |resolution: &Resolution| steps.step % resolution.step() == 0 && steps.start % resolution.step() == 0;
    let has_several = |resolution: &Resolution| steps.count < MOST && steps.step / 4 >= resolution.step();
    let fitting = Resolution::ALL.into_iter().rfind(fits).unwrap_or(Resolution::Raw);
    let cut = Resolution::ALL
        .into_iter()
        .rfind(has_several)
        .unwrap_or(Resolution::Raw);
    if cut <= fitting {
        return (fitting, Vec::new());
    }
    let length = cut.step();
    let begins =
        (0..=steps.count).map(|step| i128::from(steps.start) + i128::from(steps.step) * i128::from(step));
    let begins = begins.filter_map(|begin| i64::try_from(begin).ok());
    let within = begins.filter(|begin| begin % length != 0).map(|begin| {
        let start = begin.div_euclid(length).saturating_mul(length);
        (start, start.saturating_add(length))
    });
    (cut, within.collect())
}

/// Where the answer is read, in order of time: from what samples came to where that is enough, or all that is left; otherwise from
/// the samples, of which all since `thinned` are there.
fn pieces(db: &Connection, steps: Steps, thinned: i64) -> Result<Vec<(Resolution, Range)>, ReadError> {
    let (coarsest, mut raw) = coarsest(steps);
    let dropped = Dropped::read(db)?;
    let (first, last) = span(db)?;
    let from = steps.start.max(Resolution::Hour.window_of(first));
    let until = steps.end().min(last.saturating_add(HOUR));
    let mut pieces: Vec<(Resolution, Range)> = Vec::new();
    let mut at = from;
    let mut up_to = |resolution: Resolution, end: i64| {
        let end = end.min(until);
        if at < end {
            match pieces.last_mut() {
                Some((last, range)) if *last == resolution => range.until = end,
                _ => pieces.push((resolution, Range { from: at, until: end })),
            }
            at = end;
        }
    };
    up_to(Resolution::Hour, dropped.before(Resolution::Minute));
    for (begin, end) in raw.iter().filter(|(begin, _)| *begin < thinned) {
        up_to(coarsest.max(Resolution::Minute), *begin);
        up_to(Resolution::Minute, thinned.min(*end));
    }
    up_to(coarsest.max(Resolution::Minute), thinned);
    if coarsest > Resolution::Raw {
        // The hours whose samples are not all in what they came to.
        let sql = "SELECT window FROM runs WHERE state = 1 AND resolution = 0 AND window < ? AND window > ?
            GROUP BY window HAVING count(*) > 1 OR max(level) < ? ORDER BY window";
        let mut statement = db.prepare_cached(sql)?;
        let windows = statement.query_map(params![until, from.saturating_sub(HOUR), TOP], |row| {
            row.get::<_, i64>(0)
        })?;
        for window in windows {
            let window = window?;
            raw.push((window, window.saturating_add(HOUR)));
        }
        raw.sort_unstable();
        for (begin, end) in raw {
            up_to(coarsest, begin);
            up_to(Resolution::Raw, end);
        }
    }
    up_to(coarsest, until);
    Ok(pieces)
}
