//! What is built: a version, and the commit that it is built from.

use std::env;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::shell;

/// The state of the sources.
#[derive(Debug)]
pub(super) struct Release {
    /// As `Cargo.toml` has it.
    pub(super) version: String,
    /// The commit, with `-dirty` when the files differ from it.
    pub(super) revision: String,
    /// When that was, in seconds since 1970: everything in an image has this time, so that one commit gives one image.
    pub(super) seconds: u64,
}

impl Release {
    /// Asks cargo and Git. `SOURCE_DATE_EPOCH` goes before the time of the commit
    /// (<https://reproducible-builds.org/specs/source-date-epoch/>).
    pub(super) fn of(root: &Path) -> Result<Self> {
        let line = |line: &str| Ok::<_, anyhow::Error>(shell::output(line, root)?.trim().to_owned());
        let package = line("cargo pkgid --package alumet-agent")?;
        let seconds = match env::var("SOURCE_DATE_EPOCH") {
            Ok(seconds) => seconds,
            Err(_) => line("git log -1 --format=%ct")?,
        };
        Ok(Self {
            version: version(&package).to_owned(),
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

/// The version in what `cargo pkgid` prints: `path+file:///folder#0.1.0`, or `…#name@0.1.0`.
fn version(package: &str) -> &str {
    package.rsplit(['#', '@']).next().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_with_and_without_a_name() {
        assert_eq!(version("path+file:///a/alumet-agent#0.1.0"), "0.1.0");
        assert_eq!(
            version("path+file:///a/agent#alumet-agent@0.2.0-rc.1"),
            "0.2.0-rc.1"
        );
    }
}
