//! `io.stat` of version 2: what a control group read, wrote and discarded on each device.

use alumet_reader_kernel_file::fields::{Fields, cut_line, lines, number};

use crate::{ParseError, Parsed};

/// The traffic of a control group with one device since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoDevice {
    /// The major number of the device.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Bytes discarded; `None` before Linux 4.20.
    pub discard_bytes: Option<u64>,
    /// Read operations; `None` in version 1.
    pub read_ops: Option<u64>,
    /// Write operations; `None` in version 1.
    pub write_ops: Option<u64>,
    /// Discard operations; `None` in version 1 and before Linux 4.20.
    pub discard_ops: Option<u64>,
}

/// Parses `io.stat`. An empty file is a group without traffic.
///
/// Some kernels leave a device without traffic on the line of the next one (`8:0 8:16 rbytes=…`), or without a name
/// (`(unknown) rbytes=…`): the former is left out, and so is the latter.
///
/// # Errors
/// When there are lines with traffic and none of them is sound.
pub fn parse(bytes: &[u8], out: &mut Vec<IoDevice>) -> Parsed {
    out.clear();
    // Bare devices at the end are no loss.
    let last = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut odd = cut_line(bytes).filter(|_| last.contains(&b'='));
    for (index, line) in lines(bytes) {
        match device(line) {
            Some(device) => out.extend(device),
            None => odd = odd.or(Some(ParseError::at(index, "a number is expected after `=`"))),
        }
    }
    match odd {
        Some(odd) if out.is_empty() => Err(odd),
        odd => Ok(odd),
    }
}

/// The device of a line, if there is one with traffic; `None` when a value of it is malformed.
fn device(line: &[u8]) -> Option<Option<IoDevice>> {
    let mut device: Option<IoDevice> = None;
    let mut has_traffic = false;
    for word in Fields::of(line) {
        if let Some((major, minor)) = device_number(word) {
            device = Some(IoDevice {
                major,
                minor,
                ..IoDevice::default()
            });
            has_traffic = false;
            continue;
        }
        let Some(device) = &mut device else { break };
        let Some(equals) = word.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let value = || number(&word[equals + 1..]);
        match &word[..equals] {
            b"rbytes" => device.read_bytes = value()?,
            b"wbytes" => device.write_bytes = value()?,
            b"dbytes" => device.discard_bytes = value(),
            b"rios" => device.read_ops = value(),
            b"wios" => device.write_ops = value(),
            b"dios" => device.discard_ops = value(),
            _ => continue,
        }
        has_traffic = true;
    }
    Some(device.filter(|_| has_traffic))
}

/// `major:minor`.
pub(super) fn device_number(word: &[u8]) -> Option<(u32, u32)> {
    let colon = word.iter().position(|byte| *byte == b':')?;
    let part = |bytes: &[u8]| u32::try_from(number(bytes)?).ok();
    Some((part(&word[..colon])?, part(&word[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<IoDevice>, ParseError> {
        let mut devices = vec![IoDevice::default()];
        parse(text.as_bytes(), &mut devices).map(|_| devices)
    }

    #[test]
    fn each_device_has_its_traffic_and_unknown_keys_are_passed_over() {
        let text =
            "259:3 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n8:0 rbytes=9 wbytes=8\n";
        let devices = read(text).unwrap();
        let first = IoDevice {
            major: 259,
            minor: 3,
            read_bytes: 1,
            write_bytes: 2,
            discard_bytes: Some(5),
            read_ops: Some(3),
            write_ops: Some(4),
            discard_ops: Some(6),
        };
        assert_eq!(devices[0], first);
        assert_eq!((devices[1].read_bytes, devices[1].discard_bytes), (9, None));
        assert_eq!(devices.len(), 2);
    }

    #[test]
    fn a_device_without_traffic_does_not_take_that_of_the_next_one() {
        let devices = read("8:0 8:16 rbytes=1 wbytes=2 rios=3 wios=4\n8:32 \n(unknown) rbytes=5\n").unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!((devices[0].minor, devices[0].read_bytes), (16, 1));
    }

    #[test]
    fn bare_devices_without_a_line_feed_at_the_end_cost_nothing() {
        let devices = read(
            "179:0 rbytes=1710142464 wbytes=2054013952 rios=36047 wios=191775 dbytes=0 dios=0\n7:7 7:6 7:5 1:15 1:0",
        )
        .unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!((devices[0].major, devices[0].read_bytes), (179, 1_710_142_464));
        assert_eq!(read("7:7 7:6 7:5 1:15 1:0").unwrap(), []);
    }

    #[test]
    fn an_odd_device_costs_itself_and_an_odd_count_of_operations_less() {
        let mut devices = Vec::new();
        let text = "8:0 rbytes=-1 wbytes=2\n8:16 rbytes=1 wbytes=2 rios=-3 wios=4\n8:32 rbytes=12";
        let odd = parse(text.as_bytes(), &mut devices).unwrap();
        assert!(odd.is_some());
        assert_eq!(devices.len(), 1);
        assert_eq!(
            (devices[0].minor, devices[0].read_ops, devices[0].write_ops),
            (16, None, Some(4))
        );
    }

    #[test]
    fn nothing_is_no_traffic_and_without_a_sound_device_it_is_refused() {
        assert_eq!(read("").unwrap(), []);
        assert!(read("8:0 rbytes=12").is_err());
        assert!(read("8:0 rbytes=x\n").is_err());
    }
}
