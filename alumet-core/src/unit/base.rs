//! What is counted, before any prefix.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::mem;

use super::Unit;

/// What a base unit measures; only units of one dimension convert.
#[derive(PartialEq)]
pub(super) enum Dimension<'a> {
    Number,
    Time,
    Power,
    Energy,
    Tension,
    Current,
    Frequency,
    Temperature,
    Data,
    Custom(&'a str),
}

/// Everything that is known about a base unit.
pub(super) struct Row<'a> {
    /// The UCUM code; for a custom unit the text it was made from.
    pub(super) code: &'a str,
    pub(super) symbol: &'a str,
    pub(super) dimension: Dimension<'a>,
    /// Its size in the first unit of its dimension, as numerator and denominator.
    pub(super) ratio: (u64, u64),
}

macro_rules! base_units {
    ($($(#[$doc:meta])+ $name:ident $constant:ident [$code:literal, $symbol:literal, $dimension:ident, $ratio:expr],)+) => {
        /// A unit without its prefix.
        ///
        /// Two custom units are equal when their codes are: the symbol is presentation and does not travel with the code.
        #[derive(Debug, Clone)]
        pub enum BaseUnit {
            $($(#[$doc])+
            $name,)+
            /// A unit that this module does not know.
            Custom {
                /// The UCUM code, such as `g{CO2eq}`.
                code: Cow<'static, str>,
                /// The symbol shown to people.
                symbol: Cow<'static, str>,
            },
        }

        impl BaseUnit {
            /// Every base unit but the custom ones.
            pub const KNOWN: [Self; [$($code),+].len()] = [$(Self::$name),+];

            pub(super) fn row(&self) -> Row<'_> {
                let (code, symbol, dimension, ratio): (&str, &str, _, _) = match self {
                    $(Self::$name => ($code, $symbol, Dimension::$dimension, $ratio),)+
                    Self::Custom { code, symbol } => (code, symbol, Dimension::Custom(code), (1, 1)),
                };
                Row { code, symbol, dimension, ratio }
            }
        }

        impl Unit {
            $($(#[$doc])+
            pub const $constant: Self = Self::plain(BaseUnit::$name);)+
        }
    };
}

// Code, symbol, dimension, ratio.
base_units! {
    /// A plain number, `1`.
    One ONE ["1", "", Number, (1, 1)],
    /// Time, `s`.
    Second SECOND ["s", "s", Time, (1, 1)],
    /// Power, `W`.
    Watt WATT ["W", "W", Power, (1, 1)],
    /// Energy, `J`.
    Joule JOULE ["J", "J", Energy, (1, 1)],
    /// Energy, `W.h`: 3600 joules.
    WattHour WATT_HOUR ["W.h", "Wh", Energy, (3600, 1)],
    /// Electric tension, `V`.
    Volt VOLT ["V", "V", Tension, (1, 1)],
    /// Electric current, `A`.
    Ampere AMPERE ["A", "A", Current, (1, 1)],
    /// Frequency, `Hz`.
    Hertz HERTZ ["Hz", "Hz", Frequency, (1, 1)],
    /// Temperature, `Cel`.
    Celsius CELSIUS ["Cel", "°C", Temperature, (1, 1)],
    /// Temperature, `[degF]`.
    Fahrenheit FAHRENHEIT ["[degF]", "°F", Temperature, (5, 9)],
    /// Data, `By`: eight bits.
    Byte BYTE ["By", "B", Data, (8, 1)],
    /// Data, `bit`.
    Bit BIT ["bit", "bit", Data, (1, 1)],
    /// Hundredths, `%`; the whole is 100.
    Percent PERCENT ["%", "%", Number, (1, 100)],
}

impl BaseUnit {
    /// Whether UCUM lets a prefix stand right before this known unit. Custom units are judged by their text.
    pub(super) fn is_metric(&self) -> bool {
        !matches!(
            self,
            Self::One | Self::Percent | Self::Fahrenheit | Self::Custom { .. }
        )
    }
}

impl PartialEq for BaseUnit {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom { code: left, .. }, Self::Custom { code: right, .. }) => left == right,
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }
}

impl Eq for BaseUnit {}

impl Hash for BaseUnit {
    fn hash<H: Hasher>(&self, state: &mut H) {
        mem::discriminant(self).hash(state);
        if let Self::Custom { code, .. } = self {
            code.hash(state);
        }
    }
}
