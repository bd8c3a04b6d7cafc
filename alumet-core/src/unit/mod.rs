//! Units of measurement: a base unit with a decimal or binary prefix, written as [UCUM] codes.
//!
//! [UCUM]: https://ucum.org/ucum

mod base;
mod convert;
mod parse;
mod prefix;

use std::borrow::Cow;
use std::fmt;

pub use base::BaseUnit;
pub use prefix::Prefix;

/// The unit of a metric, such as `Unit::JOULE.milli()`.
///
/// Every unit has one [`code`](Self::code), and parsing that code gives the same unit back, custom units included.
/// Displaying a unit writes its code.
///
/// ```
/// # use alumet_core::unit::Unit;
/// const ENERGY: Unit = Unit::JOULE.milli();
/// assert_eq!(ENERGY.code(), "mJ");
/// assert_eq!(Unit::parse("mJ"), ENERGY);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unit {
    /// The multiple or fraction of the base unit.
    pub prefix: Prefix,
    /// What is counted, without the prefix.
    pub base: BaseUnit,
}

impl Unit {
    /// The base unit without a prefix.
    pub const fn plain(base: BaseUnit) -> Self {
        Self {
            prefix: Prefix::Plain,
            base,
        }
    }

    /// A unit that this module does not know, with its UCUM code (`g{CO2eq}`, `{page}`) and the symbol shown to
    /// people.
    ///
    /// The code is taken as it is: `Unit::custom("mJ", "mJ")` is not the millijoule. For text that may name a known
    /// unit use [`parse`](Self::parse).
    pub const fn custom(code: &'static str, symbol: &'static str) -> Self {
        Self::plain(BaseUnit::Custom {
            code: Cow::Borrowed(code),
            symbol: Cow::Borrowed(symbol),
        })
    }

    /// The same base unit with another prefix, which replaces the present one.
    pub const fn with_prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// The UCUM code: `mJ`, `us`, `KiBy`, `kW.h`.
    ///
    /// Where UCUM knows no prefix, the multiple is a factor of its own: `10*-3.%`, `10*3.{page}`. A custom unit whose
    /// code would read as another unit is written with a leading factor of one, so that it still parses back.
    pub fn code(&self) -> Cow<'_, str> {
        let natural = parse::natural_code(self);
        if matches!(self.base, BaseUnit::Custom { .. }) && Self::parse(&natural) != *self {
            return Cow::Owned(parse::opaque_code(self));
        }
        natural
    }

    /// The symbol shown to people: `mJ`, `μs`, `KiB`, `kWh`, `°C`, `%`; empty for a plain number.
    pub fn symbol(&self) -> Cow<'_, str> {
        match (self.prefix, &self.base) {
            (Prefix::Plain, base) => Cow::Borrowed(base.row().symbol),
            (prefix, BaseUnit::One) => Cow::Owned(format!("×{}", prefix.row().power)),
            (prefix, base) => Cow::Owned(format!("{}{}", prefix.row().symbol, base.row().symbol)),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.code())
    }
}
