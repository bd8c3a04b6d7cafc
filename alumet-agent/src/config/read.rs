//! A table of the configuration becomes a Rust type: the one way for settings and plugins.

use alumet_core::plugin::Faults;
use schemars::Schema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::key_path::{KeyPath, Step};
use super::place::Place;
use super::problem::{Problem, Problems};
use super::schema::{Shape, type_of};
use super::suggest::nearest;
use super::{Document, find, secret};

/// Makes a value of JSON.
///
/// # Errors
/// What the type says of it.
pub fn from_json<T: DeserializeOwned>(json: Json) -> Result<T, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

impl Document {
    /// Compares the table under a path with a schema, unless it is empty, makes a value of it and checks that.
    ///
    /// # Errors
    /// Every unknown key, wrong type, missing key and refused value that can be found without guessing, in the order of
    /// the file. Serde stops at the first error: what did not fit is left out then, and the rest is read again.
    pub fn read<T>(
        &self,
        path: &KeyPath,
        schema: impl FnOnce() -> Schema,
        parse: impl Fn(Json) -> Result<T, String>,
        check: impl FnOnce(&T) -> Result<(), Faults>,
    ) -> Result<T, Problems> {
        let mut reading = Reading {
            document: self,
            problems: Problems::default(),
            told: Vec::new(),
            secrets: Vec::new(),
        };
        let table = find(&self.values, path.steps());
        // A schema takes longer than all the rest.
        let is_empty = |value: &Value| value.as_table().is_some_and(Table::is_empty);
        let table = table.filter(|table| !is_empty(table));
        let fitting = table.and_then(|table| reading.fitting(table, path, &Shape::new(&schema())));
        let mut json = fitting.unwrap_or_else(|| Json::Object(Map::new()));
        let value = loop {
            let error = match parse(json.clone()) {
                Ok(value) => break Some(value),
                Err(error) => error,
            };
            let mut keys = culprit(&json, &|json| parse(json).err().as_ref() == Some(&error));
            let path = self.locate(path, &keys);
            // What a type says of a secret may quote it.
            match reading.is_secret(&path) {
                true => reading.refuse(path, "it is refused"),
                false => reading.refuse(path, &error),
            }
            if !leave_out(&mut json, &mut keys) {
                break None;
            }
        };
        if let Some(Err(faults)) = value.as_ref().map(check) {
            for fault in faults {
                reading.refuse(self.locate(path, &fault.key), &fault.message);
            }
        }
        reading.problems.sort();
        match value {
            Some(value) => reading.problems.or_ok(value),
            None => Err(reading.problems),
        }
    }

    /// The path to the keys below another one; numbers lead into lists.
    pub(super) fn locate<K: AsRef<str>>(&self, above: &KeyPath, keys: &[K]) -> KeyPath {
        let keys = keys.iter().map(AsRef::as_ref);
        keys.fold(above.clone(), |path, key| {
            let value = find(&self.values, path.steps());
            match key.parse() {
                Ok(index) if value.is_some_and(Value::is_array) => path.then(Step::Index(index)),
                _ => path.key(key),
            }
        })
    }
}

/// The way to the value that alone is why a whole `fails`, which it does not without the value. What serde tells of the way
/// ends at a `flatten`.
fn culprit(whole: &Json, fails: &dyn Fn(Json) -> bool) -> Vec<String> {
    let way = |key: String, part: &Json, alone: &dyn Fn(Json) -> Json| {
        fails(alone(part.clone())).then(|| {
            let below = culprit(part, &|part| fails(alone(part)));
            std::iter::once(key).chain(below).collect()
        })
    };
    let found = match whole {
        Json::Object(table) if !fails(Map::new().into()) => table.iter().find_map(|(key, part)| {
            way(key.clone(), part, &|part| {
                Map::from_iter([(key.clone(), part)]).into()
            })
        }),
        Json::Array(items) if !fails(Vec::<Json>::new().into()) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, part)| way(at.to_string(), part, &|part| vec![part].into()))
        }
        _ => None,
    };
    found.unwrap_or_default()
}

/// Leaves out what stands under the keys, or the nearest key above it that a table has; `false` if there is none. An
/// element of a list is never left out alone: the others would get another number.
fn leave_out(json: &mut Json, keys: &mut Vec<String>) -> bool {
    while let Some(last) = keys.pop() {
        let mut above = keys.iter().try_fold(&mut *json, |json, key| match json {
            Json::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
            json => json.get_mut(key),
        });
        let table = above.as_mut().and_then(|above| above.as_object_mut());
        if table.is_some_and(|table| table.remove(&last).is_some()) {
            return true;
        }
    }
    false
}

/// What is found out while a table is read.
struct Reading<'d> {
    document: &'d Document,
    problems: Problems,
    /// What was told already: more about these keys, those below and those above would be a consequence.
    told: Vec<KeyPath>,
    /// What is not to be shown.
    secrets: Vec<KeyPath>,
}

impl Reading<'_> {
    fn tell(&mut self, path: KeyPath, problem: Problem) {
        self.told.push(path);
        self.problems.push(problem);
    }

    /// Tells that a value is refused, unless something about it was told before.
    fn refuse(&mut self, path: KeyPath, message: &str) {
        let is_related = |told: &KeyPath| told.starts_with(&path) || path.starts_with(told);
        if !self.told.iter().any(is_related) {
            let problem = Problem::invalid(&path, message).at(self.place(&path));
            self.tell(path, problem);
        }
    }

    /// The place to show; a secret is not shown.
    fn place(&self, path: &KeyPath) -> Place {
        let given = self.document.given(path);
        if self.is_secret(path) {
            given.key
        } else {
            given.place
        }
    }

    fn is_secret(&self, path: &KeyPath) -> bool {
        self.secrets.iter().any(|secret| path.starts_with(secret))
    }

    /// What of the value fits the shape, as JSON; tells what does not.
    fn fitting(&mut self, value: &Value, path: &KeyPath, shape: &Shape<'_>) -> Option<Json> {
        let given = self.document.given(path);
        if shape.is_secret() || secret::is_named_so(path) || given.is_secret {
            self.secrets.push(path.clone());
        }
        if given.is_refused {
            self.told.push(path.clone());
            return None;
        }
        let problem = match value {
            Value::Table(table) if shape.takes("object") => {
                return Some(self.fitting_table(table, path, shape));
            }
            Value::Array(items) if shape.takes("array") => {
                let items_shape = shape.items().unwrap_or_else(Shape::any);
                let items = items.iter().enumerate();
                let fitting = items.map(|(index, item)| {
                    self.fitting(item, &path.clone().then(Step::Index(index)), &items_shape)
                });
                let fitting: Vec<Option<Json>> = fitting.collect();
                // A list without one of its elements would be another one.
                return fitting.into_iter().collect();
            }
            value => {
                let variable = value.as_str().filter(|_| given.is_variable).and_then(variable);
                let mut readings = std::iter::once(json(value)).chain(variable);
                match readings.find(|value| shape.takes(type_of(value))) {
                    Some(value) => match misfit(&value, path, shape) {
                        Some(_) if self.is_secret(path) => Problem::invalid(path, "it is refused"),
                        Some(problem) => problem,
                        None => return Some(value),
                    },
                    None => wrong_type(value, path, shape),
                }
            }
        };
        self.tell(path.clone(), problem.at(self.place(path)));
        None
    }

    fn fitting_table(&mut self, table: &Table, path: &KeyPath, shape: &Shape<'_>) -> Json {
        let shape = shape.for_table(table);
        let known = shape.keys();
        let mut fitting = Map::new();
        for (key, value) in table {
            let path_of = |key: &str| path.clone().key(key);
            if let Some(shape) = shape.key(key) {
                let value = self.fitting(value, &path_of(key), &shape);
                fitting.extend(value.map(|value| (key.clone(), value)));
            } else if shape.is_open() {
                fitting.insert(key.clone(), json(value));
            } else {
                let what = format!("unknown key {}", path_of(key).named());
                let problem = Problem::new(what)
                    .at(self.document.given(&path_of(key)).key)
                    .help_with_names(key, &known, "keys");
                self.tell(path_of(key), problem);
                // That the key which was meant is missing follows from it.
                self.told.extend(nearest(key, known.iter().copied()).map(path_of));
            }
        }
        for key in known
            .into_iter()
            .filter(|key| shape.requires(key) && !table.contains_key(*key))
        {
            let path = path.clone().key(key);
            if !self.told.contains(&path) {
                let problem = Problem::new(format!("the key {} is missing", path.named()));
                let problem = problem.at(self.place(&path)).help("add it; it has no default");
                self.tell(path, problem);
            }
        }
        Json::Object(fitting)
    }
}

fn wrong_type(value: &Value, path: &KeyPath, shape: &Shape<'_>) -> Problem {
    let found = match value {
        Value::Table(_) => "a table",
        Value::Array(_) => "a list",
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date or time",
    };
    let expected = shape.type_words();
    Problem::new(format!(
        "wrong type at {}: expected {expected}, found {found}",
        path.named()
    ))
}

/// What is wrong with a value of the right type.
fn misfit(value: &Json, path: &KeyPath, shape: &Shape<'_>) -> Option<Problem> {
    match value {
        Json::String(word) => {
            let words = shape.words_only()?;
            let what = format!("unknown value `{word}` at {}", path.named());
            // Old files may write it otherwise (`Sum`): then the type decides, which knows its other names.
            (!words.iter().any(|known| known.eq_ignore_ascii_case(word)))
                .then(|| Problem::new(what).help_with_names(word, &words, "values"))
        }
        Json::Number(number) => {
            let number = number.as_i64()?;
            let (least, most) = shape.bounds();
            if least.is_none_or(|least| least <= number) && most.is_none_or(|most| number <= most) {
                return None;
            }
            let bounds = match (least, most) {
                (Some(least), Some(most)) => format!("from {least} to {most}"),
                (Some(least), None) => format!("of at least {least}"),
                _ => format!("of at most {}", most.unwrap_or_default()),
            };
            let message = format!("expected an integer {bounds}, found {number}");
            Some(Problem::invalid(path, &message))
        }
        _ => None,
    }
}

/// A TOML value as JSON; a date is its text.
fn json(value: &Value) -> Json {
    match value {
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.clone(), json(value)));
            Json::Object(entries.collect())
        }
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}

/// What a string that is one environment variable also stands for.
fn variable(text: &str) -> Option<Json> {
    let text = text.trim();
    let plain = text.replace('_', "");
    let truth = text.parse::<bool>().ok().map(Json::from);
    let integer = || plain.parse::<i64>().ok().map(Json::from);
    let float = || plain.parse::<f64>().ok().map(Json::from);
    truth.or_else(integer).or_else(float)
}
