/// Cuts what comes in pieces after complete lines.
#[derive(Debug, Default)]
pub(super) struct Parts {
    rest: Vec<u8>,
    /// How much of the rest is known, whether a quoted text is open there, and where the last line before that ends.
    seen: usize,
    is_quoted: bool,
    end: usize,
    /// Whether quoted texts may hold line ends, as those of CSV do; quotes in them are doubled.
    has_quotes: bool,
}

/// Lines of version 1 have a thousand rows.
const LONGEST: usize = 16 << 20;

impl Parts {
    /// Of JSON, a value in each line.
    pub(super) fn of_lines() -> Self {
        Self::default()
    }

    /// Of CSV.
    pub(super) fn of_csv() -> Self {
        Self {
            has_quotes: true,
            ..Self::default()
        }
    }

    /// Whether a line is longer than any that is asked for.
    pub(super) const fn is_too_long(&self) -> bool {
        self.rest.len() > LONGEST
    }

    /// What is complete with this piece.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(piece);
        for (at, byte) in self.rest.iter().enumerate().skip(self.seen) {
            match byte {
                b'"' if self.has_quotes => self.is_quoted = !self.is_quoted,
                b'\n' if !self.is_quoted => self.end = at + 1,
                _ => {}
            }
        }
        if self.end == 0 {
            self.seen = self.rest.len();
            return Vec::new();
        }
        let rest = self.rest.split_off(self.end);
        (self.seen, self.end) = (rest.len(), 0);
        std::mem::replace(&mut self.rest, rest)
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> Vec<u8> {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_end_with_lines_and_are_the_whole(pieces in prop::collection::vec("[a\"\n]{0,6}", 0..12)) {
            let (mut parts, mut all) = (Parts::of_csv(), Vec::new());
            for piece in &pieces {
                let part = parts.push(piece.as_bytes());
                let quotes = part.iter().filter(|byte| **byte == b'"').count();
                prop_assert!(part.is_empty() || part.ends_with(b"\n") && quotes % 2 == 0);
                all.extend(part);
            }
            all.extend(parts.finish());
            prop_assert_eq!(all, pieces.concat().into_bytes());
        }
    }
}
