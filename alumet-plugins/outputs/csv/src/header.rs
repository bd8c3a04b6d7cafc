//! The first line of a file: which columns it has.

use std::collections::BTreeSet;

use alumet_core::output::Delivery;
use alumet_core::{Catalog, SeriesMap};

use crate::field::{Form, text_of};
use crate::format::{Dialect, Format};

/// How many attributes that nobody has declared get a column: other programs choose their names.
const MOST_UNDECLARED: usize = 256;

/// The attributes that have a column of their own, in the order of the columns.
///
/// All other columns are the same in every file of a dialect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    dialect: Dialect,
    attributes: Vec<String>,
}

impl Header {
    /// No attribute has a column.
    pub(crate) const fn empty(dialect: Dialect) -> Self {
        Self {
            dialect,
            attributes: Vec::new(),
        }
    }

    /// The columns of the file that is begun with this delivery, when the file before had these.
    ///
    /// First, sorted, come the attributes that metrics declare, so that they do not depend on what comes first. After them
    /// come the others that the file before had, then those that are new in the delivery or in any series there is, sorted.
    /// An attribute with the name of a fixed column gets none: two columns of one name would be a trap for readers.
    #[must_use]
    pub fn next(&self, delivery: &Delivery) -> Self {
        let declared = declared(delivery.catalog(), self.dialect);
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut seen = SeriesMap::new();
        for series in delivery.samples().map(|sample| sample.series) {
            if seen.insert(series, ()).is_none()
                && let Some(info) = delivery.catalog().describe(series)
            {
                found.extend(
                    info.attributes_with_quality()
                        .iter()
                        .map(|(key, _)| key.to_string()),
                );
            }
        }
        found.extend(
            delivery
                .catalog()
                .attributes_in_use()
                .into_iter()
                .map(String::from),
        );
        let new = found
            .into_iter()
            .filter(|key| !self.has(key) && !self.dialect.is_fixed(key));
        let undeclared = self.attributes.iter().cloned().chain(new);
        let undeclared: Vec<_> = undeclared
            .filter(|key| !declared.contains(key))
            .take(MOST_UNDECLARED)
            .collect();
        Self {
            dialect: self.dialect,
            attributes: declared.into_iter().chain(undeclared).collect(),
        }
    }

    /// Whether an attribute that a metric declares has no column.
    pub(crate) fn lacks_declared(&self, catalog: &Catalog) -> bool {
        declared(catalog, self.dialect).iter().any(|key| !self.has(key))
    }

    /// The attributes that have a column.
    pub fn attributes(&self) -> &[String] {
        &self.attributes
    }

    /// All columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        let attributes = self.attributes.iter().map(String::as_str);
        let leading = self.dialect.leading().iter().copied();
        leading.chain(attributes).chain([self.dialect.last()])
    }

    /// Whether the attribute `key` has a column.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute == key)
    }

    /// Appends the header line.
    pub(crate) fn write(&self, form: Form, out: &mut Vec<u8>) {
        for (index, column) in self.columns().enumerate() {
            if index > 0 {
                out.push(form.delimiter);
            }
            form.push(out, column);
        }
        out.push(b'\n');
    }

    /// The header in a whole line; none if another program, or another format, made it.
    pub(crate) fn parse(line: &[u8], format: Format) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut is_quoted = false;
        let fields = line.split(|&byte| {
            is_quoted ^= byte == b'"';
            byte == format.delimiter && !is_quoted
        });
        let dialect = format.dialect;
        let columns: Vec<String> = fields.map(text_of).collect::<Option<_>>()?;
        let (last, columns) = columns.split_last()?;
        let (leading, attributes) = columns.split_at_checked(dialect.leading().len())?;
        let mut seen = BTreeSet::new();
        let distinct = attributes
            .iter()
            .all(|key| !dialect.is_fixed(key) && seen.insert(key));
        (last == dialect.last() && leading == dialect.leading() && distinct).then(|| Self {
            dialect,
            attributes: attributes.to_vec(),
        })
    }
}

/// The attributes that metrics declare.
fn declared(catalog: &Catalog, dialect: Dialect) -> BTreeSet<String> {
    let keys = catalog.declared_attributes().into_iter().map(String::from);
    keys.filter(|key| !dialect.is_fixed(key)).collect()
}
