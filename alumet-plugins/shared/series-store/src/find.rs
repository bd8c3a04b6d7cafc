//! Finds the series that are meant.

use std::sync::Arc;

use alumet_core::metric::Metric;
use alumet_shared_query::{Budget, Identity, Label, Range, Selector};
use hashbrown::HashMap;
use parking_lot::RwLock;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use crate::identity;
use crate::live::Live;
use crate::read::ReadError;

/// A series that is meant.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) number: u64,
    pub(crate) identity: Arc<Identity>,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
}

/// The texts by which SQLite finds series.
const TEXTS: [(Label, &str); 4] = [
    (Label::ConsumerId, "consumer_id"),
    (Label::ConsumerKind, "consumer_kind"),
    (Label::ResourceId, "resource_id"),
    (Label::ResourceKind, "resource_kind"),
];

/// So often there is a look at the budget.
const ROWS: usize = 1024;

/// The series that are meant and may have samples in the range, in the order of their numbers. Those of which it is not noted when
/// they ended, and that do not come now, ended before `horizon`.
///
/// # Errors
/// When SQLite fails, or the budget does not allow so many.
pub(crate) fn series(
    db: &Connection,
    metrics: &Metrics,
    live: &RwLock<Live>,
    horizon: i64,
    selector: &Selector,
    range: Range,
    budget: &Budget,
) -> Result<Vec<Found>, ReadError> {
    let meant = metrics.iter().filter(|(_, metric)| is_meant(selector, metric));
    let meant: Vec<i64> = meant.map(|(id, _)| *id).collect();
    if meant.is_empty() {
        return Ok(Vec::new());
    }
    let columns = identity::COLUMNS;
    let mut sql = format!(
        "SELECT id, first_at, last_at, {columns} FROM series WHERE first_at < ? AND (last_at IS NULL OR last_at >= ?)"
    );
    let mut values = vec![Value::Integer(range.until), Value::Integer(range.from)];
    for (label, column) in TEXTS {
        if let Some(text) = selector.demanded(&label) {
            sql.push_str(&format!(" AND {column} = ?"));
            values.push(Value::Text(text.to_owned()));
        }
    }
    if meant.len() < metrics.len() {
        // The text of a statement that is planned already.
        let places = vec!["?"; meant.len()].join(",");
        sql.push_str(&format!(" AND metric IN ({places})"));
        values.extend(meant.into_iter().map(Value::Integer));
    }
    sql.push_str(" ORDER BY id");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut found = Vec::new();
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        seen += 1;
        if seen % ROWS == 0 {
            budget.check()?;
        }
        let Some(identity) = identity::read(row, 3, |id| metrics.get(&id).cloned())? else {
            continue;
        };
        if !selector.selects(&identity) {
            continue;
        }
        budget.admit_series(found.len() as u64 + 1)?;
        found.push(Found {
            number: row.get::<_, i64>(0)?.cast_unsigned(),
            identity: Arc::new(identity),
            first_at: row.get(1)?,
            last_at: row.get::<_, Option<i64>>(2)?.unwrap_or(horizon),
        });
    }
    let live = live.read();
    for series in &mut found {
        if let Some(known) = live.find(series.number) {
            series.first_at = series.first_at.min(known.first);
            series.last_at = known.last;
        }
    }
    found.retain(|series| series.last_at >= range.from);
    Ok(found)
}

/// What a series is.
pub(crate) fn one(db: &Connection, number: u64) -> rusqlite::Result<Option<Identity>> {
    let columns = identity::COLUMNS;
    let sql = format!(
        "SELECT name, kind, type, unit, quality, description, {columns} FROM series JOIN metrics ON metrics.id = metric
        WHERE series.id = ?"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_row([number.cast_signed()], |row| {
        let metric = identity::metric_of(row, 0)?;
        identity::read(row, 6, |_| metric.map(Arc::new))
    });
    Ok(found.optional()?.flatten())
}

/// The metrics that are in the file, by their numbers.
pub(crate) type Metrics = HashMap<i64, Arc<Metric>>;

/// All of them; without those that make no sense.
pub(crate) fn metrics(db: &Connection) -> rusqlite::Result<Metrics> {
    let sql = "SELECT id, name, kind, type, unit, quality, description FROM metrics";
    let mut statement = db.prepare_cached(sql)?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, identity::metric_of(row, 1)?)))?;
    let all = all.filter_map(|row| row.map(|(id, metric)| Some((id, Arc::new(metric?)))).transpose());
    all.collect()
}

/// Whether series of a metric can be meant.
fn is_meant(selector: &Selector, metric: &Metric) -> bool {
    let mut matchers = selector.matchers.iter();
    matchers.all(|matcher| match matcher.label() {
        Label::Metric => matcher.accepts(&metric.name),
        Label::Unit => matcher.accepts(&metric.unit.code()),
        Label::Quality => matcher.accepts(metric.quality.name()),
        _ => true,
    })
}
