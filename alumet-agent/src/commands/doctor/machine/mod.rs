//! What the doctor finds about the machine, whatever the plugins want of it.

mod kernel;
mod limits;
mod namespace;
mod privileges;

use std::fs;
use std::path::{Path, PathBuf};

use alumet_core::plugin::Finding;

use crate::app::Purpose;

use privileges::Privileges;

/// The machine, as the files below its system root show it.
#[derive(Debug)]
pub(super) struct Machine {
    root: PathBuf,
}

impl Machine {
    pub(super) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// What matters to a program for this purpose. What a file that is missing would tell is left out; that `proc` or `sys` is missing as a whole is
    /// the first finding.
    pub(super) fn findings(&self, purpose: Purpose) -> Vec<Finding> {
        if purpose == Purpose::Receive {
            // Each connection is an open file; the rest is about what is measured here.
            return limits::open_files(self).into_iter().collect();
        }
        let findings = [
            Some(namespace::system_root(self)),
            kernel::version(self),
            Privileges::of(self).map(Privileges::finding),
            kernel::clock_source(self),
            namespace::processes(self),
            limits::open_files(self),
        ];
        findings.into_iter().flatten().collect()
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A small text file without the blanks around its content; `None` if it cannot be read.
    fn text(&self, relative: &str) -> Option<String> {
        let bytes = fs::read(self.path(relative)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}

/// A captured machine for the tests of the single findings.
#[cfg(test)]
struct Captured(tempfile::TempDir);

#[cfg(test)]
impl Captured {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn machine(&self) -> Machine {
        Machine::at(self.0.path())
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::*;

    #[test]
    fn of_an_empty_root_only_what_is_missing_is_told() {
        let findings = Captured::with(&[]).machine().findings(Purpose::Measure);
        let broken: Vec<_> = findings.iter().filter(|f| f.verdict == Verdict::Broken).collect();
        assert_eq!(broken.len(), 1, "{findings:?}");
        assert_eq!(broken[0].subject, "system root");
        assert!(
            findings.iter().all(|f| !matches!(f.verdict, Verdict::Limited)),
            "{findings:?}"
        );
    }

    #[test]
    fn this_machine_has_findings_of_every_kind_of_file() {
        let findings = Machine::at(Path::new("/")).findings(Purpose::Measure);
        for subject in ["system root", "kernel", "privileges", "open files", "processes"] {
            assert!(
                findings.iter().any(|f| f.subject == subject),
                "{subject}: {findings:?}"
            );
        }
    }
}
