//! `blkio.throttle.io_service_bytes` of version 1, with or without `_recursive`: bytes per device and direction.

use alumet_reader_kernel_file::fields::{Fields, cut_line, lines, number};

use super::io_stat::{IoDevice, device_number};
use crate::{ParseError, Parsed};

/// Parses the bytes of each device. Operations are in another file.
///
/// # Errors
/// When the file is empty, or there are devices and none of them is sound.
pub fn parse(bytes: &[u8], out: &mut Vec<IoDevice>) -> Parsed {
    out.clear();
    if bytes.is_empty() {
        return Err(ParseError::whole("a line `Total` is expected at the end"));
    }
    let mut odd = cut_line(bytes);
    for (index, line) in lines(bytes) {
        let mut words = Fields::of(line);
        // The last line is `Total 123`.
        let Some(device) = words.next().and_then(device_number) else {
            continue;
        };
        let (Some(direction), Some(value)) = (words.next(), words.next().and_then(number)) else {
            odd = odd.or(Some(ParseError::at(
                index,
                "a direction and a number are expected",
            )));
            continue;
        };
        if out.last().is_none_or(|last| last.number != device) {
            out.push(IoDevice {
                number: device,
                ..IoDevice::default()
            });
        }
        let Some(device) = out.last_mut() else { continue };
        match direction {
            b"Read" => device.bytes[0] = Some(value),
            b"Write" => device.bytes[1] = Some(value),
            b"Discard" => device.bytes[2] = Some(value),
            // `Sync`, `Async` and `Total` are other sums of the same bytes.
            _ => {}
        }
    }
    match odd {
        Some(odd) if out.is_empty() => Err(odd),
        odd => Ok(odd),
    }
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
            .map(|device| (device.number, device.bytes))
            .collect();
        assert_eq!(
            found,
            [
                ((8, 0), [Some(1), Some(2), Some(4)]),
                ((8, 16), [Some(5), Some(6), None])
            ]
        );
    }

    #[test]
    fn no_traffic_is_one_line_and_an_odd_line_costs_itself() {
        let mut devices = Vec::new();
        parse(b"Total 0\n", &mut devices).unwrap();
        assert_eq!(devices, []);
        let odd = parse(b"8:0 Read -1\n8:16 Read 5\n8:16 Write 12", &mut devices).unwrap();
        assert!(odd.is_some());
        assert_eq!((devices.len(), devices[0].number), (1, (8, 16)));
        assert_eq!(devices[0].bytes, [Some(5), None, None]);
        for wrong in ["", "8:0 Read 12", "8:0 Read\n"] {
            assert!(parse(wrong.as_bytes(), &mut devices).is_err(), "{wrong:?}");
        }
    }
}
