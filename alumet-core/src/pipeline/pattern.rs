//! Patterns that select elements: `sources/procfs/*`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::element::{ElementKey, ElementKind};

/// Selects elements by kind, plugin and name.
///
/// Written `kind/plugin/name`; the last parts may be left out. The kind is `source`, `transform`, `output` (also in
/// plural, or as `src`, `tra`, `out`) or `*`; the other parts may have one `*` at their start or end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    kind: Option<ElementKind>,
    plugin: Glob,
    name: Glob,
}

/// A text with at most one `*`, at its start or end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Glob(Cow<'static, str>);

/// A text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no pattern: {why}; write it as `kind/plugin/name`, for example `sources/procfs/*`")]
pub struct PatternError {
    text: String,
    why: &'static str,
}

impl Pattern {
    /// Selects everything.
    pub const fn all() -> Self {
        Self::of(None, Glob::ANY)
    }

    /// Selects all elements of one kind.
    pub const fn kind(kind: ElementKind) -> Self {
        Self::of(Some(kind), Glob::ANY)
    }

    /// Selects all elements of one plugin.
    pub fn plugin(plugin: &str) -> Self {
        Self::of(None, Glob(Cow::Owned(plugin.to_owned())))
    }

    /// Selects this element, whose name has no `*`.
    pub(super) fn element(key: &ElementKey) -> Self {
        Self {
            kind: Some(key.kind),
            plugin: Glob(Cow::Owned(key.plugin.clone())),
            name: Glob(Cow::Owned(key.name.clone())),
        }
    }

    const fn of(kind: Option<ElementKind>, plugin: Glob) -> Self {
        let name = Glob::ANY;
        Self { kind, plugin, name }
    }

    /// Whether the pattern selects `key`.
    pub fn matches(&self, key: &ElementKey) -> bool {
        self.kind.is_none_or(|kind| kind == key.kind)
            && self.plugin.matches(&key.plugin)
            && self.name.matches(&key.name)
    }
}

impl Glob {
    const ANY: Self = Self(Cow::Borrowed("*"));

    fn parse(text: &str) -> Result<Self, &'static str> {
        let fixed = text.strip_prefix('*').or(text.strip_suffix('*')).unwrap_or(text);
        if text.is_empty() {
            Err("a part is empty")
        } else if fixed.contains('*') {
            Err("a part may have one `*`, at its start or end")
        } else {
            Ok(Self(Cow::Owned(text.to_owned())))
        }
    }

    fn matches(&self, text: &str) -> bool {
        match (self.0.strip_prefix('*'), self.0.strip_suffix('*')) {
            (Some(end), _) => text.ends_with(end),
            (None, Some(start)) => text.starts_with(start),
            (None, None) => text == self.0,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.kind.map_or("*", ElementKind::name),
            self.plugin.0,
            self.name.0
        )
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = |why| PatternError {
            text: text.to_owned(),
            why,
        };
        let mut parts = text.splitn(3, '/');
        let kind = match parts.next().unwrap_or_default() {
            "src" | "source" | "sources" => Some(ElementKind::Source),
            "tra" | "transform" | "transforms" => Some(ElementKind::Transform),
            "out" | "output" | "outputs" => Some(ElementKind::Output),
            "*" | "all" | "any" => None,
            _ => return Err(error("the kind is none of source, transform, output and *")),
        };
        let mut glob = || parts.next().map_or(Ok(Glob::ANY), Glob::parse);
        Ok(Self {
            kind,
            plugin: glob().map_err(error)?,
            name: glob().map_err(error)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(kind: ElementKind, plugin: &str, name: &str) -> ElementKey {
        ElementKey::new(kind, plugin, name)
    }

    #[test]
    fn patterns_select_by_kind_plugin_and_name() {
        let kernel = key(ElementKind::Source, "procfs", "kernel");
        let csv = key(ElementKind::Output, "csv", "out/1");
        for (pattern, selects_kernel, selects_csv) in [
            ("*", true, true),
            ("all/procfs", true, false),
            ("src/*/kern*", true, false),
            ("sources/*fs/*nel", true, false),
            ("source/procfs/memory", false, false),
            ("out/csv/out/1", false, true),
            ("tra/*/*", false, false),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(
                (pattern.matches(&kernel), pattern.matches(&csv)),
                (selects_kernel, selects_csv),
                "{pattern}"
            );
        }
    }

    #[test]
    fn wrong_patterns_are_answered_with_the_right_form() {
        for text in ["", "x/y/z", "src/a*b/c", "src/*a*/c", "src//c", "src/**"] {
            let error = text.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains("kind/plugin/name"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_what_is_parsed_survives_its_text(text in "[a-z*/]{0,12}|src/[a-z*]{0,4}/[a-z*]{0,4}") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert_eq!(pattern.to_string().parse::<Pattern>().unwrap(), pattern);
            }
        }
    }
}
