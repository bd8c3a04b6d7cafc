//! How much of something this program, or this user, may have.

use alumet_core::plugin::Finding;

use super::Machine;
use super::privileges::Privileges;

/// The priority that the agent asks for when it polls at intervals below 10 ms.
const REAL_TIME_PRIORITY: u64 = 55;
/// What most systems allow a program; process and control group sources of large machines come close.
const ENOUGH_FILES: u64 = 1024;
/// The lowest default of the kernel, on a machine with little memory.
const ENOUGH_WATCHES: u64 = 8192;
/// The kernel's default.
const ENOUGH_INSTANCES: u64 = 128;

/// Whether intervals below 10 ms are polled with real-time priority.
pub(super) fn real_time_priority(machine: &Machine, privileges: Option<&Privileges>) -> Option<Finding> {
    const SUBJECT: &str = "real-time priority";
    if privileges.is_some_and(Privileges::may_take_real_time_priority) {
        return Some(Finding::works(SUBJECT, "permitted (CAP_SYS_NICE)"));
    }
    let (soft, _) = limit(machine, "Max realtime priority")?;
    if soft >= REAL_TIME_PRIORITY {
        return Some(Finding::works(
            SUBJECT,
            format!("permitted up to priority {soft}"),
        ));
    }
    Some(Finding::limited(
        SUBJECT,
        format!(
            "refused: the limit is {soft}, {REAL_TIME_PRIORITY} is needed; at intervals below 10 ms ticks may come late"
        ),
        format!(
            "give the program CAP_SYS_NICE (see privileges), or set LimitRTPRIO={REAL_TIME_PRIORITY} in its systemd unit"
        ),
    ))
}

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

/// How many folders this user can follow as they change.
pub(super) fn inotify(machine: &Machine) -> Option<Finding> {
    const SUBJECT: &str = "inotify";
    let setting =
        |name: &str| -> Option<u64> { machine.text(&format!("proc/sys/fs/inotify/{name}"))?.parse().ok() };
    let (watches, instances) = (setting("max_user_watches")?, setting("max_user_instances")?);
    let detail = format!("{watches} watches in {instances} instances for each user");
    let low: Vec<_> = [
        ("max_user_watches", watches, ENOUGH_WATCHES),
        ("max_user_instances", instances, ENOUGH_INSTANCES),
    ]
    .into_iter()
    .filter(|(_, found, enough)| found < enough)
    .map(|(name, _, enough)| format!("fs.inotify.{name}={enough}"))
    .collect();
    if low.is_empty() {
        return Some(Finding::works(SUBJECT, detail));
    }
    Some(Finding::limited(
        SUBJECT,
        format!("{detail}; new control groups and mounts may be noticed late"),
        format!("sudo sysctl -w {}", low.join(" ")),
    ))
}

/// The soft and the hard limit in the line of `/proc/self/limits` that begins with `name`.
fn limit(machine: &Machine, name: &str) -> Option<(u64, u64)> {
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

    fn with_limits(priority: &str, files: &str) -> Captured {
        let text = format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max open files            {files}               524288               files     \n\
             Max realtime priority     {priority}                    0                    \n"
        );
        Captured::with(&[("proc/self/limits", &text)])
    }

    fn with_inotify(watches: &str, instances: &str) -> Captured {
        Captured::with(&[
            ("proc/sys/fs/inotify/max_user_watches", watches),
            ("proc/sys/fs/inotify/max_user_instances", instances),
        ])
    }

    #[test]
    fn real_time_priority_takes_a_limit_as_high_as_what_is_asked_for() {
        for (limit, verdict) in [
            ("0", Verdict::Limited),
            ("54", Verdict::Limited),
            ("55", Verdict::Works),
            ("unlimited", Verdict::Works),
        ] {
            let captured = with_limits(limit, "1024");
            let finding = real_time_priority(&captured.machine(), None).unwrap();
            assert_eq!(finding.verdict, verdict, "{limit}");
        }
    }

    #[test]
    fn the_capability_makes_the_limit_irrelevant() {
        let status = (
            "proc/self/status",
            "Uid:\t1\t1\t1\t1\nCapEff:\t0000000000800000\n",
        );
        let captured = Captured::with(&[status]);
        let machine = captured.machine();
        let privileges = Privileges::of(&machine).unwrap();
        let finding = real_time_priority(&machine, Some(&privileges)).unwrap();
        assert_eq!(finding.verdict, Verdict::Works);
    }

    #[test]
    fn few_open_files_are_a_limit() {
        let finding = open_files(&with_limits("0", "256").machine()).unwrap();
        assert_eq!(finding.verdict, Verdict::Limited);
        assert!(
            finding.detail.contains("at most 256 (hard limit 524288)"),
            "{finding:?}"
        );
        let finding = open_files(&with_limits("0", "1024").machine()).unwrap();
        assert_eq!(finding.verdict, Verdict::Works);
    }

    #[test]
    fn the_remedy_for_inotify_names_what_is_low_and_nothing_else() {
        let finding = inotify(&with_inotify("100", "128").machine()).unwrap();
        let remedy = finding.remedy.unwrap();
        assert_eq!(remedy, "sudo sysctl -w fs.inotify.max_user_watches=8192");
        let finding = inotify(&with_inotify("100", "1").machine()).unwrap();
        assert!(
            finding
                .remedy
                .unwrap()
                .ends_with("fs.inotify.max_user_instances=128")
        );
        let finding = inotify(&with_inotify("16384", "128").machine()).unwrap();
        assert_eq!(finding.verdict, Verdict::Works);
    }

    #[test]
    fn a_text_that_is_no_limit_is_no_finding() {
        let captured = Captured::with(&[("proc/self/limits", "Max open files  many\n")]);
        assert_eq!(open_files(&captured.machine()), None);
        assert_eq!(inotify(&with_inotify("x", "128").machine()), None);
    }
}
