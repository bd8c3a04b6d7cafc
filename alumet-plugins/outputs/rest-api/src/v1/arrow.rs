//! Tables as Arrow IPC streams.
//!
//! Format: <https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>, one record batch.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;

use super::format::{Column, Table};

/// The whole table: texts, unsigned integers, floating point numbers, and times in nanoseconds UTC.
pub(super) fn encode(table: Table) -> Result<Vec<u8>, String> {
    write(table).map_err(|error| error.to_string())
}

fn write(table: Table) -> Result<Vec<u8>, ArrowError> {
    let columns = table.0.into_iter().map(|(name, column)| {
        let array: ArrayRef = match column {
            Column::Texts(texts) => Arc::new(StringArray::from(texts)),
            Column::Counts(counts) => Arc::new(UInt64Array::from(counts)),
            Column::Times(times) => Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
            Column::Numbers(numbers) => {
                let numbers = numbers.into_iter();
                Arc::new(Float64Array::from_iter(
                    numbers.map(|number| Some(number).filter(|number| number.is_finite())),
                ))
            }
        };
        (name, array)
    });
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(&batch)?;
    writer.into_inner()
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, TimestampNanosecondType};
    use arrow_ipc::reader::StreamReader;

    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let table = Table::default()
            .with("node", Column::Texts(vec!["a".to_owned(), String::new()]))
            .with("time", Column::Times(vec![1, i64::MAX]))
            .with("series", Column::Counts(vec![7, 8]))
            .with("value", Column::Numbers(vec![0.5, f64::NAN]));
        let bytes = encode(table).unwrap();
        let mut reader = StreamReader::try_new(&*bytes, None).unwrap();
        let batch = reader.next().unwrap().unwrap();
        assert!(reader.next().is_none());
        let schema = batch.schema();
        let fields: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect();
        assert_eq!(
            fields,
            [
                "node Utf8",
                "time Timestamp(ns, \"UTC\")",
                "series UInt64",
                "value Float64"
            ]
        );
        assert_eq!(batch.column(0).as_string::<i32>().value(0), "a");
        assert_eq!(
            batch.column(1).as_primitive::<TimestampNanosecondType>().value(1),
            i64::MAX
        );
        let values: Vec<_> = batch.column(3).as_primitive::<Float64Type>().iter().collect();
        assert_eq!(values, [Some(0.5), None]);
    }
}
