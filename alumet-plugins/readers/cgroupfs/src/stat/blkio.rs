//! `blkio.throttle.io_service_bytes` of version 1, with or without `_recursive`: bytes per device and direction.

use alumet_reader_kernel_file::fields::{Fields, lines, number};

use super::io_stat::{IoDevice, device_number};
use crate::ParseError;

/// Parses the bytes of each device. Operations are in another file and stay `None`.
///
/// # Errors
/// When a count is malformed or the last line was cut short.
pub fn parse(bytes: &[u8], out: &mut Vec<IoDevice>) -> Result<(), ParseError> {
    out.clear();
    if !bytes.ends_with(b"\n") {
        return Err(ParseError::whole("a line `Total` is expected at the end"));
    }
    for (index, line) in lines(bytes) {
        let mut words = Fields::of(line);
        // The last line is `Total 123`.
        let Some((major, minor)) = words.next().and_then(device_number) else {
            continue;
        };
        let is_last = out
            .last()
            .is_some_and(|last| (last.major, last.minor) == (major, minor));
        if !is_last {
            out.push(IoDevice {
                major,
                minor,
                ..IoDevice::default()
            });
        }
        let (Some(device), Some(direction)) = (out.last_mut(), words.next()) else {
            continue;
        };
        let value = words
            .next()
            .and_then(number)
            .ok_or(ParseError::at(index, "a number is expected after the direction"));
        match direction {
            b"Read" => device.read_bytes = value?,
            b"Write" => device.write_bytes = value?,
            b"Discard" => device.discard_bytes = Some(value?),
            // `Sync`, `Async` and `Total` are other sums of the same bytes.
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_of_a_device_come_together_and_sums_are_left_out() {
        let text = "8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:0 Async 0\n8:0 Discard 4\n8:0 Total 7\n\
                    8:16 Read 5\n8:16 Write 6\n8:16 Total 11\nTotal 18\n";
        let mut devices = Vec::new();
        parse(text.as_bytes(), &mut devices).unwrap();
        let found: Vec<_> = devices
            .iter()
            .map(|device| {
                (
                    device.minor,
                    device.read_bytes,
                    device.write_bytes,
                    device.discard_bytes,
                )
            })
            .collect();
        assert_eq!(found, [(0, 1, 2, Some(4)), (16, 5, 6, None)]);
    }

    #[test]
    fn no_traffic_is_one_line_and_a_cut_file_is_refused() {
        let mut devices = Vec::new();
        parse(b"Total 0\n", &mut devices).unwrap();
        assert_eq!(devices, []);
        for wrong in ["", "8:0 Read 12", "8:0 Read\n"] {
            assert!(parse(wrong.as_bytes(), &mut devices).is_err(), "{wrong:?}");
        }
    }
}
