//! What is built: a version, and the commit that it is built from.

use std::env;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::shell;

/// The state of the sources.
#[derive(Debug)]
pub(super) struct Release {
    /// That of the workspace.
    pub(super) version: &'static str,
    /// The commit, with `-dirty` when the files differ from it.
    pub(super) revision: String,
    /// When that was, in seconds since 1970: everything in an image has this time, so that one commit gives one image.
    pub(super) seconds: u64,
}

impl Release {
    /// Asks Git. `SOURCE_DATE_EPOCH` goes before the time of the commit
    /// (<https://reproducible-builds.org/specs/source-date-epoch/>).
    pub(super) fn of(root: &Path) -> Result<Self> {
        let line = |line: &str| Ok::<_, anyhow::Error>(shell::output(line, root)?.trim().to_owned());
        let seconds = match env::var("SOURCE_DATE_EPOCH") {
            Ok(seconds) => seconds,
            Err(_) => line("git log -1 --format=%ct")?,
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: line("git describe --always --dirty --abbrev=40 --exclude '*'")?,
            seconds: seconds.parse().with_context(|| {
                format!("`{seconds}` is no time in seconds since 1970; mend SOURCE_DATE_EPOCH")
            })?,
        })
    }

    /// The time as RFC 3339 has it.
    pub(super) fn created(&self) -> String {
        let time = UNIX_EPOCH + Duration::from_secs(self.seconds);
        humantime::format_rfc3339_seconds(time).to_string()
    }
}
