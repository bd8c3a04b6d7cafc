//! Text to unit and back.
//!
//! A text is matched as a whole: `min` is no milli-`in`, because `in` is not a known unit, and becomes a custom unit.

use std::borrow::Cow;

use super::{BaseUnit, Prefix, Unit};

/// Stands before the code of a custom unit that would otherwise read as another unit. UCUM readers multiply by one.
const OPAQUE: &str = "1.";

impl Unit {
    /// The unit that `text` names: a UCUM code (`mJ`), a symbol (`μs`, `KiB`, `kWh`) or a prefix word with either
    /// (`milliJ`, `kiloB`).
    ///
    /// Every text names a unit: what is not known as a whole is a custom unit with that code. A lone `B` is the byte
    /// (in UCUM it would be the bel), and empty text is [`Unit::ONE`].
    pub fn parse(text: &str) -> Self {
        known(text)
            .or_else(|| opaque(text))
            .or_else(|| with_term(text))
            .or_else(|| with_custom_prefix(text))
            .unwrap_or_else(|| custom(Prefix::Plain, text))
    }
}

/// The shortest UCUM code of the unit, which for a custom unit might read as something else.
pub(super) fn natural_code(unit: &Unit) -> Cow<'_, str> {
    let (prefix, code) = (unit.prefix, unit.base.row().code);
    if prefix == Prefix::Plain {
        Cow::Borrowed(code)
    } else if unit.base == BaseUnit::One {
        Cow::Borrowed(prefix.row().term)
    } else if unit.base.is_metric() || (matches!(unit.base, BaseUnit::Custom { .. }) && is_metric_atom(code))
    {
        Cow::Owned(format!("{}{code}", prefix.row().code))
    } else {
        Cow::Owned(format!("{}.{code}", prefix.row().term))
    }
}

/// A code that always reads as a custom unit.
pub(super) fn opaque_code(unit: &Unit) -> String {
    format!("{OPAQUE}{}.{}", unit.prefix.row().term, unit.base.row().code)
}

fn custom(prefix: Prefix, text: &str) -> Unit {
    let code: Cow<'static, str> = Cow::Owned(text.to_owned());
    Unit {
        prefix,
        base: BaseUnit::Custom {
            symbol: code.clone(),
            code,
        },
    }
}

/// A known base unit with any spelling of a prefix: `kW.h`, `kWh`, `kiloWh`, `×10³`.
fn known(text: &str) -> Option<Unit> {
    if let Some(power) = text.strip_prefix('×') {
        let prefix = Prefix::ALL
            .into_iter()
            .find(|prefix| prefix.row().power == power)?;
        return Some(Unit {
            prefix,
            base: BaseUnit::One,
        });
    }
    for prefix in Prefix::ALL {
        for spelling in prefix.spellings() {
            let Some(rest) = text.strip_prefix(spelling) else {
                continue;
            };
            // A letter before a number is a name (`M1`), but the word is a multiple of one (`mega1`).
            let letter = prefix != Prefix::Plain && spelling != prefix.row().word;
            let bare_word = rest.is_empty() && prefix != Prefix::Plain;
            let base = BaseUnit::KNOWN
                .into_iter()
                .find(|base| rest == base.row().code || rest == base.row().symbol);
            if let Some(base) = base.filter(|base| *base != BaseUnit::One || !(letter || bare_word)) {
                return Some(Unit { prefix, base });
            }
        }
    }
    None
}

/// A custom unit behind the opaque mark: `1.10*0.J`.
fn opaque(text: &str) -> Option<Unit> {
    let (prefix, rest) = split_term(text.strip_prefix(OPAQUE)?)?;
    Some(custom(prefix, rest))
}

/// A multiple as a term of its own: `10*3`, `10*-3.%`, `1024.{page}`.
fn with_term(text: &str) -> Option<Unit> {
    if let Some(prefix) = Prefix::ALL.into_iter().find(|prefix| prefix.row().term == text) {
        return Some(Unit {
            prefix,
            base: BaseUnit::One,
        });
    }
    let (prefix, rest) = split_term(text)?;
    let known = BaseUnit::KNOWN.into_iter().find(|base| base.row().code == rest);
    Some(known.map_or_else(|| custom(prefix, rest), |base| Unit { prefix, base }))
}

fn split_term(text: &str) -> Option<(Prefix, &str)> {
    Prefix::ALL
        .into_iter()
        .find_map(|prefix| Some((prefix, text.strip_prefix(prefix.row().term)?.strip_prefix('.')?)))
}

/// A prefix right before a custom unit that may carry one: `kg{CO2eq}`.
fn with_custom_prefix(text: &str) -> Option<Unit> {
    Prefix::ALL
        .into_iter()
        .filter(|prefix| *prefix != Prefix::Plain)
        .find_map(|prefix| {
            text.strip_prefix(prefix.row().code)
                .filter(|rest| is_metric_atom(rest))
                .map(|rest| custom(prefix, rest))
        })
}

/// Whether a custom code is one that a prefix may precede without doubt: grams, or a metric unit with an annotation
/// (`g{CO2eq}`, `J{core}`).
fn is_metric_atom(code: &str) -> bool {
    code == "g"
        || code.strip_prefix('g').is_some_and(is_annotation)
        || BaseUnit::KNOWN
            .iter()
            .filter(|base| base.is_metric())
            .any(|base| code.strip_prefix(base.row().code).is_some_and(is_annotation))
}

/// Whether the text is one UCUM annotation, `{…}`.
fn is_annotation(text: &str) -> bool {
    text.strip_prefix('{')
        .and_then(|inner| inner.strip_suffix('}'))
        .is_some_and(|inner| !inner.contains(['{', '}']))
}
