//! The file: its rows one after the other, pass after pass; knows no type of Alumet.

mod columns;
mod fields;
mod lines;
mod name;
mod row;
mod survey;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::FileError;

pub(crate) use columns::ColumnNames;
use columns::Columns;
use fields::Fields;
use lines::{Lines, Next, Version};
pub(crate) use name::metric_name;
use row::Contents;
pub(crate) use row::Row;
use survey::{survey, whole};

/// Which rows are given of which file.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) path: PathBuf,
    pub(crate) names: ColumnNames,
    /// Whether rows must have a time.
    pub(crate) with_time: bool,
    /// Only rows of these hosts are given, if there are any.
    pub(crate) hosts: Vec<String>,
    /// Whether all rows are given where no row is of these hosts.
    pub(crate) all_if_none: bool,
    /// Whether the file begins again after its end.
    pub(crate) repeat: bool,
}

/// What came of the next line.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// A row, which [`Replay::row`] gives, and what is wrong in it.
    Row(Option<String>),
    /// A row that cannot be given, because of this.
    Bad(String),
    /// Nothing to give: a row of another host, an empty line, the end of a pass.
    Nothing,
    /// The last line is being written: the next step, a while later, gives it.
    Unfinished,
    /// The file has no row to give, and has not changed since this was found out.
    Idle,
    /// The file was replayed.
    End,
}

/// A file that is being replayed.
#[derive(Debug)]
pub(crate) struct Replay {
    wanted: Wanted,
    lines: Lines,
    header: Vec<u8>,
    columns: Columns,
    fields: Fields,
    contents: Contents,
    pass: u64,
    /// Whether only rows of some hosts are given.
    is_filtered: bool,
    /// Whether there was a row of these hosts in this pass.
    has_matched: bool,
    /// Whether a row was given in this pass.
    has_given: bool,
    /// The version of the file of which there is nothing to give.
    barren: Option<Version>,
    /// Whether it could not begin again at its end.
    is_lost: bool,
}

impl Replay {
    /// Opens the file at its beginning.
    ///
    /// # Errors
    /// When it cannot be read, or is no such file.
    pub(crate) fn open(wanted: Wanted) -> Result<Self, FileError> {
        let (columns, header) = survey(&wanted)?;
        let mut replay = Self {
            lines: read(&wanted.path, || Lines::open(&wanted.path))?,
            header,
            is_filtered: !wanted.hosts.is_empty(),
            columns,
            fields: Fields::new(),
            contents: Contents::default(),
            pass: 0,
            has_matched: false,
            has_given: false,
            barren: None,
            is_lost: false,
            wanted,
        };
        if replay.is_filtered && replay.columns.host.is_none() && !replay.give_all() {
            let reason = "no column names the host, and `host_filter` asks for some; name it with the key `host_column`, \
                          or write `on_no_match = \"all\"`";
            return Err(FileError::Content {
                path: replay.wanted.path,
                reason: reason.to_owned(),
            });
        }
        read(&replay.wanted.path, || whole(&mut replay.lines))?;
        Ok(replay)
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.wanted.path
    }

    /// The number of the line at which it is.
    pub(crate) const fn line(&self) -> u64 {
        self.lines.number()
    }

    /// The names of metrics that the header has: in the wide form only.
    pub(crate) fn metrics(&self) -> Option<Vec<Cow<'_, str>>> {
        self.columns.metrics()
    }

    /// The keys of the attributes that rows may have.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &'static str> {
        let host = self.columns.host.map(|_| Row::HOST);
        let index = self.columns.index.filter(|index| self.columns.ids != [*index]);
        let labels = self.columns.labels.iter().map(|(label, _)| *label);
        host.into_iter().chain(index.map(|_| Row::INDEX)).chain(labels)
    }

    /// Opens the file again if it was replaced, or was away when it was to begin again.
    ///
    /// # Errors
    /// When it is still away, or the new one is no such file.
    pub(crate) fn follow(&mut self) -> Result<(), FileError> {
        match self.is_lost || self.lines.is_replaced() {
            true => self.begin_anew(),
            false => Ok(()),
        }
    }

    /// Goes one line further.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn step(&mut self) -> Result<Step, FileError> {
        if self.barren.is_some() {
            if self.barren == self.lines.version() {
                return Ok(Step::Idle);
            }
            self.begin_again()?;
        }
        let next = read(&self.wanted.path, || self.lines.next())?;
        Ok(match next {
            Next::Line => self.take_line(),
            Next::TooLong => Step::Bad("it is longer than a mebibyte".to_owned()),
            Next::Unfinished => Step::Unfinished,
            Next::End => self.end_pass()?,
        })
    }

    /// The row that was given last.
    pub(crate) const fn row(&self) -> Row<'_> {
        Row {
            fields: &self.fields,
            columns: &self.columns,
            contents: &self.contents,
            pass: self.pass,
        }
    }

    fn take_line(&mut self) -> Step {
        let line = self.lines.line();
        if line.trim_ascii().is_empty() {
            return Step::Nothing;
        }
        if let Err(reason) = self.fields.split(line) {
            return Step::Bad(reason.to_owned());
        }
        if self.is_filtered && self.fields.len() == self.columns.len() {
            let host = self.columns.host.map_or("", |column| self.fields.get(column));
            if !self.wanted.hosts.iter().any(|one| one.eq_ignore_ascii_case(host)) {
                return Step::Nothing;
            }
            self.has_matched = true;
        }
        let with_time = self.wanted.with_time;
        let read = self.contents.read(&self.fields, &self.columns, with_time);
        match (read, self.contents.is_empty()) {
            (Err(reason), true) => Step::Bad(reason),
            (Ok(()), true) => Step::Bad("there is no number in it".to_owned()),
            (read, false) => {
                self.has_given = true;
                Step::Row(read.err())
            }
        }
    }

    fn end_pass(&mut self) -> Result<Step, FileError> {
        if self.is_filtered && !self.has_matched && self.give_all() {
            self.begin_again()?;
            return Ok(Step::Nothing);
        }
        if !self.wanted.repeat {
            return Ok(Step::End);
        }
        if !self.has_given
            && let Some(version) = self.lines.version()
        {
            tracing::warn!(
                path = %self.wanted.path.display(), hosts = ?self.wanted.hosts,
                "the file has no row that can be sent; it is read again when it has changed"
            );
            self.barren = Some(version);
            return Ok(Step::Idle);
        }
        self.begin_again()?;
        Ok(Step::Nothing)
    }

    /// Gives all rows from now on, where none is of the hosts that are wanted; says whether that is allowed.
    fn give_all(&mut self) -> bool {
        if self.wanted.all_if_none {
            tracing::warn!(
                path = %self.wanted.path.display(), hosts = ?self.wanted.hosts,
                "the file has no row of these hosts, so all rows are sent; `on_no_match = \"none\"` sends nothing then"
            );
            self.is_filtered = false;
        }
        self.wanted.all_if_none
    }

    /// Begins the next pass.
    fn begin_again(&mut self) -> Result<(), FileError> {
        self.is_lost = true;
        let mut lines = read(&self.wanted.path, || Lines::open(&self.wanted.path))?;
        let next = read(&self.wanted.path, || whole(&mut lines))?;
        if next != Next::Line || lines.line() != self.header {
            return self.begin_anew();
        }
        self.lines = lines;
        self.pass += 1;
        (self.has_matched, self.has_given) = (false, false);
        (self.barren, self.is_lost) = (None, false);
        Ok(())
    }

    /// Begins the next pass with another file.
    fn begin_anew(&mut self) -> Result<(), FileError> {
        let pass = self.pass + 1;
        *self = Self::open(self.wanted.clone())?;
        self.pass = pass;
        tracing::info!(path = %self.wanted.path.display(), "the file was replaced; the new one begins");
        Ok(())
    }
}

/// What reading gives, with the path in its error.
fn read<T>(path: &Path, read: impl FnOnce() -> io::Result<T>) -> Result<T, FileError> {
    read().map_err(|error| FileError::Read {
        path: path.to_owned(),
        error,
    })
}
