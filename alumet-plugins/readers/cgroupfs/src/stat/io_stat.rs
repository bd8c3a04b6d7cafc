//! `io.stat` of version 2: what a control group read, wrote and discarded on each device.

use alumet_reader_kernel_file::fields::{Fields, cut_line, lines, number};

use crate::{ParseError, Parsed};

/// The traffic of a control group with one device since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoDevice {
    /// The major and the minor number of the device.
    pub number: (u32, u32),
    /// Bytes read, written and discarded; the last since Linux 4.20. What the kernel does not say is `None`.
    pub bytes: [Option<u64>; 3],
    /// Operations of the same kinds; only in version 2.
    pub operations: [Option<u64>; 3],
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
        if let Some(number) = device_number(word) {
            device = Some(IoDevice {
                number,
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
            b"rbytes" => device.bytes[0] = Some(value()?),
            b"wbytes" => device.bytes[1] = Some(value()?),
            b"dbytes" => device.bytes[2] = value(),
            b"rios" => device.operations[0] = value(),
            b"wios" => device.operations[1] = value(),
            b"dios" => device.operations[2] = value(),
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
            number: (259, 3),
            bytes: [1, 2, 5].map(Some),
            operations: [3, 4, 6].map(Some),
        };
        assert_eq!(devices[0], first);
        assert_eq!(devices[1].bytes, [Some(9), Some(8), None]);
        assert_eq!(devices.len(), 2);
    }

    #[test]
    fn a_device_without_traffic_does_not_take_that_of_the_next_one() {
        let devices = read("8:0 8:16 rbytes=1 wbytes=2 rios=3 wios=4\n8:32 \n(unknown) rbytes=5\n").unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!((devices[0].number, devices[0].bytes[0]), ((8, 16), Some(1)));
    }

    #[test]
    fn bare_devices_without_a_line_feed_at_the_end_cost_nothing() {
        let devices = read(
            "179:0 rbytes=1710142464 wbytes=2054013952 rios=36047 wios=191775 dbytes=0 dios=0\n7:7 7:6 7:5 1:15 1:0",
        )
        .unwrap();
        assert_eq!(devices.len(), 1);
        assert_eq!(
            (devices[0].number, devices[0].bytes[0]),
            ((179, 0), Some(1_710_142_464))
        );
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
            (devices[0].number, devices[0].operations),
            ((8, 16), [None, Some(4), None])
        );
    }

    #[test]
    fn nothing_is_no_traffic_and_without_a_sound_device_it_is_refused() {
        assert_eq!(read("").unwrap(), []);
        assert!(read("8:0 rbytes=12").is_err());
        assert!(read("8:0 rbytes=x\n").is_err());
    }
}
