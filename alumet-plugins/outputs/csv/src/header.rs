//! The first line of a file: which columns it has.

use std::collections::BTreeSet;

use alumet_core::SeriesMap;
use alumet_core::output::Delivery;

use crate::field::{Form, text_of};

/// The columns before the attributes.
pub(crate) const LEADING: [&str; 7] = [
    "metric",
    "timestamp",
    "value",
    "resource_kind",
    "resource_id",
    "consumer_kind",
    "consumer_id",
];

/// The last column: attributes that have no column of their own.
pub(crate) const LATE: &str = "__late_attributes";

/// The attributes that have a column of their own, in the order of the columns.
///
/// All other columns are the same in every file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    attributes: Vec<String>,
}

impl Header {
    /// A column for every attribute that a series of the delivery has, sorted.
    ///
    /// An attribute with the name of a fixed column gets none: two columns of one name would be a trap for readers.
    pub fn of(delivery: &Delivery) -> Self {
        let mut keys = BTreeSet::new();
        let mut seen = SeriesMap::new();
        for series in delivery.samples().map(|sample| sample.series) {
            if seen.insert(series, ()).is_some() {
                continue;
            }
            let Some(info) = delivery.catalog().describe(series) else {
                continue;
            };
            keys.extend(
                info.attributes_with_quality()
                    .iter()
                    .map(|(key, _)| key.to_string())
                    .filter(|key| !is_fixed(key)),
            );
        }
        Self {
            attributes: keys.into_iter().collect(),
        }
    }

    /// The attributes that have a column.
    pub fn attributes(&self) -> &[String] {
        &self.attributes
    }

    /// Whether the attribute `key` has a column.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute == key)
    }

    /// Appends the header line.
    pub(crate) fn write(&self, form: Form, out: &mut Vec<u8>) {
        let attributes = self.attributes.iter().map(String::as_str);
        for column in LEADING.into_iter().chain(attributes) {
            form.push(out, column);
            out.push(form.delimiter);
        }
        form.push(out, LATE);
        out.push(b'\n');
    }

    /// The header in a whole line; none if another program, or another delimiter, made it.
    pub(crate) fn parse(line: &[u8], delimiter: u8) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut is_quoted = false;
        let fields = line.split(|&byte| {
            is_quoted ^= byte == b'"';
            byte == delimiter && !is_quoted
        });
        let columns: Vec<String> = fields.map(text_of).collect::<Option<_>>()?;
        let (late, columns) = columns.split_last()?;
        let (leading, attributes) = columns.split_at_checked(LEADING.len())?;
        let mut seen = BTreeSet::new();
        let distinct = attributes.iter().all(|key| !is_fixed(key) && seen.insert(key));
        (late == LATE && leading == LEADING && distinct).then(|| Self {
            attributes: attributes.to_vec(),
        })
    }
}

fn is_fixed(key: &str) -> bool {
    key == LATE || LEADING.contains(&key)
}
