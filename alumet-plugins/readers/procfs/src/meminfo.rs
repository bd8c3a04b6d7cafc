//! `/proc/meminfo`: how the memory of the machine is used.
//!
//! Format: `Documentation/filesystems/proc.rst`, "meminfo".

use crate::{ParseError, Parsed, SystemRoot, Table};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::{Fields, entry_at, find_entry};

/// One chosen entry of `/proc/meminfo`.
///
/// Where it stood at the last reading is remembered and checked at the next one, so that a reading costs as much as the
/// chosen entries and not as much as the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemEntry {
    /// The kernel's name, such as `MemTotal` or `Active(anon)`.
    pub name: String,
    /// How much of it there is; `None` when this kernel has no such entry.
    pub amount: Option<Amount>,
    offset: usize,
}

/// The amount of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A size in bytes (the kernel writes KiB, with the unit `kB`).
    Bytes(u64),
    /// A bare count, such as the number of huge pages.
    Count(u64),
}

impl MemEntry {
    /// The entry with that name, before the first reading.
    pub fn of(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            amount: None,
            offset: 0,
        }
    }
}

impl Amount {
    /// The number, whatever it counts.
    pub const fn value(self) -> u64 {
        match self {
            Self::Bytes(value) | Self::Count(value) => value,
        }
    }
}

/// Parses the chosen entries out of `/proc/meminfo`. An entry that is absent or malformed has no amount.
///
/// # Errors
/// None: a file without any of the entries has none of them.
pub fn parse(bytes: &[u8], out: &mut Vec<MemEntry>) -> Parsed {
    let mut odd = None;
    for entry in out {
        let remembered = entry_at(bytes, entry.offset, &entry.name, b':').map(|text| (entry.offset, text));
        let found = remembered.or_else(|| find_entry(bytes, 0, &entry.name, b':'));
        entry.amount = found.and_then(|(offset, text)| {
            entry.offset = offset;
            let amount = amount_of_line(text);
            if amount.is_none() {
                odd = Some(ParseError::whole(
                    "an entry with a count or a size in kB is expected",
                ));
            }
            amount
        });
    }
    Ok(odd)
}

/// The amount at the start of `text`; `None` when its line was cut short.
fn amount_of_line(text: &[u8]) -> Option<Amount> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let mut fields = Fields::of(&text[..end]);
    let number = fields.number()?;
    match (fields.next(), fields.next()) {
        (None, _) => Some(Amount::Count(number)),
        (Some(b"kB"), None) => number.checked_mul(1024).map(Amount::Bytes),
        _ => None,
    }
}

/// The snake-case form of an entry's name: `MemTotal` becomes `mem_total`, `Active(anon)` becomes `active_anon`,
/// `HugePages_Total` becomes `huge_pages_total`, `DirectMap4k` becomes `direct_map_4k`.
///
/// Words begin at a capital letter that follows a small one or precedes one, and at the first digit of a number;
/// whatever is no letter and no digit separates words.
pub fn snake_case_name(entry: &str) -> String {
    let mut snake = String::with_capacity(entry.len() + 4);
    let mut previous: Option<char> = None;
    let mut rest = entry.chars().peekable();
    while let Some(char) = rest.next() {
        if char.is_ascii_alphanumeric() {
            let starts_word = match previous {
                None => !snake.is_empty(),
                Some(before) if char.is_ascii_uppercase() => {
                    before.is_ascii_lowercase()
                        || (before.is_ascii_uppercase() && rest.peek().is_some_and(char::is_ascii_lowercase))
                }
                Some(before) => char.is_ascii_digit() && !before.is_ascii_digit(),
            };
            if starts_word {
                snake.push('_');
            }
            snake.push(char.to_ascii_lowercase());
            previous = Some(char);
        } else {
            previous = None;
        }
    }
    snake
}

/// The entries of `/proc/meminfo` with these names.
pub fn table<Name: Into<String>>(
    root: &SystemRoot,
    names: impl IntoIterator<Item = Name>,
) -> Table<Vec<MemEntry>> {
    let (path, mend) = (root.proc("meminfo"), crate::root::MOUNT_PROC);
    let entries = names.into_iter().map(MemEntry::of).collect();
    Table::new(path, Extent::OneRecord, mend, entries, parse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries<const N: usize>(names: [&str; N]) -> Vec<MemEntry> {
        names.map(MemEntry::of).into()
    }

    fn amounts(entries: &[MemEntry]) -> Vec<Option<Amount>> {
        entries.iter().map(|entry| entry.amount).collect()
    }

    #[test]
    fn kilobytes_become_bytes_and_counts_stay() {
        assert_eq!(amount_of_line(b"    3 kB\n"), Some(Amount::Bytes(3072)));
        assert_eq!(amount_of_line(b"    3\n5"), Some(Amount::Count(3)));
    }

    #[test]
    fn an_unknown_unit_or_an_overflow_is_refused() {
        for wrong in ["3 MB\n", "3 kB x\n", "kB\n", "18446744073709551615 kB\n", "\n"] {
            assert_eq!(amount_of_line(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn entries_come_in_the_order_of_the_selection() {
        let mut info = entries(["HugePages_Total", "Active(anon)", "NoSuch"]);
        parse(
            b"MemTotal: 9 kB\nActive(anon):   2 kB\nHugePages_Total:   5\n",
            &mut info,
        )
        .unwrap();
        assert_eq!(
            amounts(&info),
            [Some(Amount::Count(5)), Some(Amount::Bytes(2048)), None]
        );
    }

    #[test]
    fn an_entry_that_moved_is_found_again() {
        let mut info = entries(["Cached", "MemFree"]);
        parse(b"MemFree: 1 kB\nCached: 2 kB\nSwapCached: 3 kB\n", &mut info).unwrap();
        parse(b"MemFree: 1000 kB\nSwapCached: 3 kB\nCached: 4 kB\n", &mut info).unwrap();
        assert_eq!(
            amounts(&info),
            [Some(Amount::Bytes(4096)), Some(Amount::Bytes(1_024_000))]
        );
    }

    #[test]
    fn an_entry_that_ends_like_another_is_not_taken_for_it() {
        // At offset 11 the bytes read `Cached:`, but they are the end of `SwapCached:`.
        let mut info = entries(["Cached"]);
        parse(b"Padding: 7\nCached: 2 kB\n", &mut info).unwrap();
        parse(b"Other: SwapCached: 3 kB\nCached: 4 kB\n", &mut info).unwrap();
        assert_eq!(amounts(&info), [Some(Amount::Bytes(4096))]);
    }

    #[test]
    fn an_entry_that_vanished_has_no_amount() {
        let mut info = entries(["Cached"]);
        parse(b"Cached: 2 kB\n", &mut info).unwrap();
        parse(b"MemFree: 2 kB\n", &mut info).unwrap();
        assert_eq!(amounts(&info), [None]);
    }

    #[test]
    fn an_odd_entry_takes_only_itself_away() {
        for odd in ["Cached: 2 MB\n", "Cached: -5 kB\n", "Cached: 21"] {
            let mut info = entries(["Cached", "MemTotal"]);
            let left_out = parse(format!("MemTotal: 9 kB\n{odd}").as_bytes(), &mut info).unwrap();
            assert!(left_out.is_some(), "{odd}");
            assert_eq!(amounts(&info), [None, Some(Amount::Bytes(9216))], "{odd}");
        }
    }

    #[test]
    fn names_become_snake_case() {
        for (entry, name) in [
            ("MemTotal", "mem_total"),
            ("SwapCached", "swap_cached"),
            ("Active(anon)", "active_anon"),
            ("HugePages_Total", "huge_pages_total"),
            ("DirectMap4k", "direct_map_4k"),
            ("DirectMap2M", "direct_map_2m"),
            ("DirectMap1024G", "direct_map_1024g"),
            ("SReclaimable", "s_reclaimable"),
            ("NFS_Unstable", "nfs_unstable"),
            ("Committed_AS", "committed_as"),
            ("Hugepagesize", "hugepagesize"),
            ("", ""),
        ] {
            assert_eq!(snake_case_name(entry), name, "{entry}");
        }
    }

    proptest! {
        #[test]
        fn a_snake_case_name_has_only_small_letters_digits_and_single_inner_underscores(entry in "\\PC*") {
            let name = snake_case_name(&entry);
            prop_assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')));
            prop_assert!(!name.starts_with('_') && !name.ends_with('_') && !name.contains("__"));
        }

        #[test]
        fn remembered_places_never_change_the_result(
            before in proptest::collection::vec(("[ABC]{1,3}", 0_u64..1_000_000), 0..8),
            after in proptest::collection::vec(("[ABC]{1,3}", 0_u64..1_000_000), 0..8),
        ) {
            let text = |lines: &[(String, u64)]| -> String {
                lines.iter().map(|(name, value)| format!("{name}: {value} kB\n")).collect()
            };
            // A kernel never prints a name twice.
            let unique = |mut lines: Vec<(String, u64)>| {
                let mut seen = std::collections::HashSet::new();
                lines.retain(|(name, _)| seen.insert(name.clone()));
                lines
            };
            let (before, after) = (unique(before), unique(after));
            let mut reused = entries(["A", "AB", "B", "CCC"]);
            let mut fresh = reused.clone();
            parse(text(&before).as_bytes(), &mut reused).unwrap();
            parse(text(&after).as_bytes(), &mut reused).unwrap();
            parse(text(&after).as_bytes(), &mut fresh).unwrap();
            prop_assert_eq!(amounts(&reused), amounts(&fresh));
        }
    }
}
