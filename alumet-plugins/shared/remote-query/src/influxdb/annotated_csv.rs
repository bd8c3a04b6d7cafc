//! Answers of version 2 (<https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/>).

use alumet_core::attributes::AttributeValue;
use csv::StringRecord;

use super::influxql::ReadError;
use super::stored::Tags;

/// Reads an answer, part by part.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Of the tables that come now, by columns.
    types: StringRecord,
    defaults: StringRecord,
    names: StringRecord,
    /// Whether the names are still to come.
    is_head: bool,
}

/// Rows of one table.
pub(super) struct Rows<'a> {
    head: &'a Reader,
    records: &'a [StringRecord],
}

/// The columns before those of the data: annotation, result and table.
const BEFORE: usize = 3;

impl Reader {
    /// Reads complete lines.
    pub(super) fn read(
        &mut self,
        lines: &[u8],
        mut take: impl FnMut(&Rows) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(lines);
        let mut records: Vec<StringRecord> = Vec::new();
        for record in reader.records() {
            let record =
                record.map_err(|error| ReadError::Said(format!("it says what it should not: {error}")))?;
            let is_annotation = record.get(0).is_some_and(|first| first.starts_with('#'));
            let is_next =
                |last: &StringRecord| (1..BEFORE).all(|column| last.get(column) == record.get(column));
            if is_annotation || self.is_head || !records.last().is_none_or(is_next) {
                self.give(&mut records, &mut take)?;
            }
            if is_annotation {
                if !std::mem::replace(&mut self.is_head, true) {
                    self.defaults.clear();
                }
                match record.get(0) {
                    Some("#datatype") => self.types = record,
                    Some("#default") => self.defaults = record,
                    _ => {}
                }
            } else if std::mem::take(&mut self.is_head) {
                self.names = record;
            } else {
                records.push(record);
            }
        }
        self.give(&mut records, &mut take)
    }

    fn give(
        &self,
        records: &mut Vec<StringRecord>,
        take: &mut impl FnMut(&Rows) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let Some(first) = records.first() else {
            return Ok(());
        };
        if self.names.get(1) == Some("error") {
            return Err(ReadError::Said(first.get(1).unwrap_or_default().to_owned()));
        }
        take(&Rows { head: self, records })?;
        records.clear();
        Ok(())
    }
}

impl<'a> Rows<'a> {
    /// The name of the result.
    pub(super) fn result(&self) -> &'a str {
        self.text(&self.records[0], 1)
    }

    /// The measurement.
    pub(super) fn measurement(&self) -> &'a str {
        self.shared("_measurement")
    }

    /// The field.
    pub(super) fn field(&self) -> &'a str {
        self.shared("_field")
    }

    /// The tags that all rows have.
    pub(super) fn tags(&self) -> Tags {
        let names = self.head.names.iter().enumerate().skip(BEFORE);
        let tags = names.filter(|(_, name)| !name.starts_with('_'));
        let mut tags: Tags = tags
            .map(|(column, name)| (name.to_owned(), self.text(&self.records[0], column).to_owned()))
            .filter(|(_, text)| !text.is_empty())
            .collect();
        tags.sort_unstable();
        tags
    }

    /// The rows, with the time in this column, if it is there, and the value.
    pub(super) fn iter(&self, time: &str) -> impl Iterator<Item = (Option<i64>, Option<AttributeValue>)> {
        let (time, value) = (self.column(time), self.column("_value"));
        self.records.iter().map(move |record| {
            let at = time.and_then(|column| nanos(self.text(record, column)));
            (at, value.and_then(|column| self.cell(record, column)))
        })
    }

    /// How many rows there are.
    pub(super) const fn len(&self) -> usize {
        self.records.len()
    }

    /// The instant in a column of the first row.
    pub(super) fn time(&self, name: &str) -> Option<i64> {
        nanos(self.shared(name))
    }

    fn shared(&self, name: &str) -> &'a str {
        self.column(name)
            .map_or("", |column| self.text(&self.records[0], column))
    }

    fn column(&self, name: &str) -> Option<usize> {
        let mut names = self.head.names.iter().enumerate().skip(BEFORE);
        names.find(|(_, found)| *found == name).map(|(column, _)| column)
    }

    /// A cell, or what stands for it where it is empty.
    fn text(&self, record: &'a StringRecord, column: usize) -> &'a str {
        match record.get(column).unwrap_or_default() {
            "" => self.head.defaults.get(column).unwrap_or_default(),
            text => text,
        }
    }

    fn cell(&self, record: &'a StringRecord, column: usize) -> Option<AttributeValue> {
        let text = self.text(record, column);
        match self.head.types.get(column)? {
            "long" => text.parse().ok().map(AttributeValue::I64),
            "unsignedLong" => text.parse().ok().map(AttributeValue::U64),
            "double" => text.parse().ok().map(AttributeValue::F64),
            "boolean" => text.parse().ok().map(AttributeValue::Bool),
            _ if text.is_empty() => None,
            _ => Some(AttributeValue::Text(text.into())),
        }
    }
}

/// An instant of RFC 3339.
fn nanos(text: &str) -> Option<i64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(at.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<String>, ReadError> {
        let mut found = Vec::new();
        Reader::default().read(text.as_bytes(), |rows| {
            let (result, tags) = (rows.result().to_owned(), rows.tags());
            found.extend(rows.iter("_time").map(|(at, value)| {
                let value = value.map(|value| value.to_string());
                format!(
                    "{result} {} {} {tags:?} {at:?} {value:?}",
                    rows.measurement(),
                    rows.field()
                )
            }));
            Ok(())
        })?;
        Ok(found)
    }

    /// The first example of the documentation.
    const EXAMPLE: &str = "\
#group,false,false,true,true,false,false,true,true,true,true\r
#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string,string\r
#default,mean,,,,,,,,,\r
,result,table,_start,_stop,_time,_value,_field,_measurement,host,region\r
,,0,2022-12-31T05:41:24Z,2023-01-31T05:41:24.001Z,2023-01-01T00:52:00Z,15.43,mem,m,A,east\r
,,1,2022-12-31T05:41:24Z,2023-01-31T05:41:24.001Z,2023-01-01T00:52:00Z,59.25,mem,m,B,east\r
\r
#group,false,false,false,true\r
#datatype,string,long,unsignedLong,string\r
#default,other,,7,\r
,result,table,_value,pod\r
,,0,18446744073709551615,\"a,\"\"b\"\r
,,0,,\"a,\"\"b\"\r
";

    #[test]
    fn an_answer_is_read_as_the_documentation_says() {
        let at = "Some(1672534320000000000)";
        assert_eq!(
            read(EXAMPLE).unwrap(),
            [
                format!(r#"mean m mem [("host", "A"), ("region", "east")] {at} Some("15.43")"#),
                format!(r#"mean m mem [("host", "B"), ("region", "east")] {at} Some("59.25")"#),
                r#"other   [("pod", "a,\"b")] None Some("18446744073709551615")"#.to_owned(),
                r#"other   [("pod", "a,\"b")] None Some("7")"#.to_owned(),
            ]
        );
    }

    #[test]
    fn an_error_after_rows_is_told() {
        let text = "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,Failed to parse query,897\n";
        let error = read(&format!("{EXAMPLE}\n{text}")).unwrap_err();
        assert!(
            matches!(&error, ReadError::Said(said) if said == "Failed to parse query"),
            "{error:?}"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".*|([#a,\"\n]|datatype|default|long|_time|_value)*") {
            let _ = read(&text);
        }
    }
}
