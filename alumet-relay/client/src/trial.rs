//! What is found out while the plugin is only tried: whether servers can be reached and trusted, and whether what proves
//! who this node is can be used.

use std::path::Path;
use std::time::Duration;

use alumet_core::plugin::{Finding, StartContext};
use alumet_shared_trust::{open_to_others, valid_until};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::client::Client;
use crate::error::StartFault;
use crate::link::Link;
use crate::target::Target;

/// Long enough for any server that works.
const PATIENCE: Duration = Duration::from_secs(2);

/// Notes what can be said without a session.
///
/// # Errors
/// When a certificate is out of date or there is no token where it should be. A server that is away is no fault.
pub(crate) fn try_out(client: &Client, alumet: &mut StartContext<'_>) -> Result<(), StartFault> {
    for target in &client.targets {
        alumet.note(server(client, target));
    }
    let tls = client.config.tls.iter();
    for path in tls.clone().flat_map(|tls| [&tls.ca, &tls.certificate]).flatten() {
        let until = valid_until(path)?;
        let subject = format!("certificate {}", path.display());
        alumet.note(Finding::works(subject, format!("valid until {until}")));
    }
    if let Some(token) = &client.token {
        token.read()?;
        alumet.note(Finding::works("token", "can be used"));
    }
    let key = tls
        .filter_map(|tls| tls.key.as_deref())
        .map(|path| ("private key", path));
    let file = client.config.token_file.as_deref().map(|path| ("token", path));
    for (subject, path) in key.chain(file) {
        if let Some(finding) = secret(subject, path) {
            alumet.note(finding);
        }
    }
    Ok(())
}

fn server(client: &Client, target: &Target) -> Finding {
    let subject = format!("relay server {}", target.address);
    let remedy = "mend that or start the relay server there; until then samples wait in the spool";
    let open = || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let opening = Link::open(target, client.tls.as_ref(), *client.config.keepalive);
        match runtime.block_on(async { timeout(PATIENCE, opening).await }) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.explain()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    };
    // The program may have a runtime already, which must not be blocked.
    match std::thread::scope(|scope| scope.spawn(open).join()) {
        Ok(Ok(())) => Finding::works(subject, "accepts connections"),
        Ok(Err(reason)) => Finding::limited(subject, reason, remedy),
        Err(_) => Finding::limited(subject, "the trial broke", "look for a panic in the log"),
    }
}

/// A secret that others can read.
fn secret(subject: &str, path: &Path) -> Option<Finding> {
    let mode = open_to_others(path).ok()??;
    let path = path.display();
    let detail = format!("{path} has mode {mode}: others than its owner can read or change it");
    Some(Finding::limited(subject, detail, format!("chmod 600 {path}")))
}
