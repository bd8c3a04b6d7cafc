//! What this program may do.

use alumet_core::plugin::Finding;

use super::{Machine, limits};

/// The user and the effective capabilities of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Privileges {
    user: u32,
    effective: u64,
}

/// The capabilities that measuring can need, by their bit in `CapEff` (`include/uapi/linux/capability.h`), and what
/// cannot be done without each.
const WANTED: [(u32, &str, &str); 2] = [
    (
        SYS_NICE,
        "SYS_NICE",
        "real-time priority, so that ticks at intervals below 10 ms may come late",
    ),
    (
        19,
        "SYS_PTRACE",
        "I/O, exact memory and executables of other users' processes",
    ),
];
const SYS_NICE: u32 = 23;

/// The priority that the agent asks for when it polls at intervals below 10 ms.
const REAL_TIME_PRIORITY: u64 = 55;

impl Privileges {
    /// `None` when the kernel does not tell.
    pub(super) fn of(machine: &Machine) -> Option<Self> {
        let mut privileges = Self::parse(&machine.text("proc/self/status")?)?;
        // A limit that is high enough, such as `LimitRTPRIO` of a systemd unit, does what the capability would.
        let limit = limits::limit(machine, "Max realtime priority");
        if limit.is_some_and(|(soft, _)| soft >= REAL_TIME_PRIORITY) {
            privileges.effective |= 1 << SYS_NICE;
        }
        Some(privileges)
    }

    fn parse(status: &str) -> Option<Self> {
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        // Real, effective, saved and file system user; the second decides.
        let user = field("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
        let effective = u64::from_str_radix(field("CapEff:")?.trim(), 16).ok()?;
        Some(Self { user, effective })
    }

    const fn has(&self, bit: u32) -> bool {
        self.effective & (1 << bit) != 0
    }

    /// Who runs this program and what is refused to it.
    pub(super) fn finding(self) -> Finding {
        const SUBJECT: &str = "privileges";
        let who = match self.user {
            0 => "root".to_owned(),
            user => format!("user {user}"),
        };
        let lacks: Vec<_> = WANTED.iter().filter(|(bit, ..)| !self.has(*bit)).collect();
        if lacks.is_empty() {
            let detail = format!("{who}, with all capabilities that measuring can need");
            return Finding::works(SUBJECT, detail);
        }
        let list = |write: fn(&str, &str) -> String, separator: &str| {
            let each: Vec<_> = lacks
                .iter()
                .map(|(_, name, purpose)| write(name, purpose))
                .collect();
            each.join(separator)
        };
        let remedy = if self.user == 0 {
            let flags = list(|name, _| format!("--cap-add {name}"), " ");
            format!("if it is needed, give it to the container: {flags}")
        } else {
            // The command takes away what it does not name: this one names all, and other findings refer to it.
            let names = list(|name, _| format!("cap_{}", name.to_lowercase()), ",");
            let program = std::env::current_exe().unwrap_or_else(|_| "the file of this program".into());
            format!(
                "if it is needed, run as root, or:\nsudo setcap {names}=ep {}",
                program.display()
            )
        };
        let missing = list(|name, purpose| format!("CAP_{name} ({purpose})"), ", ");
        Finding::limited(SUBJECT, format!("{who}, without {missing}"), remedy)
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::super::Captured;
    use super::*;

    fn privileges(user: u32, effective: u64) -> Privileges {
        let status = format!("Name:\tx\nUid:\t7\t{user}\t7\t7\nCapPrm:\t1\nCapEff:\t{effective:016x}\n");
        Privileges::parse(&status).unwrap()
    }

    #[test]
    fn the_effective_user_and_capabilities_count() {
        let read = privileges(1000, 1 << 23);
        assert_eq!((read.user, read.effective), (1000, 1 << 23));
        assert!(read.has(SYS_NICE) && !read.has(19));
        for wrong in ["", "Uid:\t0\n", "Uid:\t0\t0\t0\t0\nCapEff:\tzz\n"] {
            assert_eq!(Privileges::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_limit_as_high_as_the_priority_that_is_asked_for_does_what_the_capability_would() {
        for (limit, is_enough) in [("0", false), ("54", false), ("55", true), ("unlimited", true)] {
            let limits =
                format!("Max realtime priority     {limit}                    0                    \n");
            let captured = Captured::with(&[
                ("proc/self/limits", &limits),
                ("proc/self/status", "Uid:\t1\t1\t1\t1\nCapEff:\t0\n"),
            ]);
            let privileges = Privileges::of(&captured.machine()).unwrap();
            assert_eq!(privileges.has(SYS_NICE), is_enough, "{limit}");
        }
    }

    #[test]
    fn root_with_everything_works() {
        let finding = privileges(0, 0x1ff_ffff_ffff).finding();
        assert_eq!((finding.verdict, finding.remedy), (Verdict::Works, None));
        assert!(finding.detail.starts_with("root"));
    }

    #[test]
    fn a_user_without_capabilities_is_told_what_each_is_for_and_the_command() {
        let finding = privileges(1000, 0).finding();
        assert_eq!(finding.verdict, Verdict::Limited);
        for phrase in ["user 1000", "CAP_SYS_NICE (real-time", "CAP_SYS_PTRACE (I/O"] {
            assert!(finding.detail.contains(phrase), "{phrase}: {finding:?}");
        }
        let remedy = finding.remedy.unwrap();
        assert!(
            remedy.contains("sudo setcap cap_sys_nice,cap_sys_ptrace=ep "),
            "{remedy}"
        );
    }

    #[test]
    fn root_of_a_container_needs_no_setcap() {
        // What Docker leaves by default.
        let remedy = privileges(0, 0xa804_25fb).finding().remedy.unwrap();
        assert!(
            remedy.contains("--cap-add SYS_NICE --cap-add SYS_PTRACE"),
            "{remedy}"
        );
        assert!(!remedy.contains("setcap"), "{remedy}");
    }
}
