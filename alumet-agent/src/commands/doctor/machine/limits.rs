//! How much of something this program may have.

use alumet_core::plugin::Finding;

use super::Machine;

/// What most systems allow a program; process and control group sources of large machines come close.
const ENOUGH_FILES: u64 = 1024;

/// How many files this program may have open.
pub(super) fn open_files(machine: &Machine) -> Option<Finding> {
    const SUBJECT: &str = "open files";
    let (soft, hard) = limit(machine, "Max open files")?;
    let detail = format!("at most {} (hard limit {})", amount(soft), amount(hard));
    if soft >= ENOUGH_FILES {
        return Some(Finding::works(SUBJECT, detail));
    }
    Some(Finding::limited(
        SUBJECT,
        format!("{detail}; what does not fit is opened again and again, or refused"),
        format!("ulimit -n {ENOUGH_FILES}, or LimitNOFILE={ENOUGH_FILES} in its systemd unit"),
    ))
}

/// The soft and the hard limit in the line of `/proc/self/limits` that begins with `name`.
pub(super) fn limit(machine: &Machine, name: &str) -> Option<(u64, u64)> {
    let text = machine.text("proc/self/limits")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let mut numbers = line.split_whitespace().map(|number| match number {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((numbers.next()??, numbers.next()??))
}

fn amount(limit: u64) -> String {
    match limit {
        u64::MAX => "unlimited".to_owned(),
        limit => limit.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::super::Captured;
    use super::*;

    fn with_limits(files: &str) -> Captured {
        let text = format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max open files            {files}               524288               files     \n"
        );
        Captured::with(&[("proc/self/limits", &text)])
    }

    #[test]
    fn few_open_files_are_a_limit() {
        let finding = open_files(&with_limits("256").machine()).unwrap();
        assert_eq!(finding.verdict, Verdict::Limited);
        assert!(
            finding.detail.contains("at most 256 (hard limit 524288)"),
            "{finding:?}"
        );
        for enough in ["1024", "unlimited"] {
            let finding = open_files(&with_limits(enough).machine()).unwrap();
            assert_eq!(finding.verdict, Verdict::Works);
        }
    }

    #[test]
    fn a_text_that_is_no_limit_is_no_finding() {
        assert_eq!(open_files(&with_limits("many").machine()), None);
    }
}
