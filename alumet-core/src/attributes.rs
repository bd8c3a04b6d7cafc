//! Attributes: what else tells one series of a metric from another.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The value of an attribute.
///
/// Floats are compared by their bits, so that attributes can be part of the identity of a series.
#[derive(Debug, Clone)]
pub enum AttributeValue {
    /// An unsigned integer.
    U64(u64),
    /// A signed integer.
    I64(i64),
    /// A floating point number.
    F64(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(Arc<str>),
    /// A list of unsigned integers, such as job ids.
    ListU64(Arc<[u64]>),
}

impl PartialEq for AttributeValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::U64(a), Self::U64(b)) => a == b,
            (Self::I64(a), Self::I64(b)) => a == b,
            (Self::F64(a), Self::F64(b)) => a.to_bits() == b.to_bits(),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::ListU64(a), Self::ListU64(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for AttributeValue {}

impl Hash for AttributeValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::U64(value) => value.hash(state),
            Self::I64(value) => value.hash(state),
            Self::F64(value) => value.to_bits().hash(state),
            Self::Bool(value) => value.hash(state),
            Self::Text(value) => value.hash(state),
            Self::ListU64(value) => value.hash(state),
        }
    }
}

/// Numbers as in Rust, texts as they are, lists as `1,2,3`.
impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U64(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
            Self::ListU64(values) => values.iter().enumerate().try_for_each(|(index, value)| {
                let separator = if index == 0 { "" } else { "," };
                write!(f, "{separator}{value}")
            }),
        }
    }
}

macro_rules! attribute_from {
    ($($type:ty => |$value:ident| $into:expr),* $(,)?) => {
        $(impl From<$type> for AttributeValue {
            fn from($value: $type) -> Self {
                $into
            }
        })*
    };
}

attribute_from! {
    u64 => |value| Self::U64(value),
    u32 => |value| Self::U64(value.into()),
    i64 => |value| Self::I64(value),
    f64 => |value| Self::F64(value),
    bool => |value| Self::Bool(value),
    &str => |value| Self::Text(value.into()),
    String => |value| Self::Text(value.into()),
    Arc<str> => |value| Self::Text(value),
    Cow<'_, str> => |value| Self::Text(value.into()),
    Vec<u64> => |value| Self::ListU64(value.into()),
}

/// The key of an attribute.
pub type AttributeKey = Cow<'static, str>;

/// A set of attributes, sorted by key, one value per key; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attributes(Option<Arc<[(AttributeKey, AttributeValue)]>>);

impl Attributes {
    /// No attributes.
    pub const EMPTY: Self = Self(None);

    /// These attributes and one more; a value that the key had is replaced.
    pub fn with(&self, key: impl Into<AttributeKey>, value: impl Into<AttributeValue>) -> Self {
        let one = (key.into(), value.into());
        self.iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .chain([one])
            .collect()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&AttributeValue> {
        let (_, value) = self.iter().find(|(candidate, _)| *candidate == key)?;
        Some(value)
    }

    /// All attributes, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&AttributeKey, &AttributeValue)> {
        self.0
            .as_deref()
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| (key, value))
    }

    /// A name for each attribute, in their order, that stands for nothing else where all of them and those in `taken` stand: what
    /// `name_of` makes of its key, and what `another` makes of that as long as it is not free.
    pub fn names(
        &self,
        taken: &[&str],
        name_of: impl Fn(&str) -> String,
        another: impl Fn(&mut String),
    ) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(self.len());
        for (key, _) in self.iter() {
            let mut name = name_of(key);
            while taken.contains(&&*name) || names.contains(&name) {
                another(&mut name);
            }
            names.push(name);
        }
        names
    }

    /// How many attributes there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Of several values for one key, the last one stays.
impl<K: Into<AttributeKey>, V: Into<AttributeValue>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut entries: Vec<(AttributeKey, AttributeValue)> = Vec::new();
        for (key, value) in pairs {
            let (key, value) = (key.into(), value.into());
            match entries.binary_search_by(|(candidate, _)| candidate.cmp(&key)) {
                Ok(index) => entries[index].1 = value,
                Err(index) => entries.insert(index, (key, value)),
            }
        }
        Self((!entries.is_empty()).then(|| entries.into()))
    }
}

/// `{key=value, …}`.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (key, value)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{key}={value}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, RandomState};

    #[test]
    fn a_key_has_one_value_and_the_last_one_wins() {
        let attributes = Attributes::from_iter([("b", 1_u64), ("a", 2), ("b", 3)]);
        assert_eq!(attributes.to_string(), "{a=2, b=3}");
        assert_eq!(attributes.with("a", "x").to_string(), "{a=x, b=3}");
    }

    #[test]
    fn no_name_is_there_twice() {
        let attributes: Attributes = ["_a", "_value", "a", "a.b", "a_b", "value"]
            .into_iter()
            .map(|key| (key, true))
            .collect();
        let names = attributes.names(
            &["value"],
            |key| key.replace('.', "_"),
            |name| name.insert(0, '_'),
        );
        assert_eq!(names, ["_a", "_value", "a", "a_b", "_a_b", "__value"]);
    }

    #[test]
    fn the_order_of_insertion_is_not_part_of_the_identity() {
        let one = Attributes::EMPTY.with("x", 1_u64).with("y", 2_u64);
        let two = Attributes::EMPTY.with("y", 2_u64).with("x", 1_u64);
        assert_eq!(one, two);
        assert_eq!(
            Attributes::from_iter(Vec::<(String, u64)>::new()),
            Attributes::EMPTY
        );
    }

    #[test]
    fn lists_print_without_a_trailing_comma() {
        assert_eq!(AttributeValue::from(vec![12, 3]).to_string(), "12,3");
        assert_eq!(AttributeValue::from(Vec::<u64>::new()).to_string(), "");
    }

    #[test]
    fn numbers_of_different_types_differ() {
        assert_ne!(AttributeValue::U64(1), AttributeValue::I64(1));
        assert_eq!(AttributeValue::F64(f64::NAN), AttributeValue::F64(f64::NAN));
    }

    #[test]
    fn every_value_equals_itself_and_no_other() {
        let values = || -> Vec<AttributeValue> {
            vec![
                1_u64.into(),
                2_u64.into(),
                1_i64.into(),
                (-1_i64).into(),
                1.0.into(),
                (-0.0).into(),
                0.0.into(),
                true.into(),
                false.into(),
                "1".into(),
                "".into(),
                vec![1].into(),
                vec![1, 2].into(),
            ]
        };
        let hasher = RandomState::new();
        for (i, left) in values().iter().enumerate() {
            for (j, right) in values().iter().enumerate() {
                assert_eq!(left == right, i == j, "{left:?} and {right:?}");
                if i == j {
                    assert_eq!(hasher.hash_one(left), hasher.hash_one(right), "{left:?}");
                }
            }
        }
    }

    #[test]
    fn a_value_is_found_by_its_key_alone() {
        let attributes = Attributes::from_iter([("b", 1_u64), ("c", 2), ("a", 3)]);
        for (key, value) in [("a", 3), ("b", 1), ("c", 2)] {
            assert_eq!(attributes.get(key), Some(&AttributeValue::U64(value)), "{key}");
        }
        assert_eq!(attributes.get("ab"), None);
        assert_eq!(Attributes::EMPTY.get("a"), None);
        assert_eq!((attributes.len(), attributes.is_empty()), (3, false));
        assert_eq!((Attributes::EMPTY.len(), Attributes::EMPTY.is_empty()), (0, true));
    }
}
