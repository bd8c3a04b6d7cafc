//! Where two texts differ, for people.

/// How many lines of each side are shown.
const SHOWN: usize = 8;

/// The lines between the common beginning and the common end of both texts, old ones with `-`, new ones with `+`.
pub(super) fn of(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(same)
        .count();
    let mut lines = vec![format!("  line {}:", head + 1)];
    lines.extend(side('-', &old[head..old.len() - tail]));
    lines.extend(side('+', &new[head..new.len() - tail]));
    lines.join("\n")
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
    }

    #[test]
    fn a_long_difference_is_cut() {
        let old: String = (0..20).map(|line| format!("{line}\n")).collect();
        let shown = of(&old, "");
        assert!(shown.ends_with("  - 7\n  - … 12 more lines"), "{shown}");
    }
}
