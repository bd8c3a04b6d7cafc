//! Bytes that arrive in pieces, as lines.

use alumet_shared_control_protocol::LINE_LIMIT;

/// Takes pieces, gives lines. Never holds more than a line of the longest length and one piece.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// How many bytes were searched for an end already.
    searched: usize,
    /// Whether the rest of a line that is too long is passed over.
    discarding: bool,
}

/// Why a line is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineFault {
    #[error("the line is longer than {LINE_LIMIT} bytes and was not read")]
    TooLong,
    #[error("the line is no UTF-8")]
    NoText,
}

impl LineBuffer {
    /// Takes a piece; call [`next`](Self::next) until it gives nothing before the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The next complete line, without its end.
    pub(crate) fn next(&mut self) -> Option<Result<String, LineFault>> {
        loop {
            let found = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(end) = found.map(|at| self.searched + at) else {
                self.searched = self.bytes.len();
                if self.searched <= LINE_LIMIT {
                    return None;
                }
                self.bytes.clear();
                self.searched = 0;
                let is_new = !std::mem::replace(&mut self.discarding, true);
                return is_new.then_some(Err(LineFault::TooLong));
            };
            let line: Vec<u8> = self.bytes.drain(..=end).take(end).collect();
            self.searched = 0;
            if std::mem::take(&mut self.discarding) {
                // The end of a line that was complained about.
                continue;
            }
            if line.len() > LINE_LIMIT {
                return Some(Err(LineFault::TooLong));
            }
            return Some(String::from_utf8(line).map_err(|_| LineFault::NoText));
        }
    }

    /// Whether a line has begun and not ended.
    pub(crate) fn has_part(&self) -> bool {
        !self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(pieces: &[&[u8]]) -> Vec<Result<String, LineFault>> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.push(piece);
            lines.extend(std::iter::from_fn(|| buffer.next()));
        }
        lines
    }

    #[test]
    fn a_line_that_is_too_long_is_complained_about_once_and_the_next_is_read() {
        let piece = [b'x'; 4096];
        let mut pieces: Vec<&[u8]> = vec![&piece; 100];
        pieces.extend([b"y\nnext\n" as &[u8]]);
        assert_eq!(all(&pieces), [Err(LineFault::TooLong), Ok("next".to_owned())]);
    }

    #[test]
    fn the_limit_is_exact() {
        let (longest, longer) = ("x".repeat(LINE_LIMIT), "x".repeat(LINE_LIMIT + 1));
        let text = format!("{longest}\n{longer}\nnext\n");
        assert_eq!(
            all(&[text.as_bytes()]),
            [Ok(longest), Err(LineFault::TooLong), Ok("next".to_owned())]
        );
    }

    #[test]
    fn little_is_held_of_an_endless_line() {
        let mut buffer = LineBuffer::default();
        for _ in 0..1000 {
            buffer.push(&[b'x'; 4096]);
            while buffer.next().is_some() {}
            assert!(buffer.bytes.len() <= LINE_LIMIT);
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(text in proptest::collection::vec(any::<u8>(), 0..200), cuts in proptest::collection::vec(1..20_usize, 1..40)) {
            let whole = all(&[&text]);
            let mut pieces = Vec::new();
            let mut rest = text.as_slice();
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            pieces.push(rest);
            prop_assert_eq!(all(&pieces), whole.clone());
            prop_assert_eq!(whole.len(), text.iter().filter(|byte| **byte == b'\n').count());
        }
    }
}
