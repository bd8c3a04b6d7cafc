//! What of the configured tables this machine offers, in words.

pub(crate) mod processes;

use alumet_core::plugin::{Finding, StartContext, Verdict};
use alumet_reader_procfs::ReadError;

/// Notes what was found, and logs what is missing when measuring is about to begin.
pub(crate) fn note(alumet: &mut StartContext<'_>, finding: Finding) {
    if finding.verdict > Verdict::Absent || finding.remedy.is_some() {
        let Finding {
            subject,
            detail,
            remedy,
            ..
        } = &finding;
        if !alumet.is_trial() {
            tracing::warn!(remedy, "{subject}: {detail}");
        }
    }
    alumet.note(finding);
}

/// What every machine has, and this one does not show.
pub(crate) fn broken(subject: &str, table: &str, error: &ReadError) -> Finding {
    let (detail, remedy) = explain(table, error);
    Finding::broken(subject, detail, remedy)
}

/// What a machine can be without; a file that is there and refused is a fault all the same.
pub(crate) fn absent(subject: &str, table: &str, error: &ReadError) -> Finding {
    let (detail, remedy) = explain(table, error);
    match error {
        ReadError::NotSupported { .. } => Finding {
            remedy: Some(remedy),
            ..Finding::absent(subject, detail)
        },
        _ => Finding::broken(subject, detail, remedy),
    }
}

/// What was found, apart from what mends it.
fn explain(table: &str, error: &ReadError) -> (String, String) {
    match error {
        ReadError::NotSupported { path, mend } => {
            (format!("{} is not there", path.display()), (*mend).to_owned())
        }
        ReadError::PermissionDenied { path, mend } => {
            (format!("{} may not be read", path.display()), (*mend).to_owned())
        }
        other => (
            other.to_string(),
            format!("until it works: plugins.procfs.{table}.enabled = false"),
        ),
    }
}

pub(crate) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

pub(crate) fn list(number: usize, what: &str, names: impl Iterator<Item = impl AsRef<str>>) -> String {
    match number {
        0 => count(0, what),
        number => format!("{}: {}", count(number, what), some(number, names)),
    }
}

/// The first names: a machine can have hundreds of interfaces.
pub(crate) fn some(number: usize, names: impl Iterator<Item = impl AsRef<str>>) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<_> = names.take(SHOWN).map(|name| name.as_ref().to_owned()).collect();
    match number.saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(
            list(8, "disk", names.iter()),
            "8 disks: a, b, c, d, e, f and 2 more"
        );
        assert_eq!(list(1, "disk", names[..1].iter()), "1 disk: a");
        assert_eq!(list(0, "disk", names[..0].iter()), "0 disks");
    }
}
