//! Whether the machine is seen as a whole: its file systems and its processes.

use std::fs;

use alumet_core::plugin::Finding;

use super::Machine;

/// Whether `proc` and `sys` are where the configuration says.
pub(super) fn system_root(machine: &Machine) -> Finding {
    const SUBJECT: &str = "system root";
    let root = machine.root.display();
    let missing: Vec<_> = [("proc", "proc/stat"), ("sys", "sys/devices")]
        .into_iter()
        .filter(|(_, sign)| !machine.path(sign).exists())
        .map(|(folder, _)| folder)
        .collect();
    if missing.is_empty() {
        return Finding::works(SUBJECT, format!("{root} has proc and sys"));
    }
    Finding::broken(
        SUBJECT,
        format!("{root} has no {} of a Linux machine", missing.join(" and no ")),
        "set `system_root` to the folder below which proc and sys are mounted; in a container that sees those of its \
         host in /host: system_root = \"/host\"",
    )
}

/// Whether the processes of the whole machine can be seen.
pub(super) fn processes(machine: &Machine) -> Option<Finding> {
    const SUBJECT: &str = "processes";
    let status = machine.text("proc/self/status")?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    if numbers.split_whitespace().count() > 1 {
        return Some(Finding::works(
            SUBJECT,
            "this program is in a container and sees the processes around it",
        ));
    }
    let namespace = fs::read_link(machine.path("proc/self/ns/pid")).ok();
    let namespace = namespace.as_deref().and_then(std::path::Path::to_str);
    match namespace {
        None => None,
        Some(INITIAL) => Some(Finding::works(SUBJECT, "those of the whole machine can be seen")),
        Some(_) => Some(Finding::limited(
            SUBJECT,
            "this program is in a container and sees only the processes in it",
            "share the processes of the host (Kubernetes: hostPID: true, Docker: --pid=host), or mount its /proc and \
             /sys below a folder such as /host and set `system_root` to it",
        )),
    }
}

/// The namespace of the machine itself: `PROC_PID_INIT_INO` in `include/linux/proc_ns.h`.
const INITIAL: &str = "pid:[4026531836]";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use alumet_core::plugin::Verdict;

    use super::super::Captured;
    use super::*;

    fn in_namespace(numbers: &str, namespace: Option<&str>) -> Option<Finding> {
        let captured = Captured::with(&[
            ("proc/self/status", &format!("Name:\tx\nNSpid:\t{numbers}\n")),
            ("proc/self/ns/mnt", ""),
        ]);
        let machine = captured.machine();
        if let Some(namespace) = namespace {
            symlink(namespace, machine.path("proc/self/ns/pid")).unwrap();
        }
        processes(&machine)
    }

    #[test]
    fn a_root_without_proc_or_sys_is_broken_and_says_which() {
        let captured = Captured::with(&[("proc/stat", "cpu 0\n")]);
        let finding = system_root(&captured.machine());
        assert_eq!(finding.verdict, Verdict::Broken);
        assert!(finding.detail.contains("has no sys of"), "{finding:?}");
        let captured = Captured::with(&[("proc/stat", "cpu 0\n"), ("sys/devices/x", "")]);
        assert_eq!(system_root(&captured.machine()).verdict, Verdict::Works);
    }

    #[test]
    fn only_a_container_that_sees_itself_alone_is_a_limit() {
        let verdict = |numbers, namespace| in_namespace(numbers, namespace).map(|finding| finding.verdict);
        assert_eq!(verdict("7", Some(INITIAL)), Some(Verdict::Works));
        assert_eq!(verdict("7", Some("pid:[4026532200]")), Some(Verdict::Limited));
        assert_eq!(verdict("3000\t7", Some("pid:[4026532200]")), Some(Verdict::Works));
        assert_eq!(verdict("7", None), None);
    }
}
