//! `memory.stat` of both versions: selected entries out of some sixty.
//!
//! Where an entry stood at the last reading is remembered per control group and checked at the next one. Digits come
//! and go and move everything after them, so a place is first tried with the shift of the entry before it and then
//! looked for from there; in the steady state a reading costs as much as the selected entries, not as the file.

use alumet_reader_kernel_file::fields::{entry_at, find_entry, leading_number};

use crate::keyed::Keyed;
use crate::{ParseError, Parsed};

/// Where the selected entries stood in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    found: Vec<Place>,
    is_learnt: bool,
    readings: u32,
}

/// One entry that was found; they are kept in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    index: usize,
    offset: usize,
}

/// An entry that this kernel does not print is looked for again at every so manyth reading. The set of entries is
/// fixed when the kernel boots, apart from a few that a module brings.
const SEARCH_EVERY: u32 = 64;

/// Parses the entries of `memory.stat` with these keys, such as `anon` and `file` (v2) or `rss` and `cache` (v1), into `out`,
/// in the order of the keys. One that is not there, or is no count, is `None`.
///
/// # Errors
/// When the file is empty.
pub fn parse(bytes: &[u8], keys: &[&str], places: &mut Places, out: &mut [Option<u64>]) -> Parsed {
    out.fill(None);
    if bytes.is_empty() {
        return Err(ParseError::whole("at least one entry is expected"));
    }
    places.readings = places.readings.wrapping_add(1);
    let is_complete = places.found.len() == keys.len();
    let is_due = !is_complete && places.readings.is_multiple_of(SEARCH_EVERY);
    if places.is_learnt && !is_due && follow(bytes, keys, &mut places.found, out) {
        return Ok(None);
    }
    Ok(learn(bytes, keys, places, out))
}

/// Reads the entries where they were, or a little further on; `false` when one is not there or odd.
fn follow(bytes: &[u8], keys: &[&str], found: &mut [Place], out: &mut [Option<u64>]) -> bool {
    let mut shift = 0_isize;
    let mut cursor = 0;
    for place in found {
        let (Some(key), Some(slot)) = (keys.get(place.index), out.get_mut(place.index)) else {
            return false;
        };
        let guess = place.offset.wrapping_add_signed(shift);
        let at = match entry_at(bytes, guess, key, b' ') {
            Some(text) => Some((guess, text)),
            None => find_entry(bytes, cursor, key, b' '),
        };
        let Some((offset, text)) = at else {
            return false;
        };
        let Some((value, [b'\n', ..])) = leading_number(text) else {
            return false;
        };
        *slot = Some(value);
        shift = shift.wrapping_add_unsigned(offset).wrapping_sub_unsigned(guess);
        place.offset = offset;
        cursor = offset;
    }
    true
}

/// Reads the whole file and remembers the places.
fn learn(bytes: &[u8], keys: &[&str], places: &mut Places, out: &mut [Option<u64>]) -> Option<ParseError> {
    let mut odd = None;
    places.is_learnt = false;
    places.found.clear();
    out.fill(None);
    let start = bytes.as_ptr().addr();
    for entry in Keyed::of(bytes) {
        for (index, key) in keys.iter().enumerate() {
            if key.as_bytes() != entry.key || out.get(index) != Some(&None) {
                continue;
            }
            if entry.value.is_none() {
                odd = odd.or_else(|| entry.odd());
                continue;
            }
            out[index] = entry.value;
            let offset = entry.key.as_ptr().addr() - start;
            places.found.push(Place { index, offset });
        }
    }
    // What is odd now may be sound at the next reading.
    places.is_learnt = odd.is_none();
    odd
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: [&str; 4] = ["b", "ab", "a", "zz"];

    fn fresh(text: &str) -> Result<Vec<Option<u64>>, ParseError> {
        let mut out = vec![Some(9); 4];
        parse(text.as_bytes(), &KEYS, &mut Places::default(), &mut out).map(|_| out)
    }

    #[test]
    fn values_come_in_the_order_of_the_keys() {
        assert_eq!(
            fresh("a 1\nab 2\nc x\nb 3\n").unwrap(),
            [Some(3), Some(2), Some(1), None]
        );
    }

    #[test]
    fn a_cut_or_malformed_value_takes_only_itself_away_when_learnt_and_when_followed() {
        assert!(fresh("").is_err());
        let (mut places, mut out) = (Places::default(), [None; 4]);
        parse(b"a 1\nb 2\n", &KEYS, &mut places, &mut out).unwrap();
        for wrong in [&b"b 2\na -1\n"[..], b"b 2\na 12"] {
            for places in [&mut Places::default(), &mut places] {
                let odd = parse(wrong, &KEYS, places, &mut out).unwrap();
                assert_eq!(odd.unwrap().line, Some(2));
                assert_eq!(out, [Some(2), None, None, None]);
            }
        }
    }

    #[test]
    fn an_absent_entry_is_found_when_it_comes_after_all() {
        let (mut places, mut out) = (Places::default(), vec![None; 4]);
        parse(b"a 1\n", &KEYS, &mut places, &mut out).unwrap();
        for _ in 0..SEARCH_EVERY {
            parse(b"a 1\nzz 7\n", &KEYS, &mut places, &mut out).unwrap();
        }
        assert_eq!(out[3], Some(7));
    }

    #[test]
    fn hundreds_of_lines_are_no_obstacle() {
        let mut text: String = (0..500).map(|line| format!("line{line} {line}\n")).collect();
        text.push_str("zz 9\n");
        assert_eq!(fresh(&text).unwrap()[3], Some(9));
    }

    proptest! {
        #[test]
        fn remembered_places_never_change_the_result(
            first in proptest::sample::subsequence(vec!["a", "ab", "b", "c", "cc", "zz"], 0..6),
            readings in proptest::collection::vec((any::<u64>(), 0_u32..40, any::<bool>()), 1..6),
        ) {
            let (mut places, mut out) = (Places::default(), vec![None; 4]);
            for (value, shift, is_reversed) in readings {
                let mut keys = first.clone();
                if is_reversed {
                    keys.reverse();
                }
                let line = |(index, key): (usize, &&str)| format!("{key} {}\n", value >> (shift * index as u32 % 64));
                let text: String = keys.iter().enumerate().map(line).collect();
                let result = parse(text.as_bytes(), &KEYS, &mut places, &mut out);
                prop_assert_eq!(result.map(|_| out.clone()), fresh(&text));
            }
        }
    }
}
