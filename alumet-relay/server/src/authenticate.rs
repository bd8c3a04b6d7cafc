//! Who a client is: what its credentials say, and whether that is what it says itself.

use alumet_relay_protocol::identity::check_node_name;
use alumet_relay_protocol::tokens::Tokens;

use crate::refusal::{Reason, Refusal};

/// What a client has to prove who it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Credentials<'a> {
    /// The node of its certificate, which is verified.
    pub(crate) certificate: Option<&'a str>,
    /// Its token, which is not verified yet.
    pub(crate) token: Option<&'a str>,
}

/// The node that a client proves to be; `None` when it need not prove anything and does not.
pub(crate) fn identify<'a>(
    credentials: Credentials<'a>,
    tokens: Option<&'a Tokens>,
    is_needed: bool,
) -> Result<Option<&'a str>, Refusal> {
    let refuse = |message: &str| Err(Refusal::new(Reason::Credentials, message));
    // Without tokens here, nobody could verify one.
    let by_token = credentials
        .token
        .zip(tokens)
        .map(|(token, tokens)| tokens.node_of(token));
    if by_token == Some(None) {
        return refuse(
            "the token is not known here; add it to the tokens of the server, or mend it in the client",
        );
    }
    let by_token = by_token.flatten();
    match (credentials.certificate, by_token) {
        (Some(one), Some(other)) if one != other => Err(Refusal::new(
            Reason::Identity,
            format!("the certificate is that of `{one}` and the token that of `{other}`; use one of them"),
        )),
        (Some(node), _) | (None, Some(node)) => Ok(Some(node)),
        (None, None) if !is_needed => Ok(None),
        (None, None) if tokens.is_some() => {
            refuse("set `token` or `token_file` in the client, so that it can prove who it is")
        }
        (None, None) => refuse(
            "the client shows no certificate that names its node; set `tls.certificate` and `tls.key` there \
             (`alumet-server certs issue` makes them)",
        ),
    }
}

/// Refuses a client that says it is `claimed` although it proved to be `proven`.
pub(crate) fn check_claim(claimed: &str, proven: Option<&str>) -> Result<(), Refusal> {
    check_node_name(claimed).map_err(|error| Refusal::new(Reason::Message, error.to_string()))?;
    match proven {
        Some(proven) if proven != claimed => Err(Refusal::new(
            Reason::Identity,
            format!(
                "the client says that it is `{claimed}` but its credentials are those of `{proven}`; set `client_name = \
                 \"{proven}\"` there, or give it its own credentials"
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn tokens() -> Tokens {
        Tokens::from_table(&BTreeMap::from([("a".to_owned(), TOKEN.to_owned())])).unwrap()
    }

    fn reason(result: Result<Option<&str>, Refusal>) -> Reason {
        result.unwrap_err().reason
    }

    #[test]
    fn a_certificate_or_a_token_proves_which_node_it_is() {
        let tokens = tokens();
        let both = |certificate, token| identify(Credentials { certificate, token }, Some(&tokens), true);
        assert_eq!(both(Some("c"), None), Ok(Some("c")));
        assert_eq!(both(None, Some(TOKEN)), Ok(Some("a")));
        assert_eq!(both(Some("a"), Some(TOKEN)), Ok(Some("a")));
        assert_eq!(reason(both(Some("c"), Some(TOKEN))), Reason::Identity);
        // A wrong token is not saved by a right certificate: somebody has mixed something up.
        assert_eq!(reason(both(Some("c"), Some("wrong"))), Reason::Credentials);
        assert_eq!(reason(both(None, Some("wrong"))), Reason::Credentials);
        assert_eq!(reason(both(None, None)), Reason::Credentials);
    }

    #[test]
    fn without_tokens_here_one_there_does_not_matter() {
        let token = Credentials {
            certificate: None,
            token: Some("x"),
        };
        assert_eq!(identify(token, None, false), Ok(None));
        assert_eq!(reason(identify(token, None, true)), Reason::Credentials);
    }

    #[test]
    fn a_client_may_only_speak_for_the_node_that_it_is() {
        assert_eq!(check_claim("a", Some("a")), Ok(()));
        assert_eq!(check_claim("a", None), Ok(()));
        assert_eq!(check_claim("a", Some("b")).unwrap_err().reason, Reason::Identity);
        assert_eq!(check_claim("a\nb", None).unwrap_err().reason, Reason::Message);
    }
}
