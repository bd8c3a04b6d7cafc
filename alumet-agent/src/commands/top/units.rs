//! Numbers as people read them in a narrow column.

use clap::ValueEnum;

/// The units of power and energy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Units {
    /// Watts and joules
    #[value(name = "W")]
    W,
    /// Milliwatts and millijoules
    #[value(name = "mW")]
    Milli,
}

impl Units {
    /// The other one.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::W => Self::Milli,
            Self::Milli => Self::W,
        }
    }

    /// The symbol of the unit, of which `base` is the whole one.
    pub(super) fn symbol(self, base: &str) -> String {
        match self {
            Self::W => base.to_owned(),
            Self::Milli => format!("m{base}"),
        }
    }

    /// An amount in watts or joules, without its unit.
    pub(super) fn number(self, amount: f64) -> String {
        let (amount, finest) = match self {
            Self::W => (amount, 3),
            Self::Milli => (amount * 1000.0, 0),
        };
        let decimals = match amount.abs() {
            amount if amount >= 1000.0 => 0,
            amount if amount >= 100.0 => 1,
            amount if amount >= 10.0 => 2,
            _ => 3,
        };
        format!("{amount:.*}", decimals.min(finest))
    }

    /// The same with the unit.
    pub(super) fn quantity(self, amount: f64, base: &str) -> String {
        format!("{} {}", self.number(amount), self.symbol(base))
    }
}

/// A size in bytes, in at most five characters: `999`, `1.5K`, `1023M`, with steps of 1024.
pub(super) fn size(bytes: f64) -> String {
    let mut amount = bytes;
    let mut prefixes = ["", "K", "M", "G", "T", "P"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    // What would be rounded to four digits and more than 1023.
    while amount >= 1023.5
        && let Some(next) = prefixes.next()
    {
        (amount, prefix) = (amount / 1024.0, next);
    }
    match prefix {
        "" => format!("{amount:.0}"),
        _ if amount < 99.95 => format!("{amount:.1}{prefix}"),
        _ => format!("{amount:.0}{prefix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits_and_no_more_than_are_known() {
        for (amount, watts, milli) in [
            (0.0, "0.000", "0"),
            (0.01234, "0.012", "12"),
            (12.345, "12.35", "12345"),
            (123.45, "123.5", "123450"),
            (2345.6, "2346", "2345600"),
        ] {
            assert_eq!(Units::W.number(amount), watts);
            assert_eq!(Units::Milli.number(amount), milli);
        }
        assert_eq!(Units::Milli.quantity(0.5, "W"), "500 mW");
    }

    #[test]
    fn sizes_fit_into_five_characters() {
        for (bytes, text) in [
            (0.0, "0"),
            (1023.0, "1023"),
            (1024.0, "1.0K"),
            (1536.0, "1.5K"),
            (1023.9 * 1024.0, "1.0M"),
            (512.0 * 1024.0 * 1024.0, "512M"),
            (3.3e18, "2931P"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
