//! The formats of answers: JSON, CSV, and Arrow if this is built with it.

use std::collections::BTreeMap;

use alumet_core::Timestamp;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::ApiError;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
    #[cfg(feature = "arrow")]
    Arrow,
}

/// All formats: as `format` names them, and their media types.
const FORMATS: &[(&str, &str, Format)] = &[
    ("json", "application/json", Format::Json),
    ("csv", "text/csv", Format::Csv),
    #[cfg(feature = "arrow")]
    ("arrow", "application/vnd.apache.arrow.stream", Format::Arrow),
];

/// An answer as a table.
#[derive(Debug, Default)]
pub(super) struct Table(pub(super) Vec<(String, Column)>);

/// A column of a table; all of one table are equally long.
#[derive(Debug)]
pub(super) enum Column {
    Texts(Vec<String>),
    /// In nanoseconds since 1970.
    Times(Vec<i64>),
    /// What is not finite is nothing.
    Numbers(Vec<f64>),
    Counts(Vec<u64>),
}

impl Format {
    /// That of the name, or else the one that the header prefers of those that there are; JSON if it is none.
    ///
    /// # Errors
    /// When there is no format of that name.
    pub(super) fn of(name: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Some(name) = name {
            let found = FORMATS.iter().find(|(known, ..)| *known == name);
            let names: Vec<_> = FORMATS.iter().map(|(known, ..)| *known).collect();
            return found.map(|(.., format)| *format).ok_or_else(|| {
                let names = names.join(", ");
                ApiError::bad_request(format!("there is no format `{name}`, but {names}"))
            });
        }
        let accepted = headers.get(ACCEPT).and_then(|header| header.to_str().ok());
        let accepted = accepted.unwrap_or_default().split(',').filter_map(|part| {
            let mut part = part.split(';').map(str::trim);
            let wanted = part.next()?;
            let (.., format) = FORMATS.iter().find(|(_, media, _)| *media == wanted)?;
            let quality = part.find_map(|parameter| parameter.strip_prefix("q="));
            Some((*format, quality.map_or(1.0, |text| text.parse().unwrap_or(0.0))))
        });
        // The first of those that are equally good.
        let best = accepted.reduce(|best: (Self, f32), next| if next.1 > best.1 { next } else { best });
        Ok(best
            .filter(|(_, quality)| *quality > 0.0)
            .map_or(Self::Json, |(format, _)| format))
    }

    /// The answer: `body` as JSON, or `table` in another format.
    ///
    /// # Errors
    /// 500, when it cannot be written, which is a bug.
    pub(super) fn answer(
        self,
        body: &impl Serialize,
        table: impl FnOnce() -> Table,
    ) -> Result<Response, ApiError> {
        let (media, bytes) = match self {
            Self::Json => (
                "application/json",
                serde_json::to_vec(body).map_err(|error| error.to_string()),
            ),
            Self::Csv => ("text/csv; charset=utf-8", table().to_csv()),
            #[cfg(feature = "arrow")]
            Self::Arrow => (
                "application/vnd.apache.arrow.stream",
                super::arrow::encode(table()),
            ),
        };
        let bytes = bytes.map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
        Ok(([(CONTENT_TYPE, media)], bytes).into_response())
    }
}

impl Table {
    /// One more column.
    pub(super) fn with(mut self, name: impl Into<String>, column: Column) -> Self {
        self.0.push((name.into(), column));
        self
    }

    /// A column instead of the one of that name, if there is one.
    pub(super) fn in_place_of(mut self, name: &str, column: Column) -> Self {
        self.0.retain(|(known, _)| known != name);
        self.with(name, column)
    }

    /// A column for each name that one of the rows has: what each row has of it, as often as it has lines.
    pub(super) fn labels<'a, N: AsRef<str> + 'a, T: AsRef<str> + 'a>(
        rows: impl Iterator<Item = (usize, impl Iterator<Item = (N, T)>)>,
    ) -> Self {
        let mut columns = BTreeMap::<String, Vec<String>>::new();
        let mut length = 0;
        for (lines, labels) in rows {
            for (name, text) in labels {
                let column = match columns.get_mut(name.as_ref()) {
                    Some(column) => column,
                    None => columns.entry(name.as_ref().to_owned()).or_default(),
                };
                column.resize(length, String::new());
                column.extend(std::iter::repeat_n(text.as_ref().to_owned(), lines));
            }
            length += lines;
        }
        let columns = columns.into_iter().map(|(name, mut texts)| {
            texts.resize(length, String::new());
            (name, Column::Texts(texts))
        });
        Self(columns.collect())
    }

    /// With a header; times as RFC 3339.
    fn to_csv(&self) -> Result<Vec<u8>, String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let lines = self.0.first().map_or(0, |(_, column)| column.len());
        let text = |error: csv::Error| error.to_string();
        writer
            .write_record(self.0.iter().map(|(name, _)| name))
            .map_err(text)?;
        for line in 0..lines {
            for (_, column) in &self.0 {
                match column {
                    Column::Texts(texts) => writer.write_field(&texts[line]),
                    Column::Times(times) => {
                        writer.write_field(Timestamp::from_nanos(times[line]).to_rfc3339())
                    }
                    Column::Numbers(numbers) if !numbers[line].is_finite() => writer.write_field(""),
                    Column::Numbers(numbers) => writer.write_field(numbers[line].to_string()),
                    Column::Counts(counts) => writer.write_field(counts[line].to_string()),
                }
                .map_err(text)?;
            }
            writer.write_record(None::<&[u8]>).map_err(text)?;
        }
        writer.into_inner().map_err(|error| error.to_string())
    }
}

impl Column {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Times(times) => times.len(),
            Self::Numbers(numbers) => numbers.len(),
            Self::Counts(counts) => counts.len(),
        }
    }
}
