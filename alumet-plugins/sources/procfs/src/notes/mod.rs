//! What of the configured tables this machine offers, in words.

pub(crate) mod processes;

use alumet_core::plugin::{Finding, StartContext, Verdict};
use alumet_reader_procfs::ReadError;

use crate::error::TableError;

/// Notes what was found, and logs what is missing when measuring is about to begin.
pub(crate) fn note(alumet: &mut StartContext<'_>, finding: Finding) {
    let is_missing = finding.verdict > Verdict::Absent || finding.remedy.is_some();
    if is_missing && !alumet.is_trial() {
        let Finding { subject, detail, .. } = &finding;
        tracing::warn!(remedy = finding.remedy, "{subject}: {detail}");
    }
    alumet.note(finding);
}

/// Why a table is not measured. A machine may lack the files of an optional one; if they are there and refused, that is a
/// fault all the same.
pub(crate) fn refused(subject: &str, table: &str, is_optional: bool, error: &TableError) -> Finding {
    let (detail, remedy) = match error {
        TableError::Read(ReadError::NotSupported { path, mend }) => {
            (format!("{} is not there", path.display()), (*mend).to_owned())
        }
        TableError::Read(ReadError::PermissionDenied { path, mend }) => {
            (format!("{} may not be read", path.display()), (*mend).to_owned())
        }
        error if error.is_for_now() => (
            error.to_string(),
            "it is measured as soon as there is a descriptor for it; allow the agent more open files"
                .to_owned(),
        ),
        error => (
            error.to_string(),
            format!("until it works: plugins.procfs.{table}.enabled = false"),
        ),
    };
    let finding = Finding::broken(subject, detail, remedy);
    match error {
        TableError::Read(ReadError::NotSupported { .. }) if is_optional => Finding {
            verdict: Verdict::Absent,
            ..finding
        },
        _ => finding,
    }
}

pub(crate) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

pub(crate) fn list(what: &str, names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    match names.len() {
        0 => count(0, what),
        number => format!("{}: {}", count(number, what), some(&names)),
    }
}

/// The first names: a machine can have hundreds of interfaces.
pub(crate) fn some(names: &[String]) -> String {
    const SHOWN: usize = 6;
    match names.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let disks = |letters: &str| list("disk", letters.chars().map(String::from));
        assert_eq!(disks("abcdefgh"), "8 disks: a, b, c, d, e, f and 2 more");
        assert_eq!(disks("a"), "1 disk: a");
        assert_eq!(disks(""), "0 disks");
    }
}
