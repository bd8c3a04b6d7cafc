//! One row: whose numbers it holds, and which.

use std::borrow::Cow;

use super::columns::{Columns, Form};
use super::fields::{Fields, number};

/// A row that can be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) columns: &'a Columns,
    pub(crate) contents: &'a Contents,
    /// How often the file had ended before.
    pub(crate) pass: u64,
}

/// What a row says besides text.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Nanoseconds since 1970, if that is wanted.
    pub(crate) time: Option<i64>,
    /// Columns and their numbers.
    numbers: Vec<(usize, f64)>,
}

impl Contents {
    /// Reads a row.
    ///
    /// # Errors
    /// What is wrong. What is right in a row can be sent nevertheless: in the wide form, other columns.
    pub(crate) fn read(&mut self, fields: &Fields, columns: &Columns, with_time: bool) -> Result<(), String> {
        self.numbers.clear();
        self.time = None;
        if fields.len() != columns.len() {
            let (found, expected) = (fields.len(), columns.len());
            return Err(format!("it has {found} fields, and the header {expected}"));
        }
        if id(fields, columns).is_empty() {
            return Err("it does not name a GPU".to_owned());
        }
        if with_time {
            let text = columns.time.map_or("", |column| fields.get(column));
            let time: Option<jiff::Timestamp> = text.parse().ok();
            self.time = time.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
            if self.time.is_none() {
                return Err(format!("`{}` is no time in RFC 3339", shortened(text)));
            }
        }
        let mut wrong = None;
        let mut take = |column: usize| {
            let text = fields.get(column);
            match number(text) {
                Some(number) => self.numbers.push((column, number)),
                None => {
                    let (text, name) = (shortened(text), columns.name(column));
                    wrong.get_or_insert_with(|| format!("`{text}` in the column `{name}` is no number"));
                }
            }
        };
        match &columns.form {
            Form::Long { metric, .. } if fields.get(*metric).is_empty() => {
                return Err("it does not name a metric".to_owned());
            }
            Form::Long { value, .. } => take(*value),
            // What is empty was not measured.
            Form::Wide(metrics) => metrics
                .iter()
                .filter(|column| !fields.get(**column).is_empty())
                .for_each(|column| take(*column)),
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Whether there is nothing to send.
    pub(crate) const fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

impl<'a> Row<'a> {
    /// The attribute with the host, as a relay server has it.
    pub(crate) const HOST: &'static str = "node";
    /// The attribute with the number of the GPU in its machine.
    pub(crate) const INDEX: &'static str = "index";

    /// The numbers, each with the name of its metric.
    pub(crate) fn numbers(self) -> impl Iterator<Item = (&'a str, f64)> {
        let numbers = self.contents.numbers.iter();
        numbers.map(move |&(column, number)| match &self.columns.form {
            Form::Long { metric, .. } => (self.fields.get(*metric), number),
            Form::Wide(_) => (self.columns.name(column), number),
        })
    }

    /// The name of the GPU. A bare number becomes `gpu-007`.
    pub(crate) fn gpu(self) -> Cow<'a, str> {
        let id = id(self.fields, self.columns);
        match index(id) {
            Some(index) => format!("gpu-{index:03}").into(),
            None => id.into(),
        }
    }

    /// The number of the GPU in its machine, if it has a name besides.
    pub(crate) fn index(self) -> Option<u64> {
        let text = self.fields.get(self.columns.index?);
        index(text).filter(|_| text != id(self.fields, self.columns))
    }

    /// What else is known of the GPU and of who uses it, as far as the row says so.
    pub(crate) fn labels(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let host = self.columns.host.map(|column| (Self::HOST, column));
        let columns = host.into_iter().chain(self.columns.labels.iter().copied());
        let labels = columns.map(move |(label, column)| (label, self.fields.get(column)));
        labels.filter(|(_, text)| !text.is_empty())
    }

    /// Appends all that tells whose numbers these are, so that it is the same for the same only.
    pub(crate) fn identify(self, key: &mut Vec<u8>) {
        let columns = self.columns;
        let labels = columns.labels.iter().map(|(_, column)| column);
        let ids = columns.ids.iter().chain(&columns.index);
        for column in ids.chain(&columns.host).chain(labels) {
            key.extend_from_slice(self.fields.get(*column).as_bytes());
            // No text in UTF-8 has it.
            key.push(0xff);
        }
    }
}

/// What names the GPU: the first column that does.
fn id<'a>(fields: &'a Fields, columns: &Columns) -> &'a str {
    let ids = columns.ids.iter().map(|column| fields.get(*column));
    ids.into_iter().find(|id| !id.is_empty()).unwrap_or_default()
}

/// A bare number of a GPU.
fn index(text: &str) -> Option<u64> {
    let is_bare = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_bare)
}

/// As much of a text as a line of a log should have.
fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}
