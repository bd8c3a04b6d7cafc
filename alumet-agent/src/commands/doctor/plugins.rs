//! What each plugin finds, and whether it starts.

use std::path::Path;
use std::sync::Arc;

use alumet_core::plugin::{Finding, Host, StartContext};
use alumet_core::time::SystemClock;

use crate::app::App;

use super::configuration::Subject;

/// Which plugins of this program are looked at.
pub(super) fn selection(app: &App, subjects: &[Subject]) -> Finding {
    let enabled: Vec<_> = subjects.iter().map(|subject| subject.descriptor.id).collect();
    let others: Vec<_> = app
        .plugin_ids()
        .into_iter()
        .filter(|id| !enabled.contains(id))
        .collect();
    let list = |ids: &[&str]| match ids {
        [] => "none".to_owned(),
        ids => ids.join(", "),
    };
    let mut detail = list(&enabled);
    if !others.is_empty() {
        detail = format!("{detail}; not enabled: {}", list(&others));
    }
    Finding::works("plugins", detail)
}

/// The findings of one plugin, and above them whether it starts.
pub(super) fn findings(subject: &Subject, root: &Path) -> Vec<Finding> {
    let host = Host::trial(Arc::new(SystemClock), root);
    let mut context = StartContext::new(&host);
    let mut findings = vec![try_start(subject, &mut context)];
    findings.extend_from_slice(context.findings());
    findings.extend(subject.descriptor.diagnose(&subject.config, &host));
    findings
}

/// Tries to start a plugin and lets go of it at once.
fn try_start(subject: &Subject, context: &mut StartContext<'_>) -> Finding {
    const SUBJECT: &str = "start";
    match subject.descriptor.start(&subject.config, context) {
        Ok(mut running) => {
            // The elements go first, as in a run.
            drop(context.take_specs());
            running.stop();
            Finding::works(SUBJECT, "it can start")
        }
        Err(error) => Finding::broken(
            SUBJECT,
            format!("it cannot start: {error}"),
            format!(
                "mend that, switch the plugin off with plugins.{id}.enabled = false, or go on without it with \
                 plugins.{id}.on_error = \"disable\"",
                id = subject.descriptor.id
            ),
        ),
    }
}
