//! Units: codes, symbols, parsing and conversion.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use alumet_core::unit::{BaseUnit, Prefix, Unit};
use proptest::prelude::*;

const MILLIJOULE: Unit = Unit::JOULE.milli();
const CARBON: Unit = Unit::custom("g{CO2eq}", "gCO₂e");

fn known_units() -> impl Iterator<Item = Unit> {
    Prefix::ALL
        .into_iter()
        .flat_map(|prefix| BaseUnit::KNOWN.map(|base| Unit { prefix, base }))
}

#[test]
fn codes_are_ucum_and_symbols_are_for_people() {
    for (unit, code, symbol) in [
        (MILLIJOULE, "mJ", "mJ"),
        (Unit::SECOND.micro(), "us", "μs"),
        (Unit::BYTE.kibi(), "KiBy", "KiB"),
        (Unit::BYTE.kilo(), "kBy", "kB"),
        (Unit::BIT.mega(), "Mbit", "Mbit"),
        (Unit::WATT_HOUR.kilo(), "kW.h", "kWh"),
        (Unit::WATT.tera(), "TW", "TW"),
        (Unit::CELSIUS, "Cel", "°C"),
        (Unit::FAHRENHEIT, "[degF]", "°F"),
        (Unit::PERCENT, "%", "%"),
        (Unit::PERCENT.milli(), "10*-3.%", "m%"),
        (Unit::ONE, "1", ""),
        (Unit::ONE.kilo(), "10*3", "×10³"),
        (Unit::ONE.mebi(), "1048576", "×2²⁰"),
        (CARBON, "g{CO2eq}", "gCO₂e"),
        (CARBON.kilo(), "kg{CO2eq}", "kgCO₂e"),
        (Unit::custom("{page}", "pages"), "{page}", "pages"),
        (Unit::custom("{page}", "pages").kilo(), "10*3.{page}", "kpages"),
    ] {
        assert_eq!(unit.code(), code);
        assert_eq!(unit.to_string(), code);
        assert_eq!(unit.symbol(), symbol);
        assert_eq!(Unit::parse(code), unit, "{code}");
    }
}

#[test]
fn every_known_unit_is_found_by_its_code_and_by_its_symbol() {
    for unit in known_units() {
        assert_eq!(Unit::parse(&unit.code()), unit, "code {}", unit.code());
        assert_eq!(Unit::parse(&unit.symbol()), unit, "symbol {}", unit.symbol());
    }
}

#[test]
fn no_two_units_share_a_code() {
    let codes: HashSet<_> = known_units().map(|unit| unit.code().into_owned()).collect();
    assert_eq!(codes.len(), known_units().count());
}

#[test]
fn words_of_the_original_are_understood() {
    for (text, unit) in [
        ("milliJ", MILLIJOULE),
        ("microW", Unit::WATT.micro()),
        ("nanos", Unit::SECOND.nano()),
        ("kiloB", Unit::BYTE.kilo()),
        ("kiloBy", Unit::BYTE.kilo()),
        ("megaHz", Unit::HERTZ.mega()),
        ("gigaW.h", Unit::WATT_HOUR.giga()),
        ("milliCel", Unit::CELSIUS.milli()),
        ("kilo1", Unit::ONE.kilo()),
        ("µs", Unit::SECOND.micro()),
        ("μs", Unit::SECOND.micro()),
        ("m°C", Unit::CELSIUS.milli()),
        ("", Unit::ONE),
    ] {
        assert_eq!(Unit::parse(text), unit, "{text}");
    }
}

#[test]
fn a_unit_that_merely_begins_like_a_prefix_is_custom() {
    for text in [
        "min", "m/s", "Pa", "mol", "milli", "m", "k", "Gal", "M1", "K", "h", "kb", "g/kW.h", "mJ/s", " J",
        "J ", "mol{x}",
    ] {
        let unit = Unit::parse(text);
        assert_eq!(unit.prefix, Prefix::Plain, "{text}");
        assert!(matches!(unit.base, BaseUnit::Custom { .. }), "{text}");
        assert_eq!(unit.code(), text);
    }
}

#[test]
fn an_annotated_unit_keeps_its_prefix_through_its_code() {
    assert_eq!(Unit::parse("mg{CO2eq}"), CARBON.milli());
    assert_eq!(Unit::parse("kg"), Unit::custom("g", "g").kilo());
    assert_eq!(Unit::parse("mJ{core}"), Unit::custom("J{core}", "J").milli());
    assert_eq!(Unit::parse("mg{a}{b}").prefix, Prefix::Plain);
}

#[test]
fn a_multiple_before_a_known_unit_is_its_prefix() {
    assert_eq!(Unit::parse("10*3.J"), Unit::JOULE.kilo());
    assert_eq!(Unit::parse("1024.By"), Unit::BYTE.kibi());
    assert_eq!(Unit::parse("10*3"), Unit::ONE.kilo());
}

#[test]
fn a_custom_unit_with_the_text_of_a_known_one_stays_custom() {
    let posing = Unit::custom("mJ", "mJ");
    assert_ne!(posing, MILLIJOULE);
    assert_eq!(posing.code(), "1.10*0.mJ");
    assert_eq!(Unit::parse(&posing.code()), posing);
}

#[test]
fn the_symbol_of_a_custom_unit_is_not_part_of_its_identity() {
    let (one, other) = (Unit::custom("{page}", "pages"), Unit::custom("{page}", "p."));
    assert_eq!(one, other);
    let state = RandomState::new();
    assert_eq!(state.hash_one(&one), state.hash_one(&other));
    let line = Unit::custom("{line}", "pages");
    assert_ne!(one, line);
    assert_ne!(state.hash_one(&one), state.hash_one(&line));
    assert_ne!(one, one.clone().kilo());
}

#[test]
fn values_convert_exactly_within_a_dimension() {
    for (value, from, to, expected) in [
        (9.0, MILLIJOULE, Unit::JOULE, 0.009),
        (1.0, Unit::WATT_HOUR.kilo(), Unit::JOULE.mega(), 3.6),
        (3600.0, Unit::JOULE, Unit::WATT_HOUR, 1.0),
        (2.0, Unit::BYTE.kibi(), Unit::BYTE, 2048.0),
        (1.0, Unit::BYTE.mega(), Unit::BIT.kilo(), 8000.0),
        (50.0, Unit::PERCENT, Unit::ONE, 0.5),
        (7.0, Unit::SECOND.nano(), Unit::SECOND.milli(), 7e-6),
        (212.0, Unit::FAHRENHEIT, Unit::CELSIUS, 100.0),
        (-40.0, Unit::CELSIUS, Unit::FAHRENHEIT, -40.0),
        (100_000.0, Unit::CELSIUS.milli(), Unit::FAHRENHEIT, 212.0),
        (68.0, Unit::FAHRENHEIT, Unit::CELSIUS.milli(), 20_000.0),
        (68.0, Unit::FAHRENHEIT, Unit::FAHRENHEIT.milli(), 68_000.0),
        (1.5, CARBON.kilo(), CARBON, 1500.0),
    ] {
        assert_eq!(
            Unit::convert(value, &from, &to),
            Some(expected),
            "{value} {from} in {to}"
        );
    }
}

#[test]
fn a_conversion_does_not_overflow_on_its_way() {
    let converted = Unit::convert(f64::MAX, &Unit::JOULE.kilo(), &Unit::JOULE.mega());
    assert_eq!(converted, Some(f64::MAX / 1000.0));
}

#[test]
fn values_do_not_convert_across_dimensions() {
    assert_eq!(Unit::convert(1.0, &Unit::WATT, &Unit::JOULE), None);
    assert_eq!(Unit::convert(1.0, &Unit::BYTE, &Unit::ONE), None);
    assert_eq!(Unit::convert(1.0, &CARBON, &Unit::custom("g", "g")), None);
}

#[test]
fn the_factor_is_that_of_the_prefix() {
    for (unit, base, factor) in [
        (Unit::JOULE.pico(), Unit::JOULE, 1e-12),
        (Unit::JOULE.nano(), Unit::JOULE, 1e-9),
        (Unit::JOULE.micro(), Unit::JOULE, 1e-6),
        (MILLIJOULE, Unit::JOULE, 1e-3),
        (Unit::JOULE, Unit::JOULE, 1.0),
        (Unit::WATT_HOUR.kilo(), Unit::WATT_HOUR, 1e3),
        (Unit::JOULE.mega(), Unit::JOULE, 1e6),
        (Unit::JOULE.giga(), Unit::JOULE, 1e9),
        (Unit::JOULE.tera(), Unit::JOULE, 1e12),
        (Unit::BYTE.kibi(), Unit::BYTE, 1024.0),
        (Unit::BYTE.mebi(), Unit::BYTE, 1_048_576.0),
        (Unit::BYTE.gibi(), Unit::BYTE, 1_073_741_824.0),
        (Unit::BYTE.tebi(), Unit::BYTE, 1_099_511_627_776.0),
    ] {
        assert_eq!(Unit::convert(1.0, &unit, &base), Some(factor), "{unit}");
    }
}

fn prefixes() -> impl Strategy<Value = Prefix> {
    proptest::sample::select(Prefix::ALL.to_vec())
}

/// Texts made of the pieces that the parser looks for, which find its corners sooner than random characters.
fn texts() -> impl Strategy<Value = String> {
    let pieces = vec![
        "", "1", ".", "1.", "10*3.", "10*0.", "10*-3.", "1024.", "10*3", "m", "k", "Ki", "u", "µ", "milli",
        "kilo", "J", "W.h", "By", "B", "%", "[degF]", "Cel", "°C", "g", "{", "}", "{x}", "×", "10³", "/",
        " ", "in", "é",
    ];
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(proptest::sample::select(pieces), 0..6).prop_map(|p| p.concat())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_custom_unit_of_any_text_comes_back_from_its_code(prefix in prefixes(), text in texts(), symbol in any::<String>()) {
        let unit = Unit { prefix, base: BaseUnit::Custom { code: text.into(), symbol: symbol.into() } };
        prop_assert_eq!(Unit::parse(&unit.code()), unit);
    }

    #[test]
    fn whatever_a_text_means_its_code_means_the_same(text in texts()) {
        let unit = Unit::parse(&text);
        prop_assert_eq!(Unit::parse(&unit.code()), unit);
    }

    #[test]
    fn a_conversion_and_its_reverse_cancel(value in -1e9..1e9, from in 0_usize..169, to in 0_usize..169) {
        let units: Vec<_> = known_units().collect();
        if let Some(there) = Unit::convert(value, &units[from], &units[to]) {
            let back = Unit::convert(there, &units[to], &units[from]).unwrap();
            // A temperature's offset swallows digits of tiny multiples.
            let bare = Unit::plain(units[from].base.clone());
            let offset = 100.0 / Unit::convert(1.0, &units[from], &bare).unwrap();
            prop_assert!((back - value).abs() <= 1e-12 * value.abs().max(offset), "{value} {there} {back}");
        }
    }
}
