//! What is found out while the plugin is only tried: whether servers can be reached and trusted, and whether what proves
//! who this node is can be used.

use std::time::Duration;

use alumet_core::plugin::{Finding, StartContext, StartError};
use alumet_shared_trust::{certificate, open_secret, try_server};

use crate::client::Client;
use crate::link::Link;

/// Long enough for any server that works.
const PATIENCE: Duration = Duration::from_secs(2);

/// Notes what can be said without a session.
///
/// # Errors
/// When a certificate is out of date or there is no token where it should be. A server that is away is no fault.
pub(crate) fn try_out(client: &Client, alumet: &mut StartContext<'_>) -> Result<(), StartError> {
    for target in &client.targets {
        let opening = Link::open(target, client.tls.as_ref(), *client.config.keepalive);
        alumet.note(try_server(
            format!("relay server {}", target.address),
            PATIENCE,
            "mend that or start the relay server there; until then samples wait in the spool",
            async {
                let opened = opening.await.map(|_| "accepts connections".to_owned());
                opened.map_err(|error| error.to_string())
            },
        ));
    }
    let tls = client.config.tls.iter();
    for path in tls.clone().flat_map(|tls| [&tls.ca, &tls.certificate]).flatten() {
        alumet.note(certificate(path)?);
    }
    if client.token()?.is_some() {
        alumet.note(Finding::works("token", "can be used"));
    }
    let key = tls
        .filter_map(|tls| tls.key.as_deref())
        .map(|path| ("private key", path));
    let file = client.config.token_file.as_deref().map(|path| ("token", path));
    for finding in key.chain(file).filter_map(|(what, path)| open_secret(what, path)) {
        alumet.note(finding);
    }
    Ok(())
}
