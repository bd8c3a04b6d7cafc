use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alumet_core::plugin::StartError;
use alumet_core::value::ValueType;
use alumet_shared_http_delivery::{HttpClient, Request};
use alumet_shared_query::{Budget, Limits, QueryError, Range, Selector, Steps};
use serde_json::json;

use super::annotated_csv::{Reader, Rows};
use super::config::InfluxdbConfig;
use super::flux;
use super::found::{Ends, Found, Points, Window, number};
use super::influxql::{self, ReadError, Series};
use super::parts::Parts;
use super::question::{Kinds, Question};
use super::stored::{Tags, VALUE, measurement_of};

/// A server that is asked in its language.
#[derive(Debug)]
pub(super) struct Server {
    client: HttpClient,
    /// For messages.
    who: String,
    language: Language,
    /// Where questions go to.
    path: String,
    /// The database, or the bucket.
    place: String,
    retention_policy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    /// Of version 1.
    Influxql,
    /// Of version 2.
    Flux,
}

impl Server {
    /// The server as it is configured.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with the files that it names.
    pub(super) fn new(config: &InfluxdbConfig) -> Result<Self, StartError> {
        let mut http = config.http.clone();
        http.token_scheme.get_or_insert_with(|| "Token".to_owned());
        let (language, path, place) = match &config.database {
            Some(database) => {
                // In pieces, so that neither side must have all in memory.
                let pieces = [("chunked", "true"), ("chunk_size", "1000")];
                let query = encoded(&[&[("db", &**database), ("epoch", "ns")], &pieces[..]].concat());
                (Language::Influxql, format!("/query?{query}"), database)
            }
            None => {
                let query = encoded(&[("org", &config.org)]);
                (Language::Flux, format!("/api/v2/query?{query}"), &config.bucket)
            }
        };
        Ok(Self {
            client: HttpClient::new("host", &config.host, &http)?,
            who: format!("the InfluxDB at {}", config.host),
            language,
            path,
            place: place.clone(),
            retention_policy: config.retention_policy.clone(),
        })
    }

    /// All measurements that may have to do with the selector, their fields and types; about all series of them.
    ///
    /// # Errors
    /// See [`QueryError`]; here and below.
    pub(super) async fn question(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Question<'_>, QueryError> {
        let demanded = measurement_of(selector);
        let mut question = Question {
            place: &self.place,
            retention_policy: self.retention_policy.as_deref(),
            measurements: demanded.map(str::to_owned).into_iter().collect(),
            tags: Vec::new(),
            kinds: Kinds::All,
            range,
            fields: BTreeSet::new(),
            types: BTreeMap::new(),
        };
        match self.language {
            Language::Influxql => {
                let text = influxql::fields(self.retention_policy.as_deref(), demanded);
                question.measurements.clear();
                self.influxql(&text, budget, &mut |series| {
                    note_fields(&mut question, &series);
                    Ok(())
                })
                .await?;
            }
            Language::Flux => {
                if demanded.is_none() {
                    let text = flux::measurements(&self.place, range);
                    question.measurements = self.texts(&text, budget).await?;
                }
                if !question.measurements.is_empty() {
                    let fields = self.texts(&flux::fields(&question), budget).await?;
                    question.fields = fields.into_iter().filter(|field| field != VALUE).collect();
                }
            }
        }
        Ok(question)
    }

    /// When each series has its first and its last sample in the range.
    pub(super) async fn ends(
        &self,
        question: &Question<'_>,
        budget: &Budget,
    ) -> Result<Found<Ends>, QueryError> {
        let mut found = Found::<Ends>::default();
        let mut note = |measurement: &str, tags: &Tags, end: &str, at, value_type: Option<ValueType>| {
            let ends = found.of(measurement, tags);
            ends.value_type = value_type.or(ends.value_type);
            match end {
                "first" => ends.first_at = at,
                _ => ends.last_at = at,
            }
            budget.admit_series(found.0.len() as u64)?;
            budget.check()
        };
        match self.language {
            Language::Influxql => {
                let text = influxql::ends(question);
                self.influxql(&text, budget, &mut |series| {
                    let (tags, value_type) = (series.tags(), question.types.get(&series.name));
                    let end = series.columns.get(1).map_or("", String::as_str);
                    for (at, _) in series.rows() {
                        note(&series.name, &tags, end, Some(at), value_type.copied())?;
                    }
                    Ok(())
                })
                .await?;
            }
            Language::Flux => {
                let text = flux::ends(question);
                self.flux(&text, budget, &mut |rows| {
                    let tags = rows.tags();
                    for (at, value) in rows.iter("_time") {
                        let value = value.as_ref().and_then(number);
                        let value_type = value.map(|value| value.value_type());
                        note(rows.measurement(), &tags, rows.result(), at, value_type)?;
                    }
                    Ok(())
                })
                .await?;
            }
        }
        Ok(found)
    }

    /// The samples in the range, or the newest of each series with the same tags.
    pub(super) async fn samples(
        &self,
        question: &Question<'_>,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Found<Points>, QueryError> {
        let mut found = Found::<Points>::default();
        match self.language {
            Language::Influxql => {
                let text = influxql::samples(question, newest);
                self.influxql(&text, budget, &mut |series| {
                    budget.spend(series.values.len() as u64)?;
                    let points = found.of(&series.name, &series.tags());
                    let value_type = question.types.get(&series.name).copied();
                    for (at, cells) in series.rows() {
                        for (column, json) in cells {
                            let value_type = value_type.filter(|_| column == VALUE);
                            if let Some(cell) = influxql::cell(json, value_type) {
                                points.push(column, at, cell);
                            }
                        }
                    }
                    Ok(())
                })
                .await?;
            }
            Language::Flux => {
                let text = flux::samples(question, newest);
                self.flux(&text, budget, &mut |rows| {
                    budget.spend(rows.len() as u64)?;
                    let points = found.of(rows.measurement(), &rows.tags());
                    for (at, cell) in rows.iter("_time") {
                        if let (Some(at), Some(cell)) = (at, cell) {
                            points.push(rows.field(), at, cell);
                        }
                    }
                    Ok(())
                })
                .await?;
            }
        }
        budget.admit_series(found.0.len() as u64)?;
        Ok(found)
    }

    /// What the samples come to in each interval that has some.
    pub(super) async fn windows(
        &self,
        question: &Question<'_>,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Found<BTreeMap<i64, Window>>, QueryError> {
        let mut found = Found::<BTreeMap<i64, Window>>::default();
        // A whole range is an interval that the server does not know as one.
        let start_of = |start| if steps.count == 1 { steps.start } else { start };
        match self.language {
            Language::Influxql => {
                let text = influxql::windows(question, steps);
                self.influxql(&text, budget, &mut |series| {
                    budget.spend(series.values.len() as u64)?;
                    let windows = found.of(&series.name, &series.tags());
                    for (at, cells) in series.rows() {
                        let window = windows.entry(start_of(at)).or_default();
                        for (column, json) in cells {
                            if let Some(number) = json.as_f64() {
                                window.set(column, number, None);
                            }
                        }
                    }
                    Ok(())
                })
                .await?;
            }
            Language::Flux => {
                let text = flux::windows(question, steps);
                self.flux(&text, budget, &mut |rows| {
                    if rows.result() == "count" {
                        budget.spend(rows.len() as u64)?;
                    }
                    let Some(start) = rows.time("_start") else {
                        return Ok(());
                    };
                    let windows = found.of(rows.measurement(), &rows.tags());
                    let window = windows.entry(start_of(start)).or_default();
                    for (at, value) in rows.iter("_time") {
                        if let Some(value) = value.as_ref().and_then(number) {
                            window.set(rows.result(), value.as_f64(), at);
                        }
                    }
                    Ok(())
                })
                .await?;
            }
        }
        Ok(found)
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) async fn try_out(&self) -> Result<(), String> {
        let limits = Limits {
            duration: TRIAL,
            ..Limits::default()
        };
        let nothing = Selector::default().with("metric", "?");
        let range = Range { from: 0, until: 1 };
        let asked = self.question(&nothing, range, &Budget::new(limits)).await;
        asked.map(drop).map_err(|error| error.to_string())
    }

    async fn influxql(
        &self,
        text: &str,
        budget: &Budget,
        take: &mut (dyn FnMut(Series) -> Result<(), QueryError> + Send),
    ) -> Result<(), QueryError> {
        let content_type = "application/x-www-form-urlencoded";
        let form = encoded(&[("q", text)]).into_bytes();
        let request = self.client.post(&self.path, content_type, form);
        let mut read = |lines: &[u8]| influxql::read(lines, &mut *take);
        self.ask(request, budget, Parts::of_lines(), &mut read).await
    }

    async fn flux(
        &self,
        text: &str,
        budget: &Budget,
        take: &mut (dyn FnMut(&Rows) -> Result<(), QueryError> + Send),
    ) -> Result<(), QueryError> {
        let question = json!({
            "query": text,
            "type": "flux",
            "dialect": {
                "annotations": ["datatype", "group", "default"],
                "dateTimeFormat": "RFC3339Nano",
                "header": true,
            },
        });
        let question = question.to_string().into_bytes();
        let request = self.client.post(&self.path, "application/json", question);
        let mut reader = Reader::default();
        let mut read = |lines: &[u8]| reader.read(lines, |rows| take(rows).map_err(ReadError::Query));
        self.ask(request, budget, Parts::of_csv(), &mut read).await
    }

    /// The values of the only column of an answer.
    async fn texts(&self, text: &str, budget: &Budget) -> Result<Vec<String>, QueryError> {
        let mut texts = Vec::new();
        self.flux(text, budget, &mut |rows| {
            let values = rows.iter("_time").filter_map(|(_, value)| value);
            texts.extend(values.map(|value| value.to_string()));
            Ok(())
        })
        .await?;
        Ok(texts)
    }

    async fn ask(
        &self,
        request: Request,
        budget: &Budget,
        mut parts: Parts,
        read: &mut (dyn FnMut(&[u8]) -> Result<(), ReadError> + Send),
    ) -> Result<(), QueryError> {
        let mut outcome = Ok(());
        let mut take = |piece: &[u8]| {
            outcome = read(&parts.push(piece));
            if parts.is_too_long() {
                outcome = Err(ReadError::Said("it answers with a line without end".to_owned()));
            }
            outcome.is_ok()
        };
        let asked = self.client.stream(request, &mut take);
        let asked = tokio::time::timeout(budget.time_left(), asked).await;
        let answered = asked.map_err(|_| QueryError::Deadline)?;
        let said = |why| QueryError::Unavailable {
            who: self.who.clone(),
            why,
        };
        answered.map_err(|failure| said(failure.to_string()))?;
        outcome
            .and_then(|()| read(&parts.finish()))
            .map_err(|error| match error {
                ReadError::Said(why) => said(why),
                ReadError::Query(error) => error,
            })
    }
}

/// Pairs as an address and a form hold them.
fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).finish()
}

/// How long a server may take if it is only asked whether it is there.
const TRIAL: Duration = Duration::from_secs(5);

/// Notes a measurement that has values which are numbers.
fn note_fields(question: &mut Question<'_>, series: &Series) {
    let mut fields = BTreeSet::new();
    let mut value_type = None;
    for row in &series.values {
        let [Some(field), Some(field_type)] =
            [0, 1].map(|column| row.get(column).and_then(|cell| cell.as_str()))
        else {
            continue;
        };
        if field != VALUE {
            fields.insert(field.to_owned());
            continue;
        }
        // In another part of the database, a field may have another type: the last of these holds all numbers.
        value_type = value_type.max(influxql::type_of(field_type));
    }
    if let Some(value_type) = value_type {
        question.measurements.push(series.name.clone());
        question.types.insert(series.name.clone(), value_type);
        question.fields.append(&mut fields);
    }
}
