//! Reads the files that the csv output writes, and complains about everything that is not whole.

use std::collections::BTreeMap;
use std::path::Path;

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) metric: String,
    pub(crate) timestamp: String,
    pub(crate) value: f64,
    pub(crate) consumer: (String, String),
    pub(crate) text: String,
}

/// All lines of a file that must end in a whole line and have one header.
#[track_caller]
pub(crate) fn lines_of(path: &Path) -> Vec<Line> {
    parse(&std::fs::read_to_string(path).unwrap())
}

/// All lines of a text that must end in a whole line and have one header.
#[track_caller]
pub(crate) fn parse(text: &str) -> Vec<Line> {
    assert!(
        text.ends_with('\n'),
        "the last line is torn: {:?}",
        text.lines().last()
    );
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let delimiter = if header.contains(';') { ';' } else { ',' };
    let header = fields(header, delimiter);
    assert_eq!(header[..3], ["metric", "timestamp", "value"]);
    let column = |name| header.iter().position(|column| *column == name).unwrap();
    let (kind, id) = (column("consumer_kind"), column("consumer_id"));
    let line = |text: &str| {
        let fields = fields(text, delimiter);
        assert_eq!(fields.len(), header.len(), "not a whole line: {text:?}");
        assert_eq!(
            fields[1].len(),
            "2026-11-20T07:24:36.123456789Z".len(),
            "not a time: {text:?}"
        );
        Line {
            metric: fields[0].to_owned(),
            timestamp: fields[1].to_owned(),
            value: fields[2]
                .parse()
                .unwrap_or_else(|_| panic!("not a number: {text:?}")),
            consumer: (fields[kind].to_owned(), fields[id].to_owned()),
            text: text.to_owned(),
        }
    };
    lines.map(line).collect()
}

/// The fields of a line as they stand there; a delimiter between quotes is none.
fn fields(line: &str, delimiter: char) -> Vec<&str> {
    let mut is_quoted = false;
    line.split(|c| {
        is_quoted ^= c == '"';
        c == delimiter && !is_quoted
    })
    .collect()
}

/// How many lines each tick has whose metric starts with `metric`.
pub(crate) fn lines_per_tick(lines: &[Line], metric: &str) -> BTreeMap<String, usize> {
    let mut ticks = BTreeMap::new();
    for line in lines.iter().filter(|line| line.metric.starts_with(metric)) {
        *ticks.entry(line.timestamp.clone()).or_default() += 1;
    }
    ticks
}

/// The lines about a process.
pub(crate) fn of_process(lines: &[Line], pid: u32) -> Vec<Line> {
    let consumer = ("process".to_owned(), pid.to_string());
    lines
        .iter()
        .filter(|line| line.consumer == consumer)
        .cloned()
        .collect()
}
