//! A module: commands and answers over TCP.
//!
//! Protocol: as the library of Quarch speaks it (`quarchpy`, `connection_TCP`): each packet begins with the length of what
//! follows, in two bytes, the lower one first; a command ends with CR and LF, an answer with CR, LF and `>`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use alumet_core::failure::words;

use crate::error::ModuleError;

/// A power module, connected while it answers.
#[derive(Debug)]
pub(crate) struct Module {
    address: SocketAddr,
    average: u32,
    stream: Option<TcpStream>,
}

/// How long a connection or an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer that is longer is none to what is asked.
const ANSWER_LIMIT: usize = 64 << 10;

/// What ends an answer.
const END: &[u8] = b"\r\n>";

/// A module measures so often in a second.
const RATE: f64 = 250_000.0;

/// Over how many measurements it can average, as powers of two.
const AVERAGES: std::ops::RangeInclusive<u32> = 5..=15;

impl Module {
    /// The module at `address`, which averages over as long as fits into `interval`.
    pub(crate) fn at(address: SocketAddr, interval: Duration) -> Self {
        Self {
            address,
            average: average(interval),
            stream: None,
        }
    }

    /// The power now, in watts.
    ///
    /// # Errors
    /// When the module does not answer, refuses, or shows something else. It is connected anew then.
    pub(crate) fn watts(&mut self) -> Result<f64, ModuleError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let said = ask(&mut stream, "MEASure:OUTputs?")?;
        let watts = watts(&said).ok_or_else(|| ModuleError::Nonsense { said: words(&said) })?;
        self.stream = Some(stream);
        Ok(watts)
    }

    /// Connects, and lets it average for this purpose; everything else stays as it is set.
    fn connect(&self) -> Result<TcpStream, ModuleError> {
        let address = self.address;
        let connect = |error| ModuleError::Connect { address, error };
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(connect)?;
        // What it was doing for somebody before would go on with other averages.
        for command in [
            "RECord:STOP".to_owned(),
            "RECord:TRIGger:MODE MANUAL".to_owned(),
            format!("RECord:AVEraging {}", name(self.average)),
            "RECord:RUN".to_owned(),
        ] {
            let said = ask(&mut stream, &command)?;
            if said.to_ascii_uppercase().contains("FAIL") && command != "RECord:STOP" {
                let said = words(&said);
                return Err(ModuleError::Refused { command, said });
            }
        }
        Ok(stream)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.stream {
            // It will notice the end of the connection as well.
            let _ = ask(stream, "RECord:STOP");
        }
    }
}

/// The answer to a command.
fn ask(stream: &mut TcpStream, command: &str) -> Result<String, ModuleError> {
    exchange(stream, command).map_err(|error| ModuleError::Broken {
        command: command.to_owned(),
        error,
    })
}

fn exchange(stream: &mut TcpStream, command: &str) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    stream.write_all(&packet(command))?;
    let mut answer = Vec::new();
    while !answer.ends_with(END) {
        let mut length = [0; 2];
        read(stream, &mut length, deadline)?;
        let start = answer.len();
        answer.resize(start + usize::from(u16::from_le_bytes(length)), 0);
        if answer.len() > ANSWER_LIMIT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its answer does not end",
            ));
        }
        read(stream, &mut answer[start..], deadline)?;
    }
    answer.truncate(answer.len() - END.len());
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Reads all of `buffer`, however it comes, until the deadline.
fn read(stream: &mut TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// A command as it is sent. All of ours are far shorter than a packet can be.
fn packet(command: &str) -> Vec<u8> {
    let length = (command.len() + 2) as u16;
    [&length.to_le_bytes()[..], command.as_bytes(), b"\r\n"].concat()
}

/// The largest power of two of measurements that are made within `interval`.
fn average(interval: Duration) -> u32 {
    let measured = (interval.as_secs_f64() * RATE).log2().floor();
    (measured as u32).clamp(*AVERAGES.start(), *AVERAGES.end())
}

/// How a module calls an average: `32`, `1K`.
fn name(power: u32) -> String {
    match power {
        0..10 => format!("{}", 1 << power),
        _ => format!("{}K", 1 << (power - 10)),
    }
}

/// The sum over all rails of voltage times current, in watts, of lines such as `12V = 12034 mV` and `12V = 1034 uA`; none if no
/// rail has both. What stands before `=` and is no unit names the rail.
fn watts(said: &str) -> Option<f64> {
    let mut rails: BTreeMap<String, [Option<f64>; 2]> = BTreeMap::new();
    for line in said.lines() {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let Some((quantity, value)) = volts_or_amperes(value.trim()) else {
            continue;
        };
        rails.entry(rail(name)).or_default()[quantity] = Some(value);
    }
    let powers = rails
        .values()
        .filter_map(|[volts, amperes]| Some((*volts)? * (*amperes)?));
    let powers: Vec<_> = powers.collect();
    (!powers.is_empty()).then(|| powers.iter().sum())
}

/// 0 and volts, or 1 and amperes.
fn volts_or_amperes(text: &str) -> Option<(usize, f64)> {
    let (quantity, text) = match text.as_bytes().last()? {
        b'V' => (0, &text[..text.len() - 1]),
        b'A' => (1, &text[..text.len() - 1]),
        _ => return None,
    };
    let (scale, number) = match text.as_bytes().last()? {
        b'm' => (1e-3, &text[..text.len() - 1]),
        b'u' => (1e-6, &text[..text.len() - 1]),
        b'n' => (1e-9, &text[..text.len() - 1]),
        _ => (1.0, text),
    };
    let number: f64 = number.trim().parse().ok()?;
    number.is_finite().then_some((quantity, number * scale))
}

/// The name of a rail, without what tells its voltage from its current.
fn rail(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let words = words.map(str::to_ascii_lowercase);
    let is_rail = |word: &String| {
        !matches!(
            word.as_str(),
            "" | "voltage" | "volt" | "current" | "curr" | "mv" | "ua" | "v" | "a"
        )
    };
    words.filter(is_rail).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn power_is_the_sum_over_rails_and_not_the_product_of_sums() {
        let said = "5V Voltage = 5000 mV\r\n5V Current = 400000 uA\r\n12V Voltage = 12000 mV\r\n12V Current = 1000000 uA";
        assert_eq!(watts(said), Some(14.0));
        let said = "12V = 12000 mV\r\n12V = 500 mA\r\n3.3V AUX=3.3 V\r\nStatus = fine";
        assert_eq!(watts(said), Some(6.0));
        // What flows back counts against the rest.
        assert_eq!(watts("5V=5000mV\n5V=-2000uA"), Some(-0.01));
        for nothing in [
            "",
            "FAIL: 0x10",
            "5V = 5000 mV",
            "5V = 1 mV\n12V = 1 uA",
            "5V=NaN V\n5V=1 A",
        ] {
            assert_eq!(watts(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_packet_begins_with_its_length() {
        assert_eq!(packet("RECord:RUN"), b"\x0c\x00RECord:RUN\r\n");
    }

    #[test]
    fn an_average_is_as_long_as_fits_into_the_interval() {
        for (milliseconds, expected) in [(1, "128"), (5, "1K"), (150, "32K"), (60_000, "32K"), (0, "32")] {
            assert_eq!(
                name(average(Duration::from_millis(milliseconds))),
                expected,
                "{milliseconds}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".*", line in "[a-z0-9V ]{0,6}=[0-9.eunmVA é-]{0,8}") {
            let _ = watts(&text);
            let _ = watts(&line);
        }
    }
}
