//! What of the configured events this machine can count, in words.

use std::io;

use alumet_core::plugin::{Finding, StartContext, Verdict};
use alumet_reader_cgroupfs::mount::Hierarchies;
use alumet_reader_kernel_file::errno;
use alumet_reader_perf_event::name::ResolveError;
use alumet_reader_perf_event::{Code, Counters, Event, Libpfm, LibpfmError, Place, Target};
use alumet_reader_procfs::ReadError;
use nix::errno::Errno;

use crate::config::{Config, NamedEvent};

const SUBJECT: &str = "perf events";

/// Notes what was found, and logs what is missing when counting is about to begin.
fn note(alumet: &mut StartContext<'_>, finding: Finding) {
    if finding.verdict != Verdict::Works && !alumet.is_trial() {
        let Finding { subject, detail, .. } = &finding;
        match &finding.remedy {
            Some(remedy) => tracing::warn!(remedy, "{subject}: {detail}"),
            // The machine is as it is.
            None => tracing::info!("{subject}: {detail}"),
        }
    }
    alumet.note(finding);
}

/// Tries each event, and gives those that can be counted here.
pub(crate) fn countable(
    config: &Config,
    events: Vec<NamedEvent>,
    libpfm: &Libpfm,
    alumet: &mut StartContext<'_>,
) -> Vec<(NamedEvent, Event)> {
    let (all, mut countable) = (events.len(), Vec::new());
    for named in events {
        let subject = format!("event `{}` ({})", named.text, named.key);
        let tried = named
            .name
            .resolve(alumet.root(), libpfm)
            .map_err(|error| unresolved(&subject, &error, &named.key));
        let tried = tried.and_then(|event| {
            let refused = |error| refused(&subject, &event, &error);
            try_out(&event).map_err(refused)?;
            match config.system || event.counts_programs() {
                true => Ok(event),
                false => Err(Finding::limited(
                    &*subject,
                    "it is counted for the whole machine only, which is not counted",
                    "plugins.perf.system = true",
                )),
            }
        });
        match tried {
            Ok(event) => countable.push((named, event)),
            Err(finding) => note(alumet, finding),
        }
    }
    let names: Vec<&str> = countable.iter().map(|(named, _)| &*named.text).collect();
    let finding = match names.len() {
        0 => Finding::absent(
            SUBJECT,
            "nothing is counted: none of the events that are configured can be",
        ),
        some => Finding::works(
            SUBJECT,
            format!("{some} of {all} are counted: {}", names.join(", ")),
        ),
    };
    note(alumet, finding);
    countable
}

/// Notes for whom events cannot be counted.
pub(crate) fn note_targets(
    config: &Config,
    events: &[Event],
    cpu: Option<u32>,
    alumet: &mut StartContext<'_>,
) {
    if config.cgroups {
        const GROUPS: &str = "perf events of control groups";
        let mounted = Hierarchies::detect(alumet.root());
        if let Err(error) = mounted.and_then(|mounted| mounted.require_v2().map(|_| ())) {
            note(alumet, Finding::absent(GROUPS, error.to_string()));
        }
    }
    let whole_cpu = events.iter().find(|event| event.counts_programs()).zip(cpu);
    if (config.cgroups || config.system)
        && let Some((event, cpu)) = whole_cpu
        && let Err(error) = Counters::open(Target::Cpu(cpu), [event])
        && let Some(remedy) = rights(&error, "0")
    {
        let detail = "processes only; control groups and the machine may not be counted by this user";
        note(
            alumet,
            Finding::limited("perf events of whole CPUs", detail, remedy),
        );
    }
}

/// Counts an event for a moment: for this program, or where else it is counted.
fn try_out(event: &Event) -> io::Result<()> {
    let cpu = match &event.place {
        Place::Socket(cpus) => cpus.ranges.first().map(|(first, _)| *first),
        Place::Anywhere | Place::Cores(_) => None,
    };
    let target = cpu.map_or_else(|| Target::Thread(std::process::id()), Target::Cpu);
    Counters::open(target, [event]).map(drop)
}

/// A name for which there is no event.
fn unresolved(subject: &str, error: &ResolveError, key: &str) -> Finding {
    match error {
        ResolveError::Pmu(ReadError::NotSupported { .. }) | ResolveError::Libpfm(LibpfmError::Refused(_)) => {
            Finding::absent(subject, format!("this machine does not have it: {error}"))
        }
        ResolveError::Libpfm(error) => Finding::broken(subject, error.to_string(), "apt install libpfm4"),
        error => Finding::broken(subject, error.to_string(), format!("correct plugins.perf.{key}")),
    }
}

/// An event that the kernel refuses.
fn refused(subject: &str, event: &Event, error: &io::Error) -> Finding {
    // The kernel has a place in its tables for combinations that no cache has.
    let is_absent = match errno(error) {
        Errno::ENOENT | Errno::ENODEV | Errno::ENXIO | Errno::EOPNOTSUPP => true,
        Errno::EINVAL => event.code.kind == Code::CACHE,
        _ => false,
    };
    let level = if event.modes.kernel { "1" } else { "2" };
    let level = if event.counts_programs() { level } else { "0" };
    match rights(error, level) {
        _ if is_absent => Finding::absent(
            subject,
            format!(
                "the kernel does not offer it here ({error}); a virtual machine often has no counters of the CPU"
            ),
        ),
        Some(remedy) => Finding::broken(
            subject,
            format!("it may not be counted by this user ({error})"),
            remedy,
        ),
        None => Finding::broken(
            subject,
            format!("the kernel refuses it ({error})"),
            "see `perf list` for what there is, and use modifiers only where the PMU knows them",
        ),
    }
}

/// How to obtain the right that is missing; nothing for another error.
pub(crate) fn rights(error: &io::Error, level: &str) -> Option<String> {
    matches!(errno(error), Errno::EACCES | Errno::EPERM).then(|| {
        format!(
            "setcap cap_perfmon=ep $(command -v alumet-agent), before Linux 5.8 cap_sys_admin=ep; or sysctl \
             kernel.perf_event_paranoid={level}"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use alumet_reader_perf_event::EventName;

    use super::*;

    fn refused_with(event: &str, errno: Errno) -> Finding {
        let name: EventName = event.parse().unwrap();
        let event = name.resolve(Path::new("/"), &Libpfm::default()).unwrap();
        refused("it", &event, &errno.into())
    }

    #[test]
    fn what_the_kernel_has_no_counter_for_is_absent() {
        for (event, errno) in [
            ("CPU_CYCLES", Errno::ENOENT),
            ("LL_READ_MISS", Errno::ENOENT),
            ("ITLB_WRITE_MISS", Errno::EINVAL),
            ("r01", Errno::EOPNOTSUPP),
        ] {
            assert_eq!(refused_with(event, errno).verdict, Verdict::Absent, "{event}");
        }
        assert_eq!(refused_with("CPU_CYCLES", Errno::EINVAL).verdict, Verdict::Broken);
    }

    #[test]
    fn a_right_that_is_missing_is_named_with_the_commands_that_give_it() {
        for (event, level) in [
            ("CPU_CYCLES", "paranoid=2"),
            ("CPU_CYCLES#k", "paranoid=1"),
            ("PAGE_FAULTS", "paranoid=1"),
        ] {
            let finding = refused_with(event, Errno::EACCES);
            let remedy = finding.remedy.unwrap();
            assert!(
                remedy.contains("setcap cap_perfmon=ep") && remedy.ends_with(level),
                "{remedy}"
            );
            assert_eq!(finding.verdict, Verdict::Broken);
        }
    }
}
