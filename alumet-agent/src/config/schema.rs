//! What a JSON schema says about one place of a configuration.

use schemars::Schema;
use serde_json::{Map, Value as Json};

use super::key_path::Step;

/// A schema, and below it the parts for the keys of a table and the elements of a list.
#[derive(Clone)]
pub(super) struct Shape<'s> {
    root: &'s Json,
    /// The parts of the schema at this place, references followed, and alternatives that are no tables; the last one is
    /// the place itself.
    parts: Vec<&'s Map<String, Json>>,
    /// Tables of which the value is one: the variants of an enum.
    variants: Vec<Self>,
    /// Anything goes.
    any: bool,
}

/// How many alternatives within alternatives are followed; a schema that contains itself ends here.
const DEEPEST: usize = 16;

impl<'s> Shape<'s> {
    /// The shape of the whole.
    pub(super) fn new(schema: &'s Schema) -> Self {
        Self::of(schema.as_value(), schema.as_value(), 0)
    }

    /// The shape that says nothing, for what no schema describes.
    pub(super) fn any() -> Self {
        static ANY: Json = Json::Bool(true);
        Self::of(&ANY, &ANY, 0)
    }

    fn of(root: &'s Json, schema: &'s Json, depth: usize) -> Self {
        let mut shape = Self {
            root,
            parts: Vec::new(),
            variants: Vec::new(),
            any: false,
        };
        let Json::Object(object) = schema else {
            shape.any = *schema != Json::Bool(false);
            return shape;
        };
        if depth > DEEPEST {
            shape.any = true;
            return shape;
        }
        if let Some(Json::String(reference)) = object.get("$ref") {
            let pointer = reference.strip_prefix('#');
            match pointer.and_then(|pointer| root.pointer(pointer)) {
                Some(target) => shape.absorb(Self::of(root, target, depth + 1)),
                None => shape.any = true,
            }
        }
        for part in list(object, "allOf") {
            shape.absorb(Self::of(root, part, depth + 1));
        }
        let is_null = |part: &&Json| part.get("type").is_some_and(|kind| kind == "null");
        let alternatives = list(object, "anyOf").chain(list(object, "oneOf"));
        let parts: Vec<Self> = alternatives
            .filter(|part| !is_null(part))
            .map(|part| Self::of(root, part, depth + 1))
            .collect();
        // Where there is one table, whatever stands beside it is none.
        let tables = parts.iter().filter(|part| !part.keys().is_empty()).count();
        for part in parts {
            match part.keys().is_empty() || tables == 1 {
                true => shape.absorb(part),
                false => shape.variants.push(part),
            }
        }
        shape.parts.push(object);
        shape
    }

    /// Takes what holds for another shape as well.
    fn absorb(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.variants.extend(other.variants);
        self.any |= other.any;
    }

    fn said(&self, word: &str) -> impl Iterator<Item = &'s Json> {
        self.parts.iter().filter_map(move |part| part.get(word))
    }

    /// The shape of this table: without the variants that it is not.
    pub(super) fn for_table(&self, table: &toml::Table) -> Self {
        let is_tagged = |variant: &&Self| match variant.tag() {
            Some((key, word)) => table.get(key).and_then(toml::Value::as_str) == Some(word),
            None => {
                matches!(variant.keys().as_slice(), [key] if variant.requires(key) && table.contains_key(*key))
            }
        };
        let mut shape = self.clone();
        if let Some(variant) = self.variants.iter().find(is_tagged) {
            shape.variants.clear();
            shape.absorb(variant.clone());
        }
        shape
    }

    /// The key that says which variant a table is, and what it says for this one.
    fn tag(&self) -> Option<(&'s str, &'s str)> {
        self.keys().into_iter().find_map(|key| {
            let shape = self.key(key).filter(|_| self.requires(key))?;
            match shape.words().as_slice() {
                [(Json::String(word), _)] => Some((key, word.as_str())),
                _ => None,
            }
        })
    }

    /// With which tags a table has the key, as `kind = "file"`; `None` if it always has it.
    pub(super) fn condition(&self, key: &str) -> Option<String> {
        let owners = self
            .variants
            .iter()
            .filter(|variant| variant.keys().contains(&key));
        let tags = owners.filter_map(Self::tag).filter(|(tag, _)| *tag != key);
        let tags: Vec<String> = tags.map(|(tag, word)| format!("`{tag} = \"{word}\"`")).collect();
        (!tags.is_empty()).then(|| tags.join(" or "))
    }

    /// The keys that a table may have here, each once.
    pub(super) fn keys(&self) -> Vec<&'s str> {
        let mut keys: Vec<&str> = Vec::new();
        let own = self.said("properties").filter_map(Json::as_object);
        let own = own.flat_map(|properties| properties.keys().map(String::as_str));
        for key in own.chain(self.variants.iter().flat_map(Self::keys)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Whether a table here may also have keys that the schema does not name.
    pub(super) fn is_open(&self) -> bool {
        let no_keys = self.keys().is_empty() && !self.said("additionalProperties").any(is_false);
        self.any || no_keys || self.others().is_some() || self.said("patternProperties").next().is_some()
    }

    /// The shape of the values of keys that the schema does not name.
    pub(super) fn others(&self) -> Option<Self> {
        let schema = self
            .said("additionalProperties")
            .find(|schema| !is_false(schema))?;
        Some(Self::of(self.root, schema, 0))
    }

    /// The shape of a key's value.
    pub(super) fn key(&self, key: &str) -> Option<Self> {
        let own = self
            .said("properties")
            .filter_map(|properties| properties.get(key));
        let own = own.map(|schema| Self::of(self.root, schema, 0));
        let of_variants = self
            .variants
            .iter()
            .filter(|variant| variant.keys().contains(&key));
        let mut all = own.chain(of_variants.filter_map(|variant| variant.key(key)));
        let Some(mut shape) = all.next() else {
            return self.others();
        };
        all.for_each(|other| shape.absorb(other));
        Some(shape)
    }

    /// The shape one step further down.
    pub(super) fn below(&self, step: &Step) -> Option<Self> {
        match step {
            Step::Key(key) => self.key(key),
            Step::Index(_) => self.items(),
        }
    }

    /// The shape of a list's elements.
    pub(super) fn items(&self) -> Option<Self> {
        let schema = self.said("items").next()?;
        Some(Self::of(self.root, schema, 0))
    }

    /// Whether the key must be given.
    pub(super) fn requires(&self, key: &str) -> bool {
        let mut required = self.parts.iter().flat_map(|part| list(part, "required"));
        required.any(|required| required == key)
    }

    /// Whether the value is not to be shown.
    pub(super) fn is_secret(&self) -> bool {
        self.said("writeOnly").any(|said| *said == Json::Bool(true))
    }

    /// Whether a value of this JSON type is taken.
    pub(super) fn takes(&self, kind: &str) -> bool {
        let own = self.types();
        let is_number = |own| own == "number" && kind == "integer";
        own.is_empty() || own.into_iter().any(|own| own == kind || is_number(own))
    }

    /// The least and the greatest integer that is taken.
    pub(super) fn bounds(&self) -> (Option<i64>, Option<i64>) {
        let bound = |word| self.said(word).find_map(Json::as_i64);
        (bound("minimum"), bound("maximum"))
    }

    /// The JSON types in words.
    pub(super) fn type_words(&self) -> String {
        let words = self.types().into_iter().map(|name| match name {
            "object" => "a table",
            "array" => "a list",
            "string" => "a string",
            "integer" if self.bounds().0 == Some(0) => "a non-negative integer",
            "integer" => "an integer",
            "boolean" => "a boolean",
            _ => "a number",
        });
        words.collect::<Vec<_>>().join(" or ")
    }

    /// The words that are taken, if no other string is.
    pub(super) fn words_only(&self) -> Option<Vec<&'s str>> {
        let is_free = |part: &Map<String, Json>| {
            part.get("type")
                .is_some_and(|kind| kind == "string" || kind.as_array().is_some())
                && !part.contains_key("const")
                && !part.contains_key("enum")
        };
        if self.any || self.parts.iter().any(|part| is_free(part)) {
            return None;
        }
        let words = self.words().into_iter();
        let words: Vec<&str> = words.filter_map(|(word, _)| word.as_str()).collect();
        (!words.is_empty()).then_some(words)
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
        if !self.variants.is_empty() {
            add("object");
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
        let of_part = |part: &&'s Map<String, Json>| {
            let description = part.get("description").and_then(Json::as_str);
            let only = part.get("const").map(|word| (word, description));
            only.into_iter()
                .chain(list(part, "enum").map(|word| (word, None)))
        };
        self.parts.iter().flat_map(of_part).collect()
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

    /// What the key has where its table does not give it, if that is something.
    pub(super) fn default(&self) -> Option<&'s Json> {
        let own = self.parts.last()?.get("default");
        own.filter(|value| !value.is_null())
    }

    /// A value to show where there is no default.
    pub(super) fn example(&self) -> Option<&'s Json> {
        let parts = self.parts.iter().rev();
        parts.flat_map(|part| list(part, "examples")).next()
    }
}

/// The elements that the schema gives under a word.
fn list<'s>(part: &'s Map<String, Json>, word: &str) -> impl Iterator<Item = &'s Json> + use<'s> {
    part.get(word).and_then(Json::as_array).into_iter().flatten()
}

fn is_false(schema: &Json) -> bool {
    *schema == Json::Bool(false)
}

pub(super) fn type_of(value: &Json) -> &'static str {
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
