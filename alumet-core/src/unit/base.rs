//! What is counted, before any prefix.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::mem;

/// A unit without its prefix.
///
/// Two custom units are equal when their codes are: the symbol is presentation and does not travel with the code.
#[derive(Debug, Clone)]
pub enum BaseUnit {
    /// A plain number, `1`.
    One,
    /// Time, `s`.
    Second,
    /// Power, `W`.
    Watt,
    /// Energy, `J`.
    Joule,
    /// Energy, `W.h`: 3600 joules.
    WattHour,
    /// Electric tension, `V`.
    Volt,
    /// Electric current, `A`.
    Ampere,
    /// Frequency, `Hz`.
    Hertz,
    /// Temperature, `Cel`.
    Celsius,
    /// Temperature, `[degF]`.
    Fahrenheit,
    /// Data, `By`: eight bits.
    Byte,
    /// Data, `bit`.
    Bit,
    /// Hundredths, `%`; the whole is 100.
    Percent,
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
    pub const KNOWN: [Self; 13] = [
        Self::One,
        Self::Second,
        Self::Watt,
        Self::Joule,
        Self::WattHour,
        Self::Volt,
        Self::Ampere,
        Self::Hertz,
        Self::Celsius,
        Self::Fahrenheit,
        Self::Byte,
        Self::Bit,
        Self::Percent,
    ];

    /// UCUM code, symbol and OpenMetrics word.
    fn names(&self) -> (&str, &str, Option<&'static str>) {
        match self {
            Self::One => ("1", "", None),
            Self::Second => ("s", "s", Some("seconds")),
            Self::Watt => ("W", "W", Some("watts")),
            Self::Joule => ("J", "J", Some("joules")),
            Self::WattHour => ("W.h", "Wh", Some("watt_hours")),
            Self::Volt => ("V", "V", Some("volts")),
            Self::Ampere => ("A", "A", Some("amperes")),
            Self::Hertz => ("Hz", "Hz", Some("hertz")),
            Self::Celsius => ("Cel", "°C", Some("celsius")),
            Self::Fahrenheit => ("[degF]", "°F", Some("fahrenheit")),
            Self::Byte => ("By", "B", Some("bytes")),
            Self::Bit => ("bit", "bit", Some("bits")),
            Self::Percent => ("%", "%", None),
            Self::Custom { code, symbol } => (code, symbol, None),
        }
    }

    /// The UCUM code; for a custom unit the text it was made from, which [`Unit::code`](super::Unit::code) may have
    /// to mark.
    pub fn code(&self) -> &str {
        self.names().0
    }

    /// The symbol shown to people; empty for a plain number.
    pub fn symbol(&self) -> &str {
        self.names().1
    }

    /// The English plural that OpenMetrics names end in.
    pub fn word(&self) -> Option<&'static str> {
        self.names().2
    }

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
