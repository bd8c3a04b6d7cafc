//! Numbers and texts as bytes.

use crate::error::DecodeError;

/// Appends a varint.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Appends a text.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Small for numbers near to zero, whatever their sign.
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// Reads bytes from first to last and knows where it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bytes<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// How many bytes are left.
    pub(crate) const fn left(&self) -> usize {
        self.data.len() - self.at
    }

    /// The bytes from `start` up to the present place.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.data[start..self.at]
    }

    /// Goes past these bytes if they come next; says whether they do.
    pub(crate) fn skip(&mut self, expected: &[u8]) -> bool {
        let comes = self.data[self.at..].starts_with(expected);
        self.at += if comes { expected.len() } else { 0 };
        comes
    }

    /// The present place.
    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    /// The error that `what` is wrong here.
    pub(crate) const fn corrupt(&self, what: &'static str) -> DecodeError {
        DecodeError::Corrupt {
            what,
            offset: self.at,
        }
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = &self.data[self.at..];
        self.at = self.data.len();
        rest
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        if length > self.left() {
            let offset = self.at;
            return Err(DecodeError::Truncated { what, offset });
        }
        self.at += length;
        Ok(&self.data[self.at - length..self.at])
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(self.take(1, what)?[0])
    }

    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            if shift == 63 && byte > 1 {
                return Err(self.corrupt("a number has more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.corrupt("a number does not end"))
    }

    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let zigzag = self.varint(what)?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A number of `what` that is not larger than `limit`.
    pub(crate) fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let found = self.varint(what)?;
        DecodeError::within(what, found, limit)?;
        Ok(found as usize)
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let length = self.varint(what)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt("a text is not UTF-8"))
    }

    /// Makes sure that nothing is left.
    pub(crate) const fn finish(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            _ => Err(self.corrupt("something follows the end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_texts_survive(unsigned: u64, signed: i64, text: String) {
            let mut out = Vec::new();
            put_varint(&mut out, unsigned);
            put_signed(&mut out, signed);
            put_text(&mut out, &text);
            let mut bytes = Bytes::new(&out);
            prop_assert_eq!(bytes.varint("number"), Ok(unsigned));
            prop_assert_eq!(bytes.signed("number"), Ok(signed));
            prop_assert_eq!(bytes.text("text"), Ok(text.as_str()));
            prop_assert_eq!(bytes.finish(), Ok(()));
        }
    }

    #[test]
    fn the_ends_of_the_range_survive() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            assert_eq!(Bytes::new(&out).signed("number"), Ok(value));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        let mut long = [0xff; 10];
        long[9] = 2;
        assert!(matches!(
            Bytes::new(&long).varint("number"),
            Err(DecodeError::Corrupt { .. })
        ));
        assert!(matches!(
            Bytes::new(&[0x80; 11]).varint("number"),
            Err(DecodeError::Corrupt { .. })
        ));
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        let error = Bytes::new(&out).text("name");
        assert_eq!(
            error,
            Err(DecodeError::Truncated {
                what: "name",
                offset: 10
            })
        );
    }
}
