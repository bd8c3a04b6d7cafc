//! The servers of a configuration, with how to speak to each.

use alumet_core::plugin::Faults;
use alumet_relay_protocol::address::{Address, Scheme};

use crate::config::Config;

/// A server, and whether the connection to it is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) is_tls: bool,
}

/// All servers, in the order in which they are tried.
///
/// An address without a scheme is spoken to as the table `tls` says: encrypted if there is one.
pub(crate) fn targets(config: &Config) -> Result<Vec<Target>, Faults> {
    let target = |text: &str| {
        let address: Address = text.parse().map_err(|error| format!("{error}"))?;
        if address.port == 0 {
            return Err(format!(
                "nobody listens at port 0 of {address}; the usual one is 50051"
            ));
        }
        let is_tls = match address.scheme {
            Some(scheme) => scheme == Scheme::Tls,
            None => config.tls.is_some(),
        };
        if is_tls && config.tls.is_none() {
            return Err(format!(
                "{address} asks for TLS; add the table `tls`, with the certificate of its authority in `ca`"
            ));
        }
        address
            .check_plain_text(is_tls, config.insecure)
            .map_err(|error| error.to_string())?;
        Ok(Target { address, is_tls })
    };
    let mut faults = Faults::default();
    let mut refused = |message: String| faults.add("relay_server", message);
    let servers = config.relay_server.iter();
    let targets = servers
        .filter_map(|text| target(text).map_err(&mut refused).ok())
        .collect();
    faults.or_ok().map(|()| targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(toml: &str) -> Result<Vec<bool>, String> {
        let config: Config = toml::from_str(toml).unwrap();
        let targets = targets(&config).map_err(|fault| fault.to_string())?;
        Ok(targets.into_iter().map(|target| target.is_tls).collect())
    }

    #[test]
    fn the_table_decides_unless_the_address_does() {
        assert_eq!(of("relay_server = '127.0.0.1:1'"), Ok(vec![false]));
        let mixed = "relay_server = ['a:1', 'http://127.0.0.1:1', 'https://b:1']\ntls = { ca = 'ca.pem' }";
        assert_eq!(of(mixed), Ok(vec![true, false, true]));
    }

    #[test]
    fn plain_text_over_a_network_is_refused_with_both_remedies_and_tls_needs_an_authority() {
        for address in ["10.0.0.1:1", "http://10.0.0.1:1"] {
            let error = of(&format!("relay_server = '{address}'")).unwrap_err();
            assert!(
                error.contains("insecure = true") && error.contains("`tls`"),
                "{error}"
            );
            assert_eq!(
                of(&format!("relay_server = '{address}'\ninsecure = true")),
                Ok(vec![false])
            );
        }
        let downgraded = of("relay_server = 'http://10.0.0.1:1'\ntls = { ca = 'ca.pem' }");
        assert!(downgraded.unwrap_err().contains("insecure = true"));
        let error = of("relay_server = 'https://a:1'\ninsecure = true").unwrap_err();
        assert!(error.contains("table `tls`"), "{error}");
        assert!(of("relay_server = '127.0.0.1:0'").unwrap_err().contains("50051"));
    }
}
