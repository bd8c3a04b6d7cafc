//! Where a server is, and whether plain text may be spoken with it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The port of a server that names none.
pub const DEFAULT_PORT: u16 = 50051;

/// The place of a server: `host:port`, `[::1]:50051`, `https://server.example`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether the address itself says how to speak there.
    pub scheme: Option<Scheme>,
}

/// How to speak with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http://`: plain text.
    Plain,
    /// `https://`: TLS.
    Tls,
}

/// A text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address ({reason}); write it as \"host:50051\", \"192.0.2.1:50051\" or \"[::1]:50051\""
)]
pub struct InvalidAddress {
    text: String,
    reason: &'static str,
}

/// Plain text was to be spoken over a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not on this machine, and without TLS everybody on the way could read and change what is sent; \
     set `tls` (`alumet-server certs init DIR` makes certificates), or write `insecure = true` if the network is trusted"
)]
pub struct PlainTextRefused(Address);

impl Address {
    /// The IP address, if it is none that must be looked up.
    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether what is sent there stays on this machine.
    pub fn is_loopback(&self) -> bool {
        match self.ip() {
            Some(ip) => ip.to_canonical().is_loopback(),
            // These names never leave the machine (RFC 6761, section 6.3).
            None => {
                let host = self.host.strip_suffix('.').unwrap_or(&self.host);
                let last = host.rsplit('.').next().unwrap_or(host);
                last.eq_ignore_ascii_case("localhost")
            }
        }
    }

    /// Host and port, as sockets are looked up by.
    pub fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// `host:port`, with brackets where they are needed.
    pub fn authority(&self) -> String {
        match self.ip() {
            Some(IpAddr::V6(ip)) => format!("[{ip}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// Refuses plain text over a network: it is acceptable on this machine, or when the user has written that it is.
    ///
    /// # Errors
    /// When the address is elsewhere, there is no TLS and `insecure` is not set; the message names both remedies.
    pub fn check_plain_text(&self, has_tls: bool, insecure: bool) -> Result<(), PlainTextRefused> {
        if has_tls || insecure || self.is_loopback() {
            return Ok(());
        }
        Err(PlainTextRefused(self.clone()))
    }
}

/// As it is written in a configuration.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Some(Scheme::Plain) => "http://",
            Some(Scheme::Tls) => "https://",
            None => "",
        })?;
        f.write_str(&self.authority())
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        parse(text).map_err(|reason| InvalidAddress {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<Address, &'static str> {
    let (scheme, rest) = match text.split_once("://") {
        None => (None, text),
        Some(("http", rest)) => (Some(Scheme::Plain), rest),
        Some(("https", rest)) => (Some(Scheme::Tls), rest),
        Some(_) => return Err("it begins with neither http:// nor https://"),
    };
    // What a browser leaves there.
    let without_slash = rest.strip_suffix('/').filter(|_| scheme.is_some());
    let rest = without_slash.unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err("there is no IPv6 address in the brackets");
            }
            let port = after.strip_prefix(':');
            if port.is_none() && !after.is_empty() {
                return Err("no colon follows the bracket");
            }
            (host, port)
        }
        // An IPv6 address without brackets has no place for a port.
        None if rest.parse::<Ipv6Addr>().is_ok() => (rest, None),
        None => match rest.split_once(':') {
            None => (rest, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    if host.is_empty() {
        return Err("the host is missing");
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if !host.chars().all(is_letter) {
        return Err("a name of a host has only letters, digits, `.` and `-`");
    }
    let port = match port {
        None => DEFAULT_PORT,
        // `parse` would take a sign.
        Some(port) => (port.parse().ok())
            .filter(|_| !port.starts_with('+'))
            .ok_or("the port is no number up to 65535")?,
    };
    Ok(Address {
        host: host.to_owned(),
        port,
        scheme,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_of_an_address_is_understood_and_survives_its_text() {
        for (text, host, port, scheme) in [
            ("server:1", "server", 1, None),
            ("127.0.0.1:50051", "127.0.0.1", 50051, None),
            ("[::1]:65535", "::1", 65535, None),
            ("https://a.example:443", "a.example", 443, Some(Scheme::Tls)),
            ("http://[::]:80", "::", 80, Some(Scheme::Plain)),
            ("https://[::1]:443", "::1", 443, Some(Scheme::Tls)),
            ("0.0.0.0:0", "0.0.0.0", 0, None),
        ] {
            let address = address(text);
            let parts = (address.host.as_str(), address.port, address.scheme);
            assert_eq!(parts, (host, port, scheme));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(address("server").to_string(), "server:50051");
        assert_eq!(address("::1").to_string(), "[::1]:50051");
        assert_eq!(address("[::1]").to_string(), "[::1]:50051");
        assert_eq!(address("https://[::1]/").to_string(), "https://[::1]:50051");
        assert_eq!(
            address("https://a.example/").to_string(),
            "https://a.example:50051"
        );
    }

    #[test]
    fn what_is_no_address_is_refused_with_examples() {
        for text in [
            "",
            ":1",
            "a:",
            "a:x",
            "a:65536",
            "a:+1",
            "a b:1",
            "[::1:1",
            "[a]:1",
            "[::1]x",
            "ftp://a:1",
            "a:1:2",
            "a/b",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("write it as"), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_is_known_by_number_and_by_name() {
        for text in [
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:2",
            "[::ffff:127.0.0.1]:2",
            "localhost:1",
            "LOCALHOST.:1",
            "a.localhost",
        ] {
            assert!(address(text).is_loopback(), "{text}");
        }
        for text in [
            "0.0.0.0:1",
            "[::]:1",
            "10.0.0.1:1",
            "localhost.example:1",
            "mylocalhost:1",
        ] {
            assert!(!address(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn plain_text_over_a_network_needs_one_of_two_words() {
        let elsewhere = address("10.0.0.1:50051");
        let error = elsewhere.check_plain_text(false, false).unwrap_err().to_string();
        assert!(
            error.contains("`tls`") && error.contains("insecure = true"),
            "{error}"
        );
        assert_eq!(elsewhere.check_plain_text(true, false), Ok(()));
        assert_eq!(elsewhere.check_plain_text(false, true), Ok(()));
        assert_eq!(address("[::1]:50051").check_plain_text(false, false), Ok(()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_survives(text in ".{0,40}|[\\[\\]:0-9a-f./]{0,20}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>().unwrap().authority(), address.authority());
            }
        }
    }
}
