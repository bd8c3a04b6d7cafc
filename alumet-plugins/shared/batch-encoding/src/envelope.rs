//! What is around every body: the version, and compression where it helps.

use std::sync::Arc;

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer, compress_bound};

use crate::VERSION;
use crate::bytes::{Bytes, put_varint};
use crate::error::DecodeError;

const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;

/// Bodies below this are not worth the attempt: a frame has ten bytes of its own.
const MIN_COMPRESSED: usize = 48;
/// A part below this shares its statistics with the next one.
const MIN_BLOCK: usize = 1024;
/// Matches are searched for in this many bytes, as a power of two; bounds the memory of the compressor.
const WINDOW_LOG: u32 = 18;
/// More memory than this is not kept for the next time.
const KEPT_BYTES: usize = 1 << 20;

/// Puts bodies into envelopes.
pub(crate) struct Sealer {
    context: CCtx<'static>,
    frame: Vec<u8>,
}

impl Sealer {
    pub(crate) fn new(level: i32) -> Self {
        let mut context = CCtx::create();
        // The length is in the envelope, and whoever stores or sends it has a checksum.
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::ContentSizeFlag(false),
            CParameter::ChecksumFlag(false),
        ] {
            // Every one is within its bounds; without it, there would still be a frame.
            let _ = context.set_parameter(parameter);
        }
        Self {
            context,
            frame: Vec::new(),
        }
    }

    /// The envelope with a body that is made of `parts`, each with statistics of its own if it is large enough.
    pub(crate) fn seal(&mut self, parts: &[&[u8]]) -> Arc<[u8]> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let sealed = if length >= MIN_COMPRESSED && self.compress(parts, length).is_some() {
            let mut start = vec![VERSION, COMPRESSED];
            put_varint(&mut start, length as u64);
            (start.len() + self.frame.len() < 2 + length).then(|| [&start, self.frame.as_slice()].concat())
        } else {
            None
        };
        let sealed = sealed.unwrap_or_else(|| {
            let mut plain = Vec::with_capacity(2 + length);
            plain.extend([VERSION, PLAIN]);
            parts.iter().for_each(|part| plain.extend_from_slice(part));
            plain
        });
        self.frame.clear();
        self.frame.shrink_to(KEPT_BYTES);
        sealed.into()
    }

    /// Writes the frame; `None` if Zstandard failed.
    fn compress(&mut self, parts: &[&[u8]], length: usize) -> Option<()> {
        let context = &mut self.context;
        self.frame.clear();
        self.frame.reserve(compress_bound(length) + 64 * parts.len());
        context.reset(zstd::zstd_safe::ResetDirective::SessionOnly).ok()?;
        context.set_pledged_src_size(Some(length as u64)).ok()?;
        let mut output = OutBuffer::around(&mut self.frame);
        for (index, part) in parts.iter().enumerate() {
            let directive = if index + 1 == parts.len() {
                ZSTD_EndDirective::ZSTD_e_end
            } else if part.len() >= MIN_BLOCK {
                ZSTD_EndDirective::ZSTD_e_flush
            } else {
                ZSTD_EndDirective::ZSTD_e_continue
            };
            let mut input = InBuffer::around(part);
            // There is room for everything, so one call does all of it.
            let left = context
                .compress_stream2(&mut output, &mut input, directive)
                .ok()?;
            if input.pos() < part.len() || (left > 0 && directive != ZSTD_EndDirective::ZSTD_e_continue) {
                return None;
            }
        }
        Some(())
    }
}

/// Takes bodies out of envelopes.
pub(crate) struct Opener {
    context: DCtx<'static>,
    body: Vec<u8>,
}

impl Opener {
    pub(crate) fn new() -> Self {
        Self {
            context: DCtx::create(),
            body: Vec::new(),
        }
    }

    /// The body, of at most `limit` bytes.
    pub(crate) fn open<'a>(&'a mut self, sealed: &'a [u8], limit: usize) -> Result<&'a [u8], DecodeError> {
        let mut bytes = Bytes::new(sealed);
        let version = bytes.byte("the version")?;
        if version != VERSION {
            return Err(DecodeError::Unknown(format!(
                "the data is in version {version} of the format and this program knows only {VERSION}; update this program"
            )));
        }
        match bytes.byte("the kind of compression")? {
            PLAIN => {
                DecodeError::within("bytes of the body", bytes.left() as u64, limit)?;
                Ok(bytes.rest())
            }
            COMPRESSED => {
                let length = bytes.count("bytes of the body", limit)?;
                self.decompress(bytes, length)
            }
            _ => Err(bytes.corrupt("unknown kind of compression")),
        }
    }

    fn decompress(&mut self, mut frame: Bytes<'_>, length: usize) -> Result<&[u8], DecodeError> {
        if self.body.capacity() > KEPT_BYTES.max(length) {
            self.body = Vec::new();
        }
        self.body.clear();
        // Zstandard writes at most what there is room for.
        self.body.reserve_exact(length);
        let damaged = frame.corrupt("cannot be decompressed to the length that it says");
        match self.context.decompress(&mut self.body, frame.rest()) {
            Ok(found) if found == length => Ok(&self.body),
            _ => Err(damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(parts: &[&[u8]]) -> Arc<[u8]> {
        Sealer::new(1).seal(parts)
    }

    #[test]
    fn a_body_in_parts_comes_out_as_one() {
        for length in [0, 10, 47, 48, 1023, 1024, 5000, 400_000] {
            let zeros = vec![0; length];
            let noise: Vec<u8> = (0..length as u64)
                .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
                .collect();
            let sealed = sealed(&[&zeros, &noise, &zeros]);
            let whole = [zeros.as_slice(), &noise, &zeros].concat();
            assert!(sealed.len() <= whole.len() + 2);
            let mut opener = Opener::new();
            assert_eq!(opener.open(&sealed, whole.len()), Ok(whole.as_slice()));
            assert!(length == 0 || opener.open(&sealed, whole.len() - 1).is_err());
        }
    }

    #[test]
    fn what_does_not_shrink_is_stored_as_it_is() {
        let noise: Vec<u8> = (0..60_u64)
            .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
            .collect();
        assert_eq!(sealed(&[&noise])[1], PLAIN);
        assert_eq!(sealed(&[&[7; 60]])[1], COMPRESSED);
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let bomb = sealed(&[&vec![0; 50 << 20]]);
        assert!(bomb.len() < 10_000);
        let mut opener = Opener::new();
        let refused = opener.open(&bomb, 1 << 20);
        assert!(matches!(
            refused,
            Err(DecodeError::TooLarge {
                found: 52_428_800,
                ..
            })
        ));
        // One that lies about its length gets no more room than it says.
        let mut lie = vec![VERSION, COMPRESSED];
        put_varint(&mut lie, 100);
        let mut frame = Bytes::new(&bomb[2..]);
        frame.varint("length").unwrap();
        lie.extend(frame.rest());
        assert!(matches!(
            opener.open(&lie, 1 << 20),
            Err(DecodeError::Corrupt { .. })
        ));
        assert!(opener.body.capacity() < 1000);
    }

    #[test]
    fn memory_for_one_large_body_is_not_kept() {
        let mut sealer = Sealer::new(1);
        let mut opener = Opener::new();
        let large = sealer.seal(&[&vec![1; 8 << 20]]);
        let small = sealer.seal(&[&[2; 100]]);
        opener.open(&large, 8 << 20).unwrap();
        opener.open(&small, 8 << 20).unwrap();
        assert!(opener.body.capacity() <= KEPT_BYTES && sealer.frame.capacity() <= KEPT_BYTES);
    }

    #[test]
    fn another_version_is_named() {
        let error = Opener::new().open(&[9, 0], 100).unwrap_err().to_string();
        assert!(
            error.contains("in version 9 of the format and this program knows only 1"),
            "{error}"
        );
        assert!(Opener::new().open(&[VERSION, 7], 100).is_err());
        assert!(Opener::new().open(&[], 100).is_err());
    }
}
