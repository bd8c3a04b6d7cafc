//! The table `gpu_metrics` of the driver, in the layout of the graphics processor.
//!
//! Format: `struct metrics_table_header` and `struct gpu_metrics_v…` in `drivers/gpu/drm/amd/include/kgd_pp_interface.h` of
//! Linux: a u16 with the size, a u8 with the version of the format and one with that of the content, then as they say, in the
//! byte order of the machine. Format 1 is that of separate graphics processors, 2 and 3 are those within a CPU (APU).

/// What the accumulator counts for a joule: its unit is 2⁻¹⁶ J, which the header rounds to 15.259 µJ.
pub(crate) const PER_JOULE: f64 = 65_536.0;

/// Whether the table is that of an APU.
pub(crate) fn is_of_apu(table: &[u8]) -> bool {
    matches!(table, [_, _, 2 | 3, ..])
}

/// What the energy accumulator shows; none if the table has none, or the firmware does not count.
pub(crate) fn energy(table: &[u8]) -> Option<u64> {
    let &[_, _, 1, content, ..] = table else {
        return None;
    };
    let offset = match content {
        // Six temperatures, three activities and the power; 1.4 and later begin with three temperatures and the power.
        1..=3 => 24,
        // Two activities and those of 4 video engines; in 1.5, those of 32 JPEG engines as well.
        4 => 24,
        5 => 88,
        // Two activities only, and since 1.7 the bandwidth of the memory.
        6 => 16,
        7 | 8 => 24,
        _ => return None,
    };
    let value = u64::from_ne_bytes(*table.get(offset..)?.first_chunk()?);
    (value != 0 && value != u64::MAX).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(format: u8, content: u8, offset: usize, energy: u64) -> Vec<u8> {
        let mut table = vec![0xff; 120];
        table[2..4].copy_from_slice(&[format, content]);
        table[offset..offset + 8].copy_from_slice(&energy.to_ne_bytes());
        table
    }

    #[test]
    fn the_accumulator_is_found_in_each_version() {
        for (content, offset) in [
            (1, 24),
            (2, 24),
            (3, 24),
            (4, 24),
            (5, 88),
            (6, 16),
            (7, 24),
            (8, 24),
        ] {
            assert_eq!(
                energy(&table(1, content, offset, 123_456)),
                Some(123_456),
                "1.{content}"
            );
        }
        // 1.0 counts in 32 bits of another unit, and 1.9 has no fixed layout.
        for (format, content) in [(1, 0), (1, 9), (2, 1), (3, 0)] {
            assert_eq!(
                energy(&table(format, content, 24, 123_456)),
                None,
                "{format}.{content}"
            );
        }
    }

    #[test]
    fn firmware_that_does_not_count_has_no_accumulator() {
        assert_eq!(energy(&table(1, 3, 24, 0)), None);
        assert_eq!(energy(&table(1, 3, 24, u64::MAX)), None);
        assert_eq!(energy(&table(1, 3, 24, 5)[..30]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let _ = (energy(&bytes), is_of_apu(&bytes));
        }
    }
}
