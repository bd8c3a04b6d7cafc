//! What an event is called: `<event>[#<modifiers>]`.
//!
//! `<event>` is a name of the kernel (`CACHE_MISSES`, `L1D_READ_MISS`), a code of the CPU (`r01c2`), an event of a PMU of sysfs
//! (`cpu/event=0x3c,umask=1/`), or else a name that libpfm knows. A modifier is a letter; several are separated by colons.

use std::path::Path;
use std::str::FromStr;

use alumet_reader_procfs::ReadError;

use crate::libpfm::{Libpfm, LibpfmError};
use crate::pmu::{Pmu, TermError};
use crate::{Code, Event, Modes, Place};

/// The name of an event, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    event: String,
    named: Named,
    modes: Option<Modes>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    /// The numbers follow from the name.
    Code(Code),
    /// The name of a PMU, and terms.
    Pmu(String, String),
    /// Whatever libpfm makes of it.
    Libpfm,
}

/// The reason why a text is not the name of an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing stands before the `#`.
    #[error("an event is expected, such as \"CACHE_MISSES\"")]
    Empty,
    /// A modifier that does not exist.
    #[error(
        "`{0}` is no modifier; there are u (user), k (kernel), h (hypervisor), H (host), G (guest) and I (not idle), as in \"CACHE_MISSES#u:k\""
    )]
    Modifier(String),
    /// Slashes at the wrong place.
    #[error("the event of a PMU is written \"cpu/event=0x3c,umask=1/\": a name and, between slashes, terms")]
    Pmu,
    /// A character that no event has.
    #[error("no event has the character {0:?} in its name")]
    Character(char),
}

/// The reason why a machine does not have an event.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is no such PMU.
    #[error(transparent)]
    Pmu(#[from] ReadError),
    /// The PMU has no such event.
    #[error(transparent)]
    Term(#[from] TermError),
    /// libpfm is not there, or does not know the name.
    #[error(transparent)]
    Libpfm(#[from] LibpfmError),
}

/// The generic hardware events: `enum perf_hw_id`, from 0.
const HARDWARE: [&str; 10] = [
    "CPU_CYCLES",
    "INSTRUCTIONS",
    "CACHE_REFERENCES",
    "CACHE_MISSES",
    "BRANCH_INSTRUCTIONS",
    "BRANCH_MISSES",
    "BUS_CYCLES",
    "STALLED_CYCLES_FRONTEND",
    "STALLED_CYCLES_BACKEND",
    "REF_CPU_CYCLES",
];

/// The events that the kernel counts itself: `enum perf_sw_ids`, from 0.
const SOFTWARE: [&str; 12] = [
    "CPU_CLOCK",
    "TASK_CLOCK",
    "PAGE_FAULTS",
    "CONTEXT_SWITCHES",
    "CPU_MIGRATIONS",
    "PAGE_FAULTS_MIN",
    "PAGE_FAULTS_MAJ",
    "ALIGNMENT_FAULTS",
    "EMULATION_FAULTS",
    "DUMMY",
    "BPF_OUTPUT",
    "CGROUP_SWITCHES",
];

/// Caches, operations and results: `enum perf_hw_cache_id` and those after it, from 0 each.
const CACHES: [&str; 7] = ["L1D", "L1I", "LL", "DTLB", "ITLB", "BPU", "NODE"];
const OPERATIONS: [&str; 3] = ["READ", "WRITE", "PREFETCH"];
const RESULTS: [&str; 2] = ["ACCESS", "MISS"];

impl EventName {
    /// The event without its modifiers, as it was written.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Whether it counts nanoseconds.
    pub fn counts_time(&self) -> bool {
        matches!(
            self.named,
            Named::Code(Code {
                kind: Code::SOFTWARE,
                config: [0 | 1, ..]
            })
        )
    }

    /// The event on the machine whose `sys` lies below `root`.
    ///
    /// # Errors
    /// Why the machine does not have it.
    pub fn resolve(&self, root: &Path, libpfm: &Libpfm) -> Result<Event, ResolveError> {
        let anywhere = |code, modes| Event {
            code,
            modes,
            place: Place::Anywhere,
        };
        let event = match &self.named {
            // The kernel counts most of them in its own mode: user mode alone would always give 0.
            Named::Code(code) if code.kind == Code::SOFTWARE => anywhere(*code, Modes::ALL),
            Named::Code(code) => anywhere(*code, Modes::USER),
            Named::Pmu(pmu, terms) => Pmu::open(root, pmu)?.event_of(terms)?,
            Named::Libpfm => anywhere(libpfm.encode(&self.event)?, Modes::USER),
        };
        Ok(Event {
            modes: self.modes.unwrap_or(event.modes),
            ..event
        })
    }
}

impl FromStr for EventName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (event, modes) = match text.split_once('#') {
            Some((event, modifiers)) => (event, modes_of(modifiers)?),
            None => (text, None),
        };
        if event.is_empty() {
            return Err(NameError::Empty);
        }
        let is_usual = |c: char| c.is_ascii_graphic() && !"\"'`\\".contains(c);
        if let Some(odd) = event.chars().find(|c| !is_usual(*c)) {
            return Err(NameError::Character(odd));
        }
        let named = match event.split_once('/') {
            Some((pmu, terms)) => {
                let terms = terms.strip_suffix('/').ok_or(NameError::Pmu)?;
                let is_well_formed =
                    !pmu.is_empty() && !terms.is_empty() && !terms.contains('/') && !pmu.contains("..");
                is_well_formed
                    .then(|| Named::Pmu(pmu.to_owned(), terms.to_owned()))
                    .ok_or(NameError::Pmu)?
            }
            None => code_of(event).map_or(Named::Libpfm, Named::Code),
        };
        Ok(Self {
            event: event.to_owned(),
            named,
            modes,
        })
    }
}

/// The modes that the modifiers leave; nothing without any. Each of the two kinds of modifiers excludes what it does not name.
fn modes_of(modifiers: &str) -> Result<Option<Modes>, NameError> {
    if modifiers.is_empty() {
        return Ok(None);
    }
    if let Some(odd) = modifiers
        .split(':')
        .find(|one| !["u", "k", "h", "H", "G", "I"].contains(one))
    {
        return Err(NameError::Modifier(odd.to_owned()));
    }
    let has = |modifier: &str| modifiers.split(':').any(|one| one == modifier);
    let (levels, machines) = (has("u") || has("k") || has("h"), has("H") || has("G"));
    Ok(Some(Modes {
        user: !levels || has("u"),
        kernel: levels && has("k"),
        hypervisor: levels && has("h"),
        host: !machines || has("H"),
        guest: !machines || has("G"),
        idle: !has("I"),
    }))
}

/// The numbers of a name that the kernel has, in any case, or of `rHEX`.
fn code_of(event: &str) -> Option<Code> {
    let place = |table: &[&str], name: &str| {
        let place = table.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        u64::try_from(place).ok()
    };
    if let Some(number) = place(&HARDWARE, event) {
        return Some(Code::new(Code::HARDWARE, number));
    }
    if let Some(number) = place(&SOFTWARE, event) {
        return Some(Code::new(Code::SOFTWARE, number));
    }
    // Not `from_str_radix` alone, which takes a sign.
    if let Some(hex) = event
        .strip_prefix('r')
        .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && let Ok(number) = u64::from_str_radix(hex, 16)
    {
        return Some(Code::new(Code::RAW, number));
    }
    let mut parts = event.split('_');
    let cache = place(&CACHES, parts.next()?)?;
    let operation = place(&OPERATIONS, parts.next()?)?;
    let result = place(&RESULTS, parts.next()?)?;
    parts
        .next()
        .is_none()
        .then(|| Code::new(Code::CACHE, cache | operation << 8 | result << 16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(text: &str) -> Named {
        text.parse::<EventName>().unwrap().named
    }

    fn modes(text: &str) -> Modes {
        text.parse::<EventName>().unwrap().modes.unwrap()
    }

    #[test]
    fn names_of_the_kernel_have_its_numbers() {
        for (name, kind, config) in [
            ("CPU_CYCLES", 0, 0),
            ("REF_CPU_CYCLES", 0, 9),
            ("instructions", 0, 1),
            ("PAGE_FAULTS", 1, 2),
            ("CGROUP_SWITCHES", 1, 11),
            ("L1D_READ_ACCESS", 3, 0),
            ("LL_READ_MISS", 3, 0x1_0002),
            ("NODE_PREFETCH_MISS", 3, 0x1_0206),
            ("r01c2", 4, 0x1c2),
            ("rFFFFFFFFFFFFFFFF", 4, u64::MAX),
        ] {
            assert_eq!(named(name), Named::Code(Code::new(kind, config)), "{name}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_know_is_for_libpfm() {
        for name in [
            "RESOURCE_STALLS:ANY",
            "ix86arch::UNHALTED_CORE_CYCLES",
            "r",
            "r01g",
            "r10000000000000000",
            "LL_READ_MISS_X",
        ] {
            assert_eq!(named(name), Named::Libpfm, "{name}");
        }
    }

    #[test]
    fn an_event_of_a_pmu_has_its_terms_between_slashes() {
        let pmu = Named::Pmu("cpu".to_owned(), "event=0x3c,umask=1".to_owned());
        assert_eq!(named("cpu/event=0x3c,umask=1/#u"), pmu);
        for wrong in ["cpu/event=1", "/event=1/", "cpu//", "cpu/a/b/", "../x/event=1/"] {
            assert_eq!(wrong.parse::<EventName>(), Err(NameError::Pmu), "{wrong}");
        }
    }

    #[test]
    fn modifiers_exclude_what_they_do_not_name() {
        assert_eq!(modes("x#u"), Modes::USER);
        assert_eq!(modes("x#u:k:h"), Modes::ALL);
        let kernel = modes("x#k:I");
        assert!(
            kernel.kernel
                && !kernel.user
                && !kernel.hypervisor
                && !kernel.idle
                && kernel.host
                && kernel.guest
        );
        let guest = modes("x#G");
        assert!(guest.guest && !guest.host && guest.user && !guest.kernel);
        assert_eq!("x#".parse::<EventName>().unwrap().modes, None);
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_part_that_is_wrong() {
        let error = |text: &str| text.parse::<EventName>().unwrap_err();
        assert_eq!(error(""), NameError::Empty);
        assert_eq!(error("#u"), NameError::Empty);
        assert_eq!(error("x#u:z"), NameError::Modifier("z".to_owned()));
        assert_eq!(error("x#u::k"), NameError::Modifier(String::new()));
        assert_eq!(error("a b"), NameError::Character(' '));
        assert_eq!(error("a\0"), NameError::Character('\0'));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,20}|[a-zA-Z_]{1,8}(/[a-z0-9=,]{0,9}/?)?(#[ukhHGI:]{0,6})?|r[0-9a-f]{0,20}") {
            if let Ok(name) = text.parse::<EventName>() {
                prop_assert_eq!(name.event(), text.split('#').next().unwrap());
                prop_assert!(name.modes.is_none_or(|modes| modes.user || modes.kernel || modes.hypervisor));
            }
        }
    }
}
