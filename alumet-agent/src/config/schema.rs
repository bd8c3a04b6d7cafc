//! What a JSON schema says about one place of a configuration.

use schemars::Schema;
use serde_json::{Map, Value as Json};

/// A schema, and below it the parts for the keys of a table and the elements of a list.
#[derive(Clone)]
pub(super) struct Shape<'s> {
    root: &'s Json,
    /// The alternatives and the parts of the schema at this place, references followed.
    parts: Vec<&'s Map<String, Json>>,
    /// Anything goes.
    any: bool,
}

/// How many alternatives within alternatives are followed; a schema that contains itself ends here.
const DEEPEST: usize = 16;

impl<'s> Shape<'s> {
    /// The shape of the whole.
    pub(super) fn new(schema: &'s Schema) -> Self {
        Self::of(schema.as_value(), schema.as_value())
    }

    fn of(root: &'s Json, schema: &'s Json) -> Self {
        let mut shape = Self {
            root,
            parts: Vec::new(),
            any: false,
        };
        shape.collect(schema, 0);
        shape
    }

    fn collect(&mut self, schema: &'s Json, depth: usize) {
        let Json::Object(object) = schema else {
            self.any |= *schema != Json::Bool(false);
            return;
        };
        if depth > DEEPEST {
            self.any = true;
            return;
        }
        if let Some(Json::String(reference)) = object.get("$ref") {
            let target = reference
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            match target {
                Some(target) => self.collect(target, depth + 1),
                None => self.any = true,
            }
        }
        for word in ["anyOf", "oneOf", "allOf"] {
            for part in object.get(word).and_then(Json::as_array).into_iter().flatten() {
                self.collect(part, depth + 1);
            }
        }
        self.parts.push(object);
    }

    fn said(&self, word: &str) -> impl Iterator<Item = &'s Json> {
        self.parts
            .iter()
            .filter_map(|part| part.get(word))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The keys that a table may have here, each once.
    pub(super) fn keys(&self) -> Vec<&'s str> {
        let mut keys: Vec<&str> = Vec::new();
        for properties in self.said("properties").filter_map(Json::as_object) {
            for key in properties.keys() {
                if !keys.contains(&key.as_str()) {
                    keys.push(key);
                }
            }
        }
        keys
    }

    /// Whether a table here may also have keys that the schema does not name.
    pub(super) fn is_open(&self) -> bool {
        let no_keys =
            self.said("properties").next().is_none() && !self.said("additionalProperties").any(is_false);
        self.any || no_keys || self.others().is_some() || self.said("patternProperties").next().is_some()
    }

    /// The shape of the values of keys that the schema does not name.
    pub(super) fn others(&self) -> Option<Self> {
        let schema = self
            .said("additionalProperties")
            .find(|schema| !is_false(schema))?;
        Some(Self::of(self.root, schema))
    }

    /// The shape of a key's value.
    pub(super) fn key(&self, key: &str) -> Option<Self> {
        let mut shape = Self {
            any: false,
            ..self.nothing()
        };
        for schema in self
            .said("properties")
            .filter_map(|properties| properties.get(key))
        {
            shape.collect(schema, 0);
        }
        if shape.parts.is_empty() && !shape.any {
            self.others()
        } else {
            Some(shape)
        }
    }

    /// The shape that says nothing, for what the schema does not describe.
    pub(super) fn nothing(&self) -> Self {
        Self {
            root: self.root,
            parts: Vec::new(),
            any: true,
        }
    }

    /// The shape of a list's elements.
    pub(super) fn items(&self) -> Option<Self> {
        self.said("items")
            .next()
            .map(|schema| Self::of(self.root, schema))
    }

    /// Whether the key must be given.
    pub(super) fn requires(&self, key: &str) -> bool {
        self.said("required")
            .filter_map(Json::as_array)
            .flatten()
            .any(|required| required == key)
    }

    /// The JSON types that the schema takes, without `null`; empty if it takes all.
    pub(super) fn types(&self) -> Vec<&'s str> {
        let mut types: Vec<&str> = Vec::new();
        let mut add = |name: &'s str| {
            if name != "null" && !types.contains(&name) {
                types.push(name);
            }
        };
        if self.any {
            return Vec::new();
        }
        for part in &self.parts {
            match (part.get("type"), part.get("enum"), part.get("const")) {
                (Some(Json::String(name)), _, _) => add(name),
                (Some(Json::Array(names)), _, _) => names.iter().filter_map(Json::as_str).for_each(&mut add),
                (None, Some(Json::Array(words)), _) => words.iter().for_each(|word| add(type_of(word))),
                (None, _, Some(word)) => add(type_of(word)),
                // A schema that only adds words of documentation, or only leads to others, says nothing on its own.
                _ if ["$ref", "anyOf", "oneOf", "allOf", "properties"]
                    .iter()
                    .any(|word| part.contains_key(*word)) => {}
                _ => return Vec::new(),
            }
        }
        types
    }

    /// The words that the schema takes, each with its description.
    pub(super) fn words(&self) -> Vec<(&'s Json, Option<&'s str>)> {
        let mut words = Vec::new();
        for part in &self.parts {
            if let Some(word) = part.get("const") {
                words.push((word, part.get("description").and_then(Json::as_str)));
            }
            words.extend(
                part.get("enum")
                    .and_then(Json::as_array)
                    .into_iter()
                    .flatten()
                    .map(|word| (word, None)),
            );
        }
        words
    }

    /// The description at this place itself; of a referenced type only if there is none.
    pub(super) fn description(&self) -> Option<&'s str> {
        let own = self.parts.last().and_then(|part| part.get("description"));
        let referenced = self
            .parts
            .iter()
            .filter(|part| !part.contains_key("const"))
            .find_map(|part| part.get("description"));
        own.or(referenced)
            .and_then(Json::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A value to show where there is no default.
    pub(super) fn example(&self) -> Option<&'s Json> {
        let example = self.said("examples").filter_map(Json::as_array).flatten().next();
        example
            .or_else(|| self.said("default").next())
            .filter(|value| !value.is_null())
    }
}

fn is_false(schema: &Json) -> bool {
    *schema == Json::Bool(false)
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}
