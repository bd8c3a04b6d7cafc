//! From a file of the csv output, with a line for each sample, to a table with a column for each metric.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, Write};

use csv::{ReaderBuilder, StringRecord, Writer};

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WideError {
    /// The first line is another one.
    #[error(
        "this is no file of the csv output: its first line does not begin with `metric`, `timestamp` and `value`"
    )]
    Foreign,
    /// It cannot be read, or a line has too few or too many fields.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// The table cannot be written, or the file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The columns that say of whom and what a row is.
const PLACE: [&str; 4] = ["resource_kind", "resource_id", "consumer_kind", "consumer_id"];

/// The last column of each dialect: the attributes that have no column of their own.
const PLAIN_REST: &str = "attributes";
const ORIGINAL_REST: &str = "__late_attributes";

/// Everything of a line but its timestamp and its value.
#[derive(Debug)]
struct Series {
    metric: String,
    unit: String,
    place: [String; 4],
    attributes: BTreeMap<String, String>,
}

/// A file that was read.
#[derive(Debug, Default)]
struct Samples {
    series: Vec<Series>,
    /// The values of each instant, in order, and of which series they are.
    instants: BTreeMap<String, Vec<(usize, String)>>,
}

/// Writes what the csv output has written, in either dialect, as a table with commas: a row for each instant, resource and
/// consumer, a column for each metric.
///
/// Attributes by which the series of a metric differ at one instant are part of the name of the column, such as
/// `kernel_cpu_time_user_ns`; others, such as the id of a run, have a column of their own. Cells for which there is no sample are
/// empty. All of it is in memory.
///
/// # Errors
/// When it is no such file, or cannot be read or written.
pub(crate) fn widen(input: impl BufRead, output: impl Write) -> Result<(), WideError> {
    Samples::read(input)?.write(output)
}

impl Samples {
    fn read(mut input: impl BufRead) -> Result<Self, WideError> {
        let is_plain = input.fill_buf()?.starts_with(b"metric,");
        let delimiter = if is_plain { b',' } else { b';' };
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(input);
        let header = reader.headers()?.clone();
        if header.iter().take(3).ne(["metric", "timestamp", "value"]) {
            return Err(WideError::Foreign);
        }
        let mut samples = Self::default();
        let mut known = HashMap::new();
        let mut record = StringRecord::new();
        while reader.read_record(&mut record)? {
            let fields = || header.iter().zip(&record);
            let identity: Vec<String> = fields()
                .filter(|(column, _)| !["timestamp", "value"].contains(column))
                .map(|(_, field)| field.to_owned())
                .collect();
            let series = *known.entry(identity).or_insert_with(|| {
                samples.series.push(Series::of(fields()));
                samples.series.len() - 1
            });
            let instant = samples.instants.entry(record[1].to_owned()).or_default();
            instant.push((series, record[2].to_owned()));
        }
        Ok(samples)
    }

    /// The attributes by which series of one metric, resource and consumer differ at an instant.
    fn distinguishing(&self) -> BTreeSet<&str> {
        let mut keys = BTreeSet::new();
        for instant in self.instants.values() {
            let mut seen: HashMap<_, &Series> = HashMap::new();
            for (series, _) in instant {
                let series = &self.series[*series];
                let first = *seen.entry((&series.metric, &series.place)).or_insert(series);
                let all = first.attributes.keys().chain(series.attributes.keys());
                let differ = all.filter(|key| first.attributes.get(*key) != series.attributes.get(*key));
                keys.extend(differ.map(String::as_str));
            }
        }
        keys
    }

    fn write(&self, output: impl Write) -> Result<(), WideError> {
        let distinguishing = self.distinguishing();
        let names: Vec<_> = self
            .series
            .iter()
            .map(|series| series.column(&distinguishing))
            .collect();
        let columns: BTreeSet<_> = names.iter().collect();
        let others = self.series.iter().flat_map(|series| series.attributes.keys());
        let others: BTreeSet<_> = others
            .filter(|key| !distinguishing.contains(key.as_str()))
            .collect();
        let mut table = Writer::from_writer(output);
        let texts = |keys: &BTreeSet<&String>| keys.iter().map(|key| (*key).clone()).collect::<Vec<_>>();
        table.write_record(
            ["timestamp"]
                .into_iter()
                .chain(PLACE)
                .map(str::to_owned)
                .chain(texts(&others))
                .chain(texts(&columns)),
        )?;
        for (timestamp, samples) in &self.instants {
            let mut rows: BTreeMap<Vec<&str>, HashMap<&String, &String>> = BTreeMap::new();
            for (at, value) in samples {
                let series = &self.series[*at];
                let attribute = |key: &&String| series.attributes.get(*key).map_or("", String::as_str);
                let place = series.place.iter().map(String::as_str);
                let row = rows.entry(place.chain(others.iter().map(attribute)).collect());
                row.or_default().insert(&names[*at], value);
            }
            for (row, values) in rows {
                let value = |column: &&String| values.get(*column).map_or("", |value| value.as_str());
                let cells = columns.iter().map(value);
                table.write_record([timestamp.as_str()].into_iter().chain(row).chain(cells))?;
            }
        }
        table.flush()?;
        Ok(())
    }
}

impl Series {
    /// What the fields of a line say, each with its column.
    fn of<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut series = Self {
            metric: String::new(),
            unit: String::new(),
            place: Default::default(),
            attributes: BTreeMap::new(),
        };
        for (column, field) in fields {
            let field = field.to_owned();
            match column {
                "metric" => series.metric = field,
                "unit" => series.unit = field,
                "timestamp" | "value" => {}
                PLAIN_REST => series.attributes.extend(object(&field)),
                ORIGINAL_REST => series.attributes.extend(pairs(&field)),
                _ => match PLACE.iter().position(|place| *place == column) {
                    Some(place) => series.place[place] = field,
                    None if field.is_empty() => {}
                    None => drop(series.attributes.insert(column.to_owned(), field)),
                },
            }
        }
        series
    }

    /// The name of its column.
    fn column(&self, distinguishing: &BTreeSet<&str>) -> String {
        let values = distinguishing.iter().filter_map(|key| self.attributes.get(*key));
        let unit = Some(&self.unit).filter(|unit| !unit.is_empty());
        let parts = [&self.metric].into_iter().chain(values).chain(unit);
        parts.map(String::as_str).collect::<Vec<_>>().join("_")
    }
}

/// The members of a JSON object.
fn object(field: &str) -> BTreeMap<String, String> {
    let object: serde_json::Map<_, _> = serde_json::from_str(field).unwrap_or_default();
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    object
        .into_iter()
        .map(|(key, value)| (key, text(value)))
        .collect()
}

/// `key=value` between commas, with a backslash before what is part of a key or a value.
fn pairs(field: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let (mut key, mut text) = (None, String::new());
    let mut chars = field.chars().chain([',']);
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            '=' if key.is_none() => key = Some(std::mem::take(&mut text)),
            ',' => {
                let value = std::mem::take(&mut text);
                pairs.extend(key.take().map(|key| (key, value)));
            }
            c => text.push(c),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> String {
        let mut table = Vec::new();
        widen(text.as_bytes(), &mut table).unwrap();
        String::from_utf8(table).unwrap()
    }

    #[test]
    fn each_metric_has_a_column_and_each_instant_and_consumer_a_row() {
        let text = "metric,timestamp,value,unit,resource_kind,resource_id,consumer_kind,consumer_id,kind,run_id,attributes\n\
                    cpu,2026-01-01T00:00:02Z,3,ns,local_machine,,process,7,user,r1,\n\
                    cpu,2026-01-01T00:00:01Z,1,ns,local_machine,,process,7,user,r1,\n\
                    cpu,2026-01-01T00:00:01Z,2,ns,local_machine,,process,7,system,r1,\n\
                    load,2026-01-01T00:00:01Z,0.5,,local_machine,,local_machine,,,r1,\n\
                    mem,2026-01-01T00:00:01Z,4,B,local_machine,,process,7,,r1,\"{\"\"n\"\":3}\"\n";
        let expected = "timestamp,resource_kind,resource_id,consumer_kind,consumer_id,n,run_id,cpu_system_ns,cpu_user_ns,load,mem_B\n\
                        2026-01-01T00:00:01Z,local_machine,,local_machine,,,r1,,,0.5,\n\
                        2026-01-01T00:00:01Z,local_machine,,process,7,,r1,2,1,,\n\
                        2026-01-01T00:00:01Z,local_machine,,process,7,3,r1,,,,4\n\
                        2026-01-01T00:00:02Z,local_machine,,process,7,,r1,,3,,\n";
        assert_eq!(wide(text), expected);
    }

    #[test]
    fn the_original_dialect_is_read_with_its_late_attributes() {
        let text = "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;__late_attributes\n\
                    e_J;t;1;cpu_package;0;local_machine;;domain=package,x=a\\,b\\=c\n\
                    e_J;t;2;cpu_package;0;local_machine;;domain=dram,x=a\\,b\\=c\n";
        let expected = "timestamp,resource_kind,resource_id,consumer_kind,consumer_id,x,e_J_dram,e_J_package\n\
                        t,cpu_package,0,local_machine,,\"a,b=c\",2,1\n";
        assert_eq!(wide(text), expected);
    }

    #[test]
    fn other_files_and_torn_lines_are_refused() {
        let refused = |text: &str| widen(text.as_bytes(), Vec::new()).unwrap_err().to_string();
        assert!(refused("a,b,c\n1,2,3\n").contains("no file of the csv output"));
        let torn = "metric,timestamp,value,unit\ncpu,t,1,ns\ncpu,t\n";
        assert!(refused(torn).contains("line: 3"), "{}", refused(torn));
    }
}
