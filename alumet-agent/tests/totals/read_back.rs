//! What each destination says that it has.

use std::collections::BTreeMap;
use std::path::Path;

use alumet_shared_output_testkit::{Program, ask};
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::summing::NUMBER;

/// How many samples each series has, by its number, and their sum.
pub(crate) type Totals = BTreeMap<u64, (u64, f64)>;

/// Adds up numbers of series, which may be text.
fn add_up(samples: impl IntoIterator<Item = (String, String)>) -> Totals {
    let mut totals = Totals::new();
    for (number, value) in samples {
        let (count, sum) = totals.entry(number.parse().unwrap()).or_default();
        *count += 1;
        *sum += value.parse::<f64>().unwrap();
    }
    totals
}

pub(crate) fn csv(path: &Path) -> Totals {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(';').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (number, value) = (place(NUMBER), place("value"));
    add_up(lines.map(|fields| (fields[number].to_owned(), fields[value].to_owned())))
}

/// The server itself adds up.
pub(crate) fn influxdb(server: &Program) -> Totals {
    let query = format!("SELECT+count(value),sum(value)+FROM+/.*/+GROUP+BY+{NUMBER}");
    let body = ask(server.port(), &format!("POST /query?db=samples&q={query}"));
    let answer: Json = serde_json::from_str(&body).unwrap();
    let series = answer["results"][0]["series"].as_array().into_iter().flatten();
    let of = |series: &Json| {
        let number = series["tags"][NUMBER].as_str().unwrap().parse().unwrap();
        let row = &series["values"][0];
        (number, (row[1].as_u64().unwrap(), row[2].as_f64().unwrap()))
    };
    series.map(of).collect()
}

pub(crate) fn victoria_logs(server: &Program) -> Totals {
    let body = ask(server.port(), "GET /select/logsql/query?query=*");
    add_up(body.lines().map(|line| {
        let document: BTreeMap<String, String> = serde_json::from_str(line).unwrap();
        (document[NUMBER].clone(), document["value"].clone())
    }))
}

pub(crate) fn mongodb(server: &Program) -> Totals {
    let text = |document: &Document, key: &str| match &document[key] {
        Bson::Int32(value) => value.to_string(),
        Bson::Int64(value) => value.to_string(),
        Bson::Double(value) => value.to_string(),
        other => panic!("{other} is no number"),
    };
    Runtime::new().unwrap().block_on(async {
        let uri = format!("mongodb://127.0.0.1:{}", server.port());
        let client = mongodb::Client::with_uri_str(uri).await.unwrap();
        let collection = client.database("alumet").collection::<Document>("samples");
        let mut cursor = collection.find(doc! {}).await.unwrap();
        let mut samples = Vec::new();
        while cursor.advance().await.unwrap() {
            let document = cursor.deserialize_current().unwrap();
            samples.push((text(&document, NUMBER), text(&document, "value")));
        }
        add_up(samples)
    })
}

/// What it has written about each point: its attributes, and then its value.
pub(crate) fn rotel(server: &Program) -> Totals {
    let (log, start) = (server.log(), format!("-> {NUMBER}: Int("));
    let mut number = "";
    // It may be writing the last line.
    let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
    add_up(whole.lines().filter_map(|line| {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix(&start) {
            number = rest.strip_suffix(')')?;
        }
        Some((number.to_owned(), line.strip_prefix("Value: ")?.to_owned()))
    }))
}

/// What the exporter on this port shows, in base units: of a counter the sum, of a gauge the last value.
pub(crate) fn exposition(port: u16) -> BTreeMap<u64, f64> {
    let text = ask(port, "GET /metrics");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let of = |line: &str| {
        let (labels, value) = line.rsplit_once(' ')?;
        let (_, number) = labels.split_once(&format!("{NUMBER}=\""))?;
        let (number, _) = number.split_once('"')?;
        Some((number.parse().ok()?, value.parse().ok()?))
    };
    lines.filter_map(of).collect()
}
