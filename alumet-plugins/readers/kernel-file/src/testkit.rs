//! What the tests of parsers share: bytes that resemble kernel files, and the property that every parser has.

use std::fmt::Debug;

use proptest::prelude::*;

use crate::ParseError;

/// Arbitrary bytes, and bytes that resemble kernel files closely enough to reach behind the first check of a parser:
/// numbers and `words`, with or without separators.
pub fn kernel_like(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => proptest::sample::select(words).prop_map(str::to_owned),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => Just("18446744073709551616".to_owned()),
        1 => "[ \n\t:().,/=%-]",
    ];
    let separated = (word, prop_oneof![Just(" "), Just("\n"), Just("")]);
    let joined = proptest::collection::vec(separated, 0..60).prop_map(|words| {
        let words = words.into_iter();
        words.flat_map(|(word, end)| (word + end).into_bytes()).collect()
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..400), joined]
}

/// A value that went through `first` must read `second` like a fresh one: nothing may leak from reading to reading.
///
/// # Errors
/// When it does not.
pub fn assert_fresh<T: PartialEq + Debug, R: PartialEq + Debug>(
    first: &[u8],
    second: &[u8],
    fresh: impl Fn() -> T,
    parse: impl Fn(&[u8], &mut T) -> Result<R, ParseError>,
) -> Result<(), TestCaseError> {
    let (mut reused, mut new) = (fresh(), fresh());
    let _ = parse(first, &mut reused);
    let (again, once) = (parse(second, &mut reused), parse(second, &mut new));
    prop_assert_eq!(&again, &once);
    if once.is_ok() {
        prop_assert_eq!(reused, new);
    }
    Ok(())
}
