//! A plugin that is only tried, as by `doctor`.

use std::path::Path;
use std::sync::Arc;

use crate::plugin::{Finding, Host, Plugin, StartContext};

use super::ManualClock;

/// What the plugin `P` finds out about the machine whose files are below `root`.
///
/// # Panics
/// When the plugin cannot start.
pub fn findings<P: Plugin>(config: P::Config, root: impl AsRef<Path>) -> Vec<Finding> {
    let host = Host::trial(Arc::new(ManualClock::new()), root.as_ref());
    let mut context = StartContext::new(&host);
    P::start(config, &mut context).expect("the plugin starts");
    context.findings().to_vec()
}
