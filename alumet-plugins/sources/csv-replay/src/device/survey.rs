//! What the first rows of a file say about its columns.

use std::io;

use super::columns::{Columns, Form};
use super::fields::{Fields, number};
use super::lines::{Lines, Next};
use super::{FileError, Wanted, read};

/// So many lines tell which columns are numbers: one that is damaged does not make a text of a column.
const LINES: usize = 100;

/// What the columns of a file mean, and its first line. In the wide form, a column is a metric if most of what is in its first
/// rows are numbers.
///
/// # Errors
/// When it cannot be read, or is no such file.
pub(super) fn survey(wanted: &Wanted) -> Result<(Columns, Vec<u8>), FileError> {
    let refuse = |reason: String| FileError::Content {
        path: wanted.path.clone(),
        reason,
    };
    let mut lines = read(&wanted.path, || Lines::open(&wanted.path))?;
    match read(&wanted.path, || whole(&mut lines))? {
        Next::Line => {}
        Next::TooLong => return Err(refuse("its first line is longer than a mebibyte".to_owned())),
        Next::Unfinished | Next::End => {
            let reason = "it is empty; write a line with the names of its columns, and rows".to_owned();
            return Err(refuse(reason));
        }
    }
    let header = lines.line().to_vec();
    let mut fields = Fields::new();
    fields
        .split(&header)
        .map_err(|reason| refuse(format!("of its first line, which names its columns, {reason}")))?;
    let mut columns = Columns::of(&fields, &wanted.names).map_err(refuse)?;
    if wanted.with_time && columns.time.is_none() {
        let reason = "no column has the time of its rows; name it with the key `time_column`, or write \
                      `timestamp = \"now\"`";
        return Err(refuse(reason.to_owned()));
    }
    // For each column, how many values there are, and how many of these are numbers.
    let mut tallies = vec![(0, 0); columns.len()];
    let mut has_rows = false;
    for _ in 0..LINES {
        match read(&wanted.path, || whole(&mut lines))? {
            Next::Unfinished | Next::End => break,
            Next::TooLong => continue,
            Next::Line => has_rows |= !lines.line().trim_ascii().is_empty(),
        }
        if fields.split(lines.line()).is_err() || fields.len() != columns.len() {
            continue;
        }
        for (column, (values, numbers)) in tallies.iter_mut().enumerate() {
            let text = fields.get(column);
            *values += usize::from(!text.is_empty());
            *numbers += usize::from(number(text).is_some());
        }
    }
    if !has_rows {
        return Err(refuse("there are no rows below its first line".to_owned()));
    }
    if let Form::Wide(metrics) = &mut columns.form {
        let is_text = |column: &mut usize| tallies[*column].1 * 2 <= tallies[*column].0;
        let texts: Vec<_> = metrics.extract_if(.., is_text).collect();
        if metrics.is_empty() {
            return Err(refuse(
                "no column of its first rows has numbers besides those that name the GPU".to_owned(),
            ));
        }
        if !texts.is_empty() {
            let columns: Vec<_> = texts.into_iter().map(|column| columns.name(column)).collect();
            tracing::info!(path = %wanted.path.display(), ?columns, "columns that have no numbers are left out");
        }
    }
    let mut names = columns.metrics().unwrap_or_default();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let reason = format!(
            "two of its columns are the metric `{}`; rename one of them",
            twice[0]
        );
        return Err(refuse(reason));
    }
    Ok((columns, header))
}

/// The next line, or the last one as it is.
pub(super) fn whole(lines: &mut Lines) -> io::Result<Next> {
    match lines.next()? {
        Next::Unfinished => lines.next(),
        other => Ok(other),
    }
}
