//! A server that answers as Elasticsearch 8 does according to its documentation, and errs as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use alumet_plugin_elasticsearch::Config;
use alumet_shared_http_delivery::testkit::{Received, TestServer, local};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

/// What happens to requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// Everything is taken.
    #[default]
    Fine,
    /// The whole request is put off.
    Busy,
    /// Every second document is put off.
    TakesHalf,
    /// Every document is, with this status and type of error.
    Blocked(u16, &'static str),
    /// Each multiple of three is refused, with a mapping error.
    Refuses,
    /// More than so many documents are too large.
    Small(usize),
    /// The template is refused.
    NoTemplate,
    /// Only this header `Authorization` is let through.
    Wants(&'static str),
}

#[derive(Default)]
struct State {
    mood: Mood,
    templates: BTreeMap<String, Json>,
    /// Of each index, its fields with their types.
    indices: BTreeMap<String, BTreeMap<String, String>>,
    /// By index and id.
    documents: BTreeMap<(String, String), Json>,
    repeats: usize,
    /// Documents that came again with something else in them.
    contradictions: usize,
}

/// A server that lives as long as the test program.
pub(crate) struct Elastic {
    pub(crate) server: TestServer,
    state: Arc<Mutex<State>>,
}

type Answer = (&'static str, String);

impl Elastic {
    pub(crate) fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = TestServer::answering(move |request| shared.lock().answer(request)).unwrap();
        Self { server, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.url().rsplit_once(':').unwrap().1.parse().unwrap()
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    pub(crate) fn repeats(&self) -> usize {
        self.state.lock().repeats
    }

    pub(crate) fn templates(&self) -> BTreeMap<String, Json> {
        self.state.lock().templates.clone()
    }

    /// All documents, with their indices.
    pub(crate) fn documents(&self) -> Vec<(String, Json)> {
        let state = self.state.lock();
        assert_eq!(state.contradictions, 0);
        let documents = state.documents.iter();
        documents
            .map(|((index, _), document)| (index.clone(), document.clone()))
            .collect()
    }

    /// All values of the metric `number`, sorted.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let state = self.state.lock();
        assert_eq!(state.contradictions, 0);
        let documents = state.documents.iter();
        let numbers = documents.filter(|((index, _), _)| index == "alumet-number");
        let mut numbers: Vec<u64> = numbers
            .map(|(_, document)| document["value"].as_u64().unwrap())
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

/// An output to the server on this port.
pub(crate) fn config(port: u16) -> Config {
    Config {
        server_url: format!("http://127.0.0.1:{port}"),
        http: local(),
        ..Config::default()
    }
}

/// A verdict on a document.
fn verdict(status: u16, kind: &str, reason: &str) -> Json {
    json!({"create": {"status": status, "error": {"type": kind, "reason": reason}}})
}

impl State {
    fn answer(&mut self, request: &Received) -> Answer {
        let refused = |status, kind: &str, reason: &str| {
            let error = json!({"error": {"type": kind, "reason": reason}});
            (status, error.to_string())
        };
        if let Mood::Wants(authorization) = self.mood
            && request.header("authorization") != Some(authorization)
        {
            return refused(
                "401 Unauthorized",
                "security_exception",
                "unable to authenticate user",
            );
        }
        let path = request.line.split(' ').nth(1).unwrap();
        if let Some(name) = path.strip_prefix("/_index_template/") {
            if self.mood == Mood::NoTemplate {
                return refused(
                    "403 Forbidden",
                    "security_exception",
                    "manage_index_templates is missing",
                );
            }
            let template = serde_json::from_slice(&request.body).unwrap();
            self.templates.insert(name.to_owned(), template);
            return ("200 OK", r#"{"acknowledged":true}"#.to_owned());
        }
        if !path.starts_with("/_bulk") {
            return ("200 OK", "{}".to_owned());
        }
        let text = String::from_utf8(request.body.clone()).unwrap();
        let lines: Vec<Json> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        match self.mood {
            Mood::Busy => {
                return refused(
                    "429 Too Many Requests",
                    "circuit_breaking_exception",
                    "Data too large",
                );
            }
            Mood::Small(most) if lines.len() > 2 * most => return ("413 Content Too Large", String::new()),
            _ => {}
        }
        let pairs = lines.chunks_exact(2).enumerate();
        let items: Vec<Json> = pairs.map(|(number, pair)| self.create(number, pair)).collect();
        ("200 OK", json!({"errors": true, "items": items}).to_string())
    }

    /// Creates a document, as its index allows.
    fn create(&mut self, number: usize, pair: &[Json]) -> Json {
        let [action, document] = pair else { unreachable!() };
        let (index, id) = (
            action["create"]["_index"].as_str().unwrap(),
            action["create"]["_id"].as_str().unwrap(),
        );
        let value = &document["value"];
        match self.mood {
            Mood::TakesHalf if number % 2 == 1 => {
                return verdict(
                    429,
                    "es_rejected_execution_exception",
                    "rejected execution of coordinating operation",
                );
            }
            Mood::Blocked(status, kind) => return verdict(status, kind, "blocked"),
            Mood::Refuses if value.as_u64().unwrap().is_multiple_of(3) => {
                let reason =
                    format!("[1:9] failed to parse field [value] of type [ip] in document with id '{id}'");
                return verdict(400, "document_parsing_exception", &reason);
            }
            _ => {}
        }
        let is_bad = |c: char| c.is_uppercase() || "\\/*?\"<>| ,#:".contains(c);
        if index.contains(is_bad) || index.starts_with(['-', '_', '+']) || index.len() > 255 {
            return verdict(400, "invalid_index_name_exception", "Invalid index name");
        }
        let key = (index.to_owned(), id.to_owned());
        if let Some(there) = self.documents.get(&key) {
            self.repeats += 1;
            self.contradictions += usize::from(there != document);
            return verdict(
                409,
                "version_conflict_engine_exception",
                "version conflict, document already exists",
            );
        }
        // Without the template, the types of a new index are wrong for ever.
        let is_meant = |template: &&Json| {
            let pattern = template["index_patterns"][0].as_str().unwrap();
            index.starts_with(pattern.strip_suffix('*').unwrap())
        };
        let template = self.templates.values().find(is_meant).unwrap();
        let fields = self.indices.entry(index.to_owned()).or_default();
        for (field, value) in document.as_object().unwrap() {
            let is_of_server = ["_id", "_index", "_source", "_routing"].contains(&&**field);
            let is_object = |other: &String| {
                other.starts_with(&format!("{field}.")) || field.starts_with(&format!("{other}."))
            };
            let known = fields.get(field).cloned();
            let is_object = known.is_none() && fields.keys().any(is_object);
            let kind = known.unwrap_or_else(|| type_of(template, field, value));
            let is_of_type = match &*kind {
                "long" => value.as_i64().is_some(),
                "double" => value.is_number(),
                "date_nanos" | "keyword" => true,
                // `float`, which is not exact, and `text`, which is no keyword.
                other => panic!("{field} is {other}"),
            };
            if is_of_server || field.trim().is_empty() || is_object || !is_of_type {
                let reason = format!("failed to parse field [{field}] of type [{kind}]");
                return verdict(400, "document_parsing_exception", &reason);
            }
            fields.entry(field.clone()).or_insert(kind);
        }
        self.documents.insert(key, document.clone());
        json!({"create": {"status": 201}})
    }
}

/// The type that a template gives a new field, or the server, if that says nothing.
fn type_of(template: &Json, field: &str, value: &Json) -> String {
    let mappings = &template["template"]["mappings"];
    let one = value.get(0).unwrap_or(value);
    let (json_type, default) = match one {
        Json::String(_) => ("string", "text"),
        Json::Bool(_) => ("boolean", "boolean"),
        Json::Number(number) if number.is_f64() => ("double", "float"),
        _ => ("long", "long"),
    };
    let rules = mappings["dynamic_templates"].as_array().unwrap();
    let mut rules = rules.iter().flat_map(|rule| rule.as_object().unwrap().values());
    let rule = rules.find(|rule| {
        rule["match_mapping_type"] == json_type
            && rule["unmatch"] != field
            && rule["match"].as_str().is_none_or(|name| name == field)
    });
    let named = mappings["properties"][field]["type"].as_str();
    let kind = named.or_else(|| rule?["mapping"]["type"].as_str());
    kind.unwrap_or(default).to_owned()
}
