//! Other programs read what is written, each as it does by default; those that are not installed are left out.

use std::fs;
use std::path::Path;
use std::process::Command;

use alumet_core::{Attributes, Consumer, Unit, Value, ValueType};
use alumet_plugin_csv::{Config, Dialect};
use serde_json::{Value as Json, json};

use crate::reader::records;
use crate::rig::{Rig, at};

/// A program that reads CSV: whether it is there, and how it says what it has found in `$FILE`: a list of the columns, the number
/// of rows and the sum of the column `value`, as JSON.
struct Tool {
    name: &'static str,
    probe: &'static str,
    question: &'static str,
}

const TOOLS: [Tool; 6] = [
    Tool {
        name: "the csv module of Python",
        probe: "python3 --version",
        question: r#"python3 -c '
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8", newline="")))
print(json.dumps([list(rows[0]), len(rows), sum(float(row["value"]) for row in rows)]))' "$FILE""#,
    },
    Tool {
        name: "pandas",
        probe: "python3 -c 'import pandas'",
        question: r#"python3 -c '
import json, sys, pandas
rows = pandas.read_csv(sys.argv[1], parse_dates=["timestamp"])
assert rows["timestamp"].dt.tz is not None, rows.dtypes
print(json.dumps([list(rows), len(rows), float(rows["value"].sum())]))' "$FILE""#,
    },
    Tool {
        name: "Polars",
        probe: "python3 -c 'import polars'",
        question: r#"python3 -c '
import json, sys, polars
rows = polars.read_csv(sys.argv[1])
print(json.dumps([rows.columns, len(rows), rows["value"].sum()]))' "$FILE""#,
    },
    Tool {
        name: "DuckDB",
        probe: "python3 -c 'import duckdb'",
        question: r#"python3 -c '
import json, sys, duckdb
rows = duckdb.read_csv(sys.argv[1])
print(json.dumps([rows.columns, len(rows), rows.sum("value").fetchall()[0][0]]))' "$FILE""#,
    },
    Tool {
        name: "R",
        probe: "Rscript --version",
        question: r#"Rscript --vanilla -e '
rows <- read.csv(commandArgs(TRUE)[1])
cat(sprintf("[[\"%s\"], %d, %.17g]", paste(names(rows), collapse = "\", \""), nrow(rows), sum(rows$value)))' "$FILE""#,
    },
    Tool {
        name: "LibreOffice",
        probe: "soffice --version && python3 --version",
        // It writes what it has understood.
        question: r#"cd "$(dirname "$FILE")" && HOME="$PWD" soffice --headless --convert-to fods "$FILE" >&2 && python3 -c '
import json, sys, xml.etree.ElementTree as tree
office, table, text = ("{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}" % name for name in ("office", "table", "text"))
rows = []
for row in tree.parse(sys.argv[1]).iter(table + "table-row"):
    cells = []
    for cell in row.iter(table + "table-cell"):
        word = cell.get(office + "value") or "".join(cell.itertext()).strip()
        cells += [word] * int(cell.get(table + "number-columns-repeated", "1"))
    if any(cells):
        rows.append(cells)
value = rows[0].index("value")
columns = [column for column in rows[0] if column]
print(json.dumps([columns, len(rows) - 1, sum(float(row[value]) for row in rows[1:])]))' "${FILE%.csv}.fods""#,
    },
];

/// What a shell command says about the file, or why it fails.
fn ask(command: &str, file: &Path) -> Result<String, String> {
    let mut shell = Command::new("sh");
    let answer = shell.args(["-c", command]).env("FILE", file).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match answer.status.success() {
        true => Ok(text(answer.stdout)),
        false => Err(text(answer.stderr)),
    }
}

#[test]
fn a_plain_file_is_read_by_other_programs_as_they_do_by_default() {
    let rig = Rig::new();
    let config = Config {
        dialect: Dialect::Plain,
        ..rig.config()
    };
    let mut output = rig.open(&config);
    let mut batch = rig.catalog.batch();
    // The sum of these values is exact, in whatever order they are added.
    for (name, unit, cmdline, value) in [
        ("cpu_percent", Unit::PERCENT, "sh -c 'a, b; c'", 12.5),
        ("temperature", Unit::CELSIUS, "\"quoted\"\nnext line", -0.25),
        ("time", Unit::SECOND.micro(), "=1+1", 1.0 / 1_048_576.0),
        ("n", Unit::ONE, "ünïcode \u{1f50c}", 1_073_741_824.0),
    ] {
        let attributes = Attributes::EMPTY.with("cmdline", cmdline);
        let series = rig.series(
            name,
            unit,
            ValueType::F64,
            Consumer::Process { pid: 1 },
            attributes,
        );
        batch.push_value(&series, at(0), Value::F64(value)).unwrap();
    }
    rig.write(&mut output, &batch).unwrap();
    // With an attribute that the file has no column for.
    let attributes = Attributes::EMPTY
        .with("a \"b\", c", "d\te")
        .with("list", vec![1, 2]);
    let series = rig.series(
        "late",
        Unit::WATT,
        ValueType::U64,
        Consumer::LocalMachine,
        attributes,
    );
    let mut batch = rig.catalog.batch();
    batch.push_value(&series, at(1), Value::U64(7)).unwrap();
    rig.write(&mut output, &batch).unwrap();
    drop(output);

    let text = fs::read_to_string(&config.output_path).unwrap();
    let rows = records(&text, ',');
    let sum: f64 = rows[1..].iter().map(|row| row[2].parse::<f64>().unwrap()).sum();
    let expected = json!([rows[0], rows.len() - 1, sum]);
    for Tool {
        name,
        probe,
        question,
    } in TOOLS
    {
        if ask(probe, &config.output_path).is_err() {
            eprintln!("left out: {name} is not installed");
            continue;
        }
        let answer = ask(question, &config.output_path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let answer: Json = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{name}: {answer}"));
        assert_eq!(answer, expected, "{name}");
    }
}

#[test]
fn python_gives_every_field_back() {
    let rig = Rig::new();
    let config = Config {
        dialect: Dialect::Plain,
        ..rig.config()
    };
    let text = "a\"b\", c\n%1B=d\u{202e}";
    let series = |attributes| {
        let consumer = Consumer::new("app", text);
        rig.series("n", Unit::ONE, ValueType::U64, consumer, attributes)
    };
    let mut output = rig.open(&config);
    for attributes in [
        Attributes::EMPTY.with("label", text),
        Attributes::EMPTY.with(text, text),
    ] {
        let mut batch = rig.catalog.batch();
        batch
            .push_value(&series(attributes), at(0), Value::U64(1))
            .unwrap();
        rig.write(&mut output, &batch).unwrap();
    }
    let question = r#"python3 -c '
import csv, json, sys
from urllib.parse import unquote
rows = list(csv.DictReader(open(sys.argv[1], encoding="utf-8", newline="")))
rest = json.loads(unquote(rows[1]["attributes"]))
print(json.dumps([unquote(rows[0]["consumer_id"]), unquote(rows[0]["label"]), rest]))' "$FILE""#;
    if ask("python3 --version", &config.output_path).is_err() {
        eprintln!("left out: Python is not installed");
        return;
    }
    let answer = ask(question, &config.output_path).unwrap();
    let answer: Json = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer, json!([text, text, { text: text }]));
}
