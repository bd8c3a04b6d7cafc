//! Tree to Rust type, with the place of everything that does not fit.
//!
//! Serde stops at the first error. To tell all of them, the value that did not fit is left out and the type is read
//! again, with its default in that place, until nothing is wrong or too much is.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fit_error::{Fit, FitError};
use super::key_path::{KeyPath, Step};
use super::place::Place;
use super::problem::{ConfigError, Problems};
use super::suggest::nearest;
use super::tree::{Entry, Node, Table, Value};

/// Reads a `T` from the tree under `path`.
///
/// Also gives the tables of which serde knows all keys, by [`address`].
pub(super) fn read<T: DeserializeOwned>(
    root: &Node,
    path: &KeyPath,
) -> Result<(T, HashSet<usize>), Problems> {
    let reading = Reading::default();
    let here = Here {
        node: root,
        path: Path::Root(path),
        reading: &reading,
    };
    loop {
        let error = match T::deserialize(here) {
            Ok(value) => {
                let mut problems = reading.problems.into_inner();
                problems.sort();
                return problems.or_ok((value, reading.closed.into_inner()));
            }
            Err(error) => error.at(&here),
        };
        // Without a problem the value cannot be read only because a part of it was left out: all of it has to go.
        let (left_out, problem) = error.into_problem(path);
        if let Some(problem) = problem {
            reading.problems.borrow_mut().push(problem);
        }
        let goes_on =
            left_out.is_some_and(|node| node != address(root) && reading.left_out.borrow_mut().insert(node));
        if !goes_on || reading.problems.borrow().is_full() {
            let mut problems = reading.problems.into_inner();
            problems.sort();
            return Err(problems);
        }
    }
}

/// What one node is known by while the tree is borrowed.
pub(super) fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

/// What all attempts to read the same tree have in common.
#[derive(Default)]
struct Reading {
    problems: RefCell<Problems>,
    /// The nodes that did not fit, by address.
    left_out: RefCell<HashSet<usize>>,
    /// The tables that were read as a struct, by address.
    closed: RefCell<HashSet<usize>>,
}

/// The way to a node, as a list on the stack.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root(&'a KeyPath),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

/// One node being read.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    node: &'a Node,
    path: Path<'a>,
    reading: &'a Reading,
}

impl Path<'_> {
    fn to_key_path(self) -> KeyPath {
        match self {
            Path::Root(path) => path.clone(),
            Path::Key(parent, key) => parent.to_key_path().key(key),
            Path::Index(parent, index) => parent.to_key_path().index(index),
        }
    }
}

impl<'a> Here<'a> {
    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    pub(super) fn key_path(&self) -> KeyPath {
        self.path.to_key_path()
    }

    fn left_out(&self, node: &Node) -> bool {
        self.reading.left_out.borrow().contains(&address(node))
    }

    /// Whether the table has the key, but its value was left out.
    pub(super) fn lost(&self, key: &str) -> bool {
        let entry = self.node.table().and_then(|table| table.entries.get(key));
        entry.is_some_and(|entry| self.left_out(&entry.node))
    }

    fn wrong_type(&self, expected: &str) -> FitError {
        Fit::WrongType {
            expected: expected.to_owned(),
            found: self.node.kind().to_owned(),
        }
        .into()
    }

    /// A string from the environment that is to be a number or a boolean is read as one.
    fn scalar(&self) -> Option<Value> {
        self.node.scalar_reading()
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        match &self.node.value {
            Value::Table(table) => visitor.visit_map(Entries::new(&self, table, &[])),
            Value::Array(items) => visitor.visit_seq(Items {
                here: &self,
                items: items.iter().enumerate(),
            }),
            value => scalar(value, visitor),
        }
    }
}

fn scalar<'de, V: Visitor<'de>>(value: &Value, visitor: V) -> Result<V::Value, FitError> {
    match value {
        Value::String(text) => visitor.visit_str(text),
        Value::Integer(number) => visitor.visit_i64(*number),
        Value::Float(number) => visitor.visit_f64(*number),
        Value::Boolean(truth) => visitor.visit_bool(*truth),
        Value::Datetime(time) => {
            // The form in which the `Deserialize` of `toml::value::Datetime` takes it.
            let form = std::iter::once(("$__toml_private_datetime", time.to_string()));
            visitor.visit_map(MapDeserializer::new(form))
        }
        Value::Table(_) | Value::Array(_) => Err(de::Error::custom("a single value is wanted")),
    }
}

macro_rules! scalars {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
            match self.scalar() {
                Some(value) => scalar(&value, visitor),
                None => self.any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Here<'_> {
    type Error = FitError;

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        self.any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FitError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FitError> {
        match &self.node.value {
            Value::Table(table) => {
                self.reading.closed.borrow_mut().insert(address(self.node));
                visitor.visit_map(Entries {
                    closed: true,
                    ..Entries::new(&self, table, fields)
                })
            }
            // Serde would take the fields of the struct from a list by their order.
            Value::Array(_) => Err(self.wrong_type("a table")),
            _ => self.any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FitError> {
        match &self.node.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Table(table) => {
                self.reading.closed.borrow_mut().insert(address(self.node));
                let mut entries = table.entries.iter();
                match (entries.next(), entries.next()) {
                    (Some((name, entry)), None) => visitor.visit_enum(Variant {
                        here: &self,
                        name,
                        entry,
                    }),
                    _ => Err(de::Error::invalid_value(
                        de::Unexpected::Map,
                        &"a table with exactly one key",
                    )),
                }
            }
            _ => Err(self.wrong_type("a string or a table")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FitError> {
        visitor.visit_unit()
    }
}

/// The entries of a table.
struct Entries<'a> {
    here: &'a Here<'a>,
    rest: toml::map::Iter<'a, String, Entry>,
    fields: &'static [&'static str],
    /// Only `fields` are allowed.
    closed: bool,
    current: Option<(&'a str, &'a Entry)>,
}

impl<'a> Entries<'a> {
    fn new(here: &'a Here<'a>, table: &'a Table, fields: &'static [&'static str]) -> Self {
        Self {
            here,
            rest: table.entries.iter(),
            fields,
            closed: false,
            current: None,
        }
    }

    fn child(&self, name: &'a str, entry: &'a Entry) -> Here<'a> {
        let here = self.here;
        Here {
            node: &entry.node,
            path: Path::Key(&here.path, name),
            reading: here.reading,
        }
    }

    /// Keeps an unknown key, once, and goes on without it.
    fn unknown(&self, name: &str, entry: &Entry) {
        let problem = || unknown_key(&entry.key, self.here.key_path().key(name), self.fields);
        self.here.reading.problems.borrow_mut().push_with(problem);
        self.here
            .reading
            .left_out
            .borrow_mut()
            .insert(address(&entry.node));
    }
}

/// The problem of a key that is none of `known`.
pub(super) fn unknown_key(place: &Place, path: KeyPath, known: &[&str]) -> ConfigError {
    let nearest = match path.steps().last() {
        Some(Step::Key(name)) => nearest(name, known.iter().copied()).map(str::to_owned),
        _ => None,
    };
    let known = known.iter().map(|key| (*key).to_owned()).collect();
    ConfigError::UnknownKey {
        place: place.clone(),
        path,
        nearest,
        known,
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = FitError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FitError> {
        loop {
            let Some((name, entry)) = self.rest.next() else {
                return Ok(None);
            };
            if self.here.left_out(&entry.node) {
                continue;
            }
            if self.closed && !self.fields.contains(&name.as_str()) {
                self.unknown(name, entry);
                continue;
            }
            self.current = Some((name, entry));
            let key: StrDeserializer<'_, FitError> = name.as_str().into_deserializer();
            return match seed.deserialize(key) {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(error.at_key(&self.child(name, entry), &entry.key)),
            };
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, FitError> {
        let (name, entry) = self
            .current
            .take()
            .ok_or_else(|| <FitError as de::Error>::custom("a value without a key"))?;
        let child = self.child(name, entry);
        seed.deserialize(child).map_err(|error| error.at(&child))
    }
}

/// The elements of a list.
struct Items<'a> {
    here: &'a Here<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = FitError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, FitError> {
        let here = self.here;
        let Some((index, node)) = self.items.find(|(_, node)| !here.left_out(node)) else {
            return Ok(None);
        };
        let child = Here {
            node,
            path: Path::Index(&here.path, index),
            reading: here.reading,
        };
        seed.deserialize(child)
            .map(Some)
            .map_err(|error| error.at(&child))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// A table with one key, which names a variant.
struct Variant<'a> {
    here: &'a Here<'a>,
    name: &'a str,
    entry: &'a Entry,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = FitError;
    type Variant = VariantContent<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), FitError> {
        let Self { here, name, entry } = self;
        let content = Here {
            node: &entry.node,
            path: Path::Key(&here.path, name),
            reading: here.reading,
        };
        let key: StrDeserializer<'_, FitError> = name.into_deserializer();
        match seed.deserialize(key) {
            Ok(variant) => Ok((variant, VariantContent(content))),
            Err(error) => Err(error.at_key(&content, &entry.key)),
        }
    }
}

/// What a variant holds.
struct VariantContent<'a>(Here<'a>);

impl<'de> VariantAccess<'de> for VariantContent<'_> {
    type Error = FitError;

    fn unit_variant(self) -> Result<(), FitError> {
        match self.0.node.table() {
            Some(table) if table.entries.is_empty() => Ok(()),
            _ => {
                let error: FitError =
                    de::Error::custom("this variant holds nothing: write its name as a string");
                Err(error.at(&self.0))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, FitError> {
        seed.deserialize(self.0).map_err(|error| error.at(&self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, FitError> {
        self.0.any(visitor).map_err(|error| error.at(&self.0))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FitError> {
        self.0
            .deserialize_struct("", fields, visitor)
            .map_err(|error| error.at(&self.0))
    }
}
