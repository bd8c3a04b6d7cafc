//! Decimal and binary multiples.

use super::Unit;

/// Everything that is written about one prefix.
pub(super) struct Row {
    pub(super) code: &'static str,
    pub(super) symbol: &'static str,
    pub(super) word: &'static str,
    /// The multiple as a UCUM term of its own.
    pub(super) term: &'static str,
    pub(super) power: &'static str,
    /// The multiple as an exact fraction.
    pub(super) ratio: (u64, u64),
}

macro_rules! prefixes {
    ($($name:ident $method:ident [$code:literal, $symbol:literal, $word:literal, $term:literal, $power:literal, $ratio:expr],)+) => {
        /// A multiple or fraction of a base unit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum Prefix {
            /// One: no prefix.
            #[default]
            Plain,
            $(#[doc = concat!($power, ".")]
            $name,)+
        }

        impl Prefix {
            /// Every prefix: none, then the decimal ones and the binary ones, from the smallest to the largest.
            pub const ALL: [Self; 1 + [$($word),+].len()] = [Self::Plain, $(Self::$name),+];

            pub(super) const fn row(self) -> Row {
                let (code, symbol, word, term, power, ratio) = match self {
                    Self::Plain => ("", "", "", "10*0", "1", (1, 1)),
                    $(Self::$name => ($code, $symbol, $word, $term, $power, $ratio),)+
                };
                Row { code, symbol, word, term, power, ratio }
            }
        }

        impl Unit {
            $(#[doc = concat!($power, " times the base unit.")]
            pub const fn $method(self) -> Self {
                self.with_prefix(Prefix::$name)
            })+
        }
    };
}

// Code, symbol, word, UCUM term, power, ratio.
prefixes! {
    Pico pico ["p", "p", "pico", "10*-12", "10⁻¹²", (1, 1_000_000_000_000)],
    Nano nano ["n", "n", "nano", "10*-9", "10⁻⁹", (1, 1_000_000_000)],
    Micro micro ["u", "μ", "micro", "10*-6", "10⁻⁶", (1, 1_000_000)],
    Milli milli ["m", "m", "milli", "10*-3", "10⁻³", (1, 1_000)],
    Kilo kilo ["k", "k", "kilo", "10*3", "10³", (1_000, 1)],
    Mega mega ["M", "M", "mega", "10*6", "10⁶", (1_000_000, 1)],
    Giga giga ["G", "G", "giga", "10*9", "10⁹", (1_000_000_000, 1)],
    Tera tera ["T", "T", "tera", "10*12", "10¹²", (1_000_000_000_000, 1)],
    Kibi kibi ["Ki", "Ki", "kibi", "1024", "2¹⁰", (1 << 10, 1)],
    Mebi mebi ["Mi", "Mi", "mebi", "1048576", "2²⁰", (1 << 20, 1)],
    Gibi gibi ["Gi", "Gi", "gibi", "1073741824", "2³⁰", (1 << 30, 1)],
    Tebi tebi ["Ti", "Ti", "tebi", "1099511627776", "2⁴⁰", (1 << 40, 1)],
}

impl Prefix {
    /// The prefix as a word: `milli`; empty for none.
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// All ways in which the prefix is written before a unit.
    pub(super) fn spellings(self) -> impl Iterator<Item = &'static str> {
        // The micro sign (U+00B5) is on keyboards; the Greek letter (U+03BC) is what Unicode recommends.
        let keyboard = (self == Self::Micro).then_some("µ");
        let row = self.row();
        [row.code, row.symbol, row.word].into_iter().chain(keyboard)
    }
}
