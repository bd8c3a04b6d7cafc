//! `io.stat` of version 2: what a control group read, wrote and discarded on each device.

use alumet_reader_kernel_file::fields::{Fields, lines, number};

use crate::ParseError;

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
/// When a known value is malformed or the last line was cut short.
pub fn parse(bytes: &[u8], out: &mut Vec<IoDevice>) -> Result<(), ParseError> {
    out.clear();
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        return Err(ParseError::whole("the last line has no end"));
    }
    for (index, line) in lines(bytes) {
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
            let value =
                || number(&word[equals + 1..]).ok_or(ParseError::at(index, "a number is expected after `=`"));
            match &word[..equals] {
                b"rbytes" => device.read_bytes = value()?,
                b"wbytes" => device.write_bytes = value()?,
                b"dbytes" => device.discard_bytes = Some(value()?),
                b"rios" => device.read_ops = Some(value()?),
                b"wios" => device.write_ops = Some(value()?),
                b"dios" => device.discard_ops = Some(value()?),
                _ => continue,
            }
            has_traffic = true;
        }
        out.extend(device.filter(|_| has_traffic));
    }
    Ok(())
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
        parse(text.as_bytes(), &mut devices).map(|()| devices)
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
    fn nothing_is_no_traffic_and_a_cut_line_is_refused() {
        assert_eq!(read("").unwrap(), []);
        assert!(read("8:0 rbytes=12").is_err());
        assert!(read("8:0 rbytes=x\n").is_err());
    }
}
