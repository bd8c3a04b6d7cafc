//! The name of a node, as a certificate or a client gives it.

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The longest name of a node in bytes, that of a DNS name.
pub const NODE_NAME_LIMIT: usize = 253;

/// A text cannot be the name of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` cannot be the name of a node; use 1 to {NODE_NAME_LIMIT} letters, digits, `.`, `-` and `_`, \
     beginning with a letter or digit",
    .0.escape_debug()
)]
pub struct InvalidNodeName(pub String);

/// Refuses what cannot be the name of a node: it becomes part of file names, metrics and log lines.
///
/// # Errors
/// The rule, with the name.
pub fn check_node_name(name: &str) -> Result<(), InvalidNodeName> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_valid = name.len() <= NODE_NAME_LIMIT
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_letter);
    if is_valid {
        return Ok(());
    }
    // A hostile client must not fill the log.
    Err(InvalidNodeName(name.chars().take(NODE_NAME_LIMIT).collect()))
}

/// The node that a certificate is for: its first DNS name, or else its common name.
pub fn node_of(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let dns_name = alternatives.and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
    });
    let common_name = || certificate.subject().iter_common_name().next()?.as_str().ok();
    dns_name.or_else(common_name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(dns_names: &[&str], common_name: Option<&str>) -> Vec<u8> {
        let names: Vec<String> = dns_names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_node_is_named_by_its_first_dns_name_or_else_by_its_common_name() {
        let node = |dns: &[&str], common| node_of(&certificate(dns, common));
        assert_eq!(node(&["10.0.0.1", "a", "b"], Some("c")).as_deref(), Some("a"));
        assert_eq!(node(&["10.0.0.1"], Some("c")).as_deref(), Some("c"));
        assert_eq!(node(&[], None), None);
    }

    #[test]
    fn no_part_of_a_certificate_makes_it_panic() {
        let whole = certificate(&["a"], Some("c"));
        for end in 0..whole.len() {
            assert_eq!(node_of(&whole[..end]), None);
        }
    }

    #[test]
    fn names_that_could_be_paths_or_break_a_line_are_refused() {
        for name in ["a", "node-1.example", "7", "a_b"] {
            assert_eq!(check_node_name(name), Ok(()));
        }
        for name in ["", ".", "..", "-a", "a/b", "a b", "a\nb", "é", &"a".repeat(254)] {
            assert!(check_node_name(name).is_err(), "{name}");
        }
    }
}
