//! Where two texts differ, for people.

/// How many lines of each side of a place are shown.
const SHOWN: usize = 8;

/// How many places are shown.
const SHOWN_PLACES: usize = 5;

/// Lines that stand at the same place in both texts and are not the same.
#[derive(Default)]
struct Place<'a> {
    /// The line of the old text, from zero.
    line: usize,
    old: Vec<&'a str>,
    new: Vec<&'a str>,
}

/// The places at which the texts differ: old lines with `-`, new ones with `+`.
pub(super) fn of(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let places = places(&old, &new);
    let mut lines = Vec::new();
    for place in places.iter().take(SHOWN_PLACES) {
        lines.push(format!("  line {}:", place.line + 1));
        lines.extend(side('-', &place.old));
        lines.extend(side('+', &place.new));
    }
    if places.len() > SHOWN_PLACES {
        lines.push(format!("  … {} more places", places.len() - SHOWN_PLACES));
    }
    lines.join("\n")
}

fn places<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Place<'a>> {
    let common = common_lengths(old, new);
    let (mut at_old, mut at_new) = (0, 0);
    let mut places: Vec<Place<'a>> = Vec::new();
    let mut is_within = false;
    while at_old < old.len() || at_new < new.len() {
        if old.get(at_old).is_some_and(|line| new.get(at_new) == Some(line)) {
            (at_old, at_new, is_within) = (at_old + 1, at_new + 1, false);
            continue;
        }
        if !is_within {
            let line = at_old;
            places.push(Place {
                line,
                ..Place::default()
            });
            is_within = true;
        }
        let Some(place) = places.last_mut() else { break };
        let takes_old = at_new == new.len()
            || (at_old < old.len() && common[at_old + 1][at_new] >= common[at_old][at_new + 1]);
        if takes_old {
            place.old.push(old[at_old]);
            at_old += 1;
        } else {
            place.new.push(new[at_new]);
            at_new += 1;
        }
    }
    places
}

/// How many lines two texts have in common from each pair of lines on: a table with a row per line of `old`.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut lengths = vec![vec![0; new.len() + 1]; old.len() + 1];
    for at_old in (0..old.len()).rev() {
        for at_new in (0..new.len()).rev() {
            lengths[at_old][at_new] = if old[at_old] == new[at_new] {
                lengths[at_old + 1][at_new + 1] + 1
            } else {
                lengths[at_old + 1][at_new].max(lengths[at_old][at_new + 1])
            };
        }
    }
    lengths
}

fn side(sign: char, lines: &[&str]) -> Vec<String> {
    let mut shown: Vec<String> = lines
        .iter()
        .take(SHOWN)
        .map(|line| format!("  {sign} {line}"))
        .collect();
    if lines.len() > SHOWN {
        shown.push(format!("  {sign} … {} more lines", lines.len() - SHOWN));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(of("a\nb\nc\n", "a\nx\ny\nc\n"), "  line 2:\n  - b\n  + x\n  + y");
        assert_eq!(of("", "a\n"), "  line 1:\n  + a");
        assert_eq!(of("a\na\n", "a\n"), "  line 2:\n  - a");
        assert_eq!(of("a\n", "a\n"), "");
    }

    #[test]
    fn what_is_the_same_between_two_places_is_not_shown() {
        assert_eq!(
            of("a\nb\nc\nd\n", "x\nb\nc\ny\n"),
            "  line 1:\n  - a\n  + x\n  line 4:\n  - d\n  + y"
        );
    }

    #[test]
    fn a_long_difference_is_cut() {
        let old: String = (0..20).map(|line| format!("{line}\n")).collect();
        let shown = of(&old, "");
        assert!(shown.ends_with("  - 7\n  - … 12 more lines"), "{shown}");
        let new: String = (0..20).map(|line| format!("{}\n", line / 2 * 2)).collect();
        let shown = of(&old, &new);
        assert!(shown.ends_with("  - 9\n  + 8\n  … 5 more places"), "{shown}");
    }
}
