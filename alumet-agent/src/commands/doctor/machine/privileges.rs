//! What this program may do.

use alumet_core::plugin::Finding;

use super::Machine;

/// The user and the effective capabilities of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Privileges {
    user: u32,
    effective: u64,
}

/// A capability by its bit in `CapEff` (`include/uapi/linux/capability.h`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Capability {
    bit: u32,
    name: &'static str,
    /// What cannot be done without it.
    purpose: &'static str,
}

const DAC_READ_SEARCH: Capability = Capability {
    bit: 2,
    name: "DAC_READ_SEARCH",
    purpose: "files that only root may read",
};
const SYS_PTRACE: Capability = Capability {
    bit: 19,
    name: "SYS_PTRACE",
    purpose: "I/O, exact memory and executables of other users' processes",
};
const SYS_ADMIN: Capability = Capability {
    bit: 21,
    name: "SYS_ADMIN",
    purpose: "",
};
pub(super) const SYS_NICE: Capability = Capability {
    bit: 23,
    name: "SYS_NICE",
    purpose: "real-time priority",
};
const PERFMON: Capability = Capability {
    bit: 38,
    name: "PERFMON",
    purpose: "hardware counters of whole CPUs",
};

const WANTED: [Capability; 4] = [SYS_NICE, PERFMON, SYS_PTRACE, DAC_READ_SEARCH];

impl Privileges {
    /// `None` when the kernel does not tell.
    pub(super) fn of(machine: &Machine) -> Option<Self> {
        Self::parse(&machine.text("proc/self/status")?)
    }

    fn parse(status: &str) -> Option<Self> {
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        // Real, effective, saved and file system user; the second decides.
        let user = field("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
        let effective = u64::from_str_radix(field("CapEff:")?.trim(), 16).ok()?;
        Some(Self { user, effective })
    }

    pub(super) const fn has(&self, capability: Capability) -> bool {
        self.effective & (1 << capability.bit) != 0
    }

    /// `CAP_PERFMON`, or what held its rights before Linux 5.8.
    pub(super) const fn may_count_all_events(&self) -> bool {
        self.has(PERFMON) || self.has(SYS_ADMIN)
    }

    fn lacks(&self) -> Vec<Capability> {
        let has = |wanted: &Capability| match wanted.bit == PERFMON.bit {
            true => self.may_count_all_events(),
            false => self.has(*wanted),
        };
        WANTED.into_iter().filter(|wanted| !has(wanted)).collect()
    }
}

/// Who runs this program and what is refused to it.
pub(super) fn finding(privileges: &Privileges) -> Finding {
    const SUBJECT: &str = "privileges";
    let who = match privileges.user {
        0 => "root".to_owned(),
        user => format!("user {user}"),
    };
    let lacks = privileges.lacks();
    if lacks.is_empty() {
        return Finding::works(
            SUBJECT,
            format!("{who}, with all capabilities that measuring can need"),
        );
    }
    let missing: Vec<_> = lacks
        .iter()
        .map(|capability| format!("CAP_{} ({})", capability.name, capability.purpose))
        .collect();
    let remedy = match privileges.user {
        0 => {
            let flags: Vec<_> = lacks
                .iter()
                .map(|capability| format!("--cap-add {}", capability.name))
                .collect();
            format!("if it is needed, give it to the container: {}", flags.join(" "))
        }
        _ => format!("if it is needed, run as root, or:\n{}", setcap(&lacks)),
    };
    Finding::limited(SUBJECT, format!("{who}, without {}", missing.join(", ")), remedy)
}

/// The command that gives capabilities to the file of this program. It takes away those that it does not name, which is
/// why this one command names all, and other findings refer to it.
fn setcap(capabilities: &[Capability]) -> String {
    let names: Vec<_> = capabilities
        .iter()
        .map(|capability| format!("cap_{}", capability.name.to_lowercase()))
        .collect();
    format!("sudo setcap {}=ep {}", names.join(","), program())
}

/// The file of this program.
fn program() -> String {
    std::env::current_exe().map_or_else(
        |_| "the file of this program".to_owned(),
        |path| path.display().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use alumet_core::plugin::Verdict;

    use super::*;

    fn privileges(user: u32, effective: u64) -> Privileges {
        let status = format!("Name:\tx\nUid:\t7\t{user}\t7\t7\nCapPrm:\t1\nCapEff:\t{effective:016x}\n");
        Privileges::parse(&status).unwrap()
    }

    #[test]
    fn the_effective_user_and_capabilities_count() {
        let read = privileges(1000, 1 << 23);
        assert_eq!((read.user, read.effective), (1000, 1 << 23));
        assert!(read.has(SYS_NICE) && !read.has(SYS_PTRACE));
        for wrong in ["", "Uid:\t0\n", "Uid:\t0\t0\t0\t0\nCapEff:\tzz\n"] {
            assert_eq!(Privileges::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn root_with_everything_works() {
        let finding = finding(&privileges(0, 0x1ff_ffff_ffff));
        assert_eq!((finding.verdict, finding.remedy), (Verdict::Works, None));
        assert!(finding.detail.starts_with("root"));
    }

    #[test]
    fn a_user_without_capabilities_is_told_what_each_is_for_and_the_command() {
        let finding = finding(&privileges(1000, 0));
        assert_eq!(finding.verdict, Verdict::Limited);
        for phrase in [
            "user 1000",
            "CAP_SYS_NICE (real-time",
            "CAP_PERFMON (hardware",
            "CAP_SYS_PTRACE (I/O",
        ] {
            assert!(finding.detail.contains(phrase), "{phrase}: {finding:?}");
        }
        let remedy = finding.remedy.unwrap();
        let command = "sudo setcap cap_sys_nice,cap_perfmon,cap_sys_ptrace,cap_dac_read_search=ep ";
        assert!(remedy.contains(command), "{remedy}");
    }

    #[test]
    fn root_of_a_container_needs_no_setcap() {
        // What Docker leaves by default.
        let finding = finding(&privileges(0, 0xa804_25fb));
        let remedy = finding.remedy.unwrap();
        assert!(
            remedy.contains("--cap-add SYS_NICE --cap-add PERFMON"),
            "{remedy}"
        );
        assert!(!remedy.contains("setcap"), "{remedy}");
    }

    #[test]
    fn before_perfmon_existed_sys_admin_did_its_work() {
        let old = privileges(0, 1 << 21);
        assert!(old.may_count_all_events());
        assert!(!finding(&old).detail.contains("PERFMON"));
    }
}
