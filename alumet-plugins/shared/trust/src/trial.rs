//! What plugins find out about servers and files while they are only tried.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use alumet_core::plugin::Finding;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::error::TlsError;
use crate::files::valid_until;
use crate::secret::open_to_others;

/// What an attempt to reach a server has shown; `remedy` is for one that fails or takes longer than `patience`.
pub fn try_server(
    subject: String,
    patience: Duration,
    remedy: &str,
    attempt: impl Future<Output = Result<String, String>> + Send,
) -> Finding {
    let run = || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let result = runtime.block_on(async { timeout(patience, attempt).await });
        result.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())))
    };
    // A plugin may be tried in a program that has a runtime already, which must not be blocked.
    match std::thread::scope(|scope| scope.spawn(run).join()) {
        Ok(Ok(detail)) => Finding::works(subject, detail),
        Ok(Err(reason)) => Finding::limited(subject, reason, remedy),
        Err(_) => Finding::limited(subject, "the trial broke", "look for a panic in the log"),
    }
}

/// Until when the certificate in the file at `path` is valid.
///
/// # Errors
/// When it is not valid now.
pub fn certificate(path: &Path) -> Result<Finding, TlsError> {
    let (subject, until) = (format!("certificate {}", path.display()), valid_until(path)?);
    Ok(Finding::works(subject, format!("valid until {until}")))
}

/// That others than its owner may read or write the file at `path`, which holds secrets: a `what`.
pub fn open_secret(what: &str, path: &Path) -> Option<Finding> {
    let mode = open_to_others(path).ok()??;
    let path = path.display();
    let detail = format!("other users may read or write {path} (mode {mode})");
    Some(Finding::limited(what, detail, format!("chmod 600 {path}")))
}
