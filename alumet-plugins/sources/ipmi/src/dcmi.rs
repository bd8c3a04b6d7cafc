//! The command Get Power Reading and its answer, in bytes.
//!
//! Format: DCMI specification 1.5, section 6.6.1. Numbers begin with their lowest byte.

use std::time::Duration;

use crate::error::IpmiError;

/// Group extensions (IPMI specification 2.0, table 5-1).
pub(crate) const NETWORK_FUNCTION: u8 = 0x2c;

/// Get Power Reading.
pub(crate) const COMMAND: u8 = 0x02;

/// The group of DCMI.
const GROUP: u8 = 0xdc;

/// What is sent: the group, the mode for statistics of the whole system, and two bytes that are reserved.
pub(crate) const REQUEST: [u8; 4] = [GROUP, 0x01, 0x00, 0x00];

/// How long an answer is: completion code, group, four powers, time, period and state.
pub(crate) const ANSWER: usize = 19;

/// The bit of the state that says that power is measured.
const IS_MEASURED: u8 = 1 << 6;

/// The codes of controllers that do not know the command, or not in this place (IPMI specification 2.0, table 5-2).
const UNKNOWN: [u8; 2] = [0xc1, 0xc2];

/// What the controller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PowerReading {
    /// Watts now.
    pub(crate) current: u16,
    /// Watts in the period.
    pub(crate) minimum: u16,
    pub(crate) maximum: u16,
    pub(crate) average: u16,
    /// Over which the controller keeps these.
    pub(crate) period: Duration,
}

/// What an answer says.
///
/// # Errors
/// When the controller refuses, measures no power, or answers something else.
pub(crate) fn decode(answer: &[u8]) -> Result<PowerReading, IpmiError> {
    match answer.first() {
        Some(0) => {}
        Some(code) if UNKNOWN.contains(code) => return Err(IpmiError::NotSupported),
        Some(code) => return Err(IpmiError::Refused(*code)),
        None => return Err(IpmiError::Nonsense),
    }
    let answer: &[u8; ANSWER] = answer.try_into().map_err(|_| IpmiError::Nonsense)?;
    if answer[1] != GROUP {
        return Err(IpmiError::Nonsense);
    }
    let watts = |at: usize| u16::from_le_bytes([answer[at], answer[at + 1]]);
    let period = u32::from_le_bytes([answer[14], answer[15], answer[16], answer[17]]);
    let reading = PowerReading {
        current: watts(2),
        minimum: watts(4),
        maximum: watts(6),
        average: watts(8),
        period: Duration::from_millis(period.into()),
    };
    // A machine that asks draws power: 0 is what boards show that have no meter.
    if answer[18] & IS_MEASURED == 0 || reading.current == 0 {
        return Err(IpmiError::NotMeasured);
    }
    Ok(reading)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 312 W, of 5 s the least 250 W, the most 401 W, and 298 W on average.
    const FINE: [u8; ANSWER] = [
        0x00, 0xdc, 0x38, 0x01, 0xfa, 0x00, 0x91, 0x01, 0x2a, 0x01, 0x00, 0x87, 0x55, 0x69, 0x88, 0x13, 0x00,
        0x00, 0x40,
    ];

    #[test]
    fn each_byte_of_an_answer_has_its_meaning() {
        let reading = PowerReading {
            current: 312,
            minimum: 250,
            maximum: 401,
            average: 298,
            period: Duration::from_secs(5),
        };
        assert_eq!(decode(&FINE).unwrap(), reading);
        let with = |at: usize, byte: u8| {
            let mut answer = FINE;
            answer[at] = byte;
            decode(&answer)
        };
        assert_eq!(with(3, 0x02).unwrap().current, 568);
        assert_eq!(with(5, 0x01).unwrap().minimum, 506);
        assert_eq!(with(7, 0x00).unwrap().maximum, 145);
        assert_eq!(with(9, 0x00).unwrap().average, 42);
        assert_eq!(
            with(17, 0x01).unwrap().period,
            Duration::from_millis(5000 + (1 << 24))
        );
        for at in 10..14 {
            assert_eq!(with(at, 0xff).unwrap(), reading, "the time is not read");
        }
        assert!(matches!(with(0, 0xc1), Err(IpmiError::NotSupported)));
        assert!(matches!(with(0, 0xc3), Err(IpmiError::Refused(0xc3))));
        assert!(matches!(with(1, 0xdd), Err(IpmiError::Nonsense)));
        assert!(matches!(with(18, 0xbf), Err(IpmiError::NotMeasured)));
        let mut zero = FINE;
        zero[2..4].fill(0);
        assert!(matches!(decode(&zero), Err(IpmiError::NotMeasured)));
    }

    #[test]
    fn an_answer_of_another_length_is_refused() {
        for length in 0..ANSWER {
            assert!(
                matches!(decode(&FINE[..length]), Err(IpmiError::Nonsense)),
                "{length}"
            );
        }
        assert!(decode(&[&FINE[..], &[0]].concat()).is_err());
        // A refusal has no more than its code.
        assert!(matches!(decode(&[0xc1]), Err(IpmiError::NotSupported)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes);
        }
    }
}
