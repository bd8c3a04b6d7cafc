//! Perf events of the PMUs `power` and `power_core`.
//!
//! Format: `Documentation/ABI/testing/sysfs-bus-event_source-devices-events`; names of events: `arch/x86/events/rapl.c`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alumet_reader_kernel_file::{ReadError, errno};
use alumet_reader_perf_event::{Counter, Pmu, PmuEvent};
use nix::errno::Errno;

use super::{Cpus, Domain, Found, Interface, Meter, Refused, Zone};

/// The events of each PMU and what they count.
const PMUS: [(&str, &[(&str, Domain)]); 2] = [
    (
        "power",
        &[
            ("energy-pkg", Domain::Package),
            ("energy-cores", Domain::Pp0),
            ("energy-gpu", Domain::Pp1),
            ("energy-ram", Domain::Dram),
            ("energy-psys", Domain::Platform),
        ],
    ),
    ("power_core", &[("energy-core", Domain::Core)]),
];

/// An event that is counted on one of the CPUs that show the same.
#[derive(Debug)]
pub(crate) struct Event {
    pmu: Arc<Pmu>,
    event: PmuEvent,
    /// Its file in sysfs, for messages.
    path: PathBuf,
    cpus: Vec<u32>,
    counter: Option<Counter>,
}

impl Event {
    /// What was counted since it was opened. The kernel moves it to another CPU when its own goes offline; when all have, it has
    /// to be opened anew, and begins with 0.
    ///
    /// # Errors
    /// `Gone` when all CPUs went offline; otherwise why it cannot be opened.
    pub(crate) fn read(&mut self) -> Result<u64, ReadError> {
        let counter = match &self.counter {
            Some(counter) => counter,
            None => self.counter.insert(self.open()?),
        };
        counter.read().map_err(|_| {
            self.counter = None;
            let path = self.path.clone();
            ReadError::Gone {
                what: "the CPU of",
                path,
            }
        })
    }

    fn open(&self) -> Result<Counter, ReadError> {
        let mut error = io::Error::from(Errno::ENODEV);
        for &cpu in &self.cpus {
            match self.pmu.count(&self.event, cpu) {
                Ok(counter) => return Ok(counter),
                Err(refused) => error = refused,
            }
        }
        let path = self.path.clone();
        Err(match errno(&error) {
            Errno::EACCES | Errno::EPERM => ReadError::PermissionDenied {
                path,
                mend: "grant CAP_PERFMON, or set kernel.perf_event_paranoid to 0",
            },
            _ => ReadError::Io { path, error },
        })
    }
}

/// Lists the events that count energy.
pub(super) fn find(root: &Path, cpus: &Cpus, per_core: bool) -> Found {
    let mut found = Found::nothing(Interface::Perf);
    for (name, domains) in PMUS {
        if name == "power_core" && !per_core {
            continue;
        }
        let Ok(pmu) = Pmu::open(root, name).map(Arc::new) else {
            continue;
        };
        for event in pmu.events().unwrap_or_default() {
            let path = root.join(format!(
                "sys/bus/event_source/devices/{name}/events/{}",
                event.name
            ));
            let domain = domains.iter().find(|(known, _)| *known == event.name);
            match domain {
                Some((_, domain)) if event.unit.as_deref() == Some("Joules") && event.scale > 0.0 => {
                    open(&pmu, &event, &path, *domain, cpus, &mut found);
                }
                _ => found
                    .left_out
                    .push(format!("the event {name}/{} is not known", event.name)),
            }
        }
    }
    found
}

/// Adds the counters of an event: one for each package, die or core.
fn open(pmu: &Arc<Pmu>, event: &PmuEvent, path: &Path, domain: Domain, cpus: &Cpus, found: &mut Found) {
    for (place, members) in cpus.places(domain) {
        // Those that the kernel names come first; the others are for when these are offline.
        let mut ordered: Vec<u32> = pmu.cpus().filter(|cpu| members.contains(cpu)).collect();
        if ordered.is_empty() {
            continue;
        }
        ordered.extend(members);
        let mut meter = Event {
            pmu: Arc::clone(pmu),
            event: event.clone(),
            path: path.to_path_buf(),
            cpus: ordered,
            counter: None,
        };
        match meter.read() {
            Ok(_) => found.zones.push(Zone {
                place,
                interface: Interface::Perf,
                meter: Meter::Perf(meter),
                per_joule: event.scale.recip(),
                // The kernel adds up what the register counts, to 64 bits.
                max: None,
                max_watts: domain.max_watts(None),
            }),
            Err(error @ ReadError::PermissionDenied { .. }) => found.refused.push(Refused {
                place: Some(place),
                error,
                remedy: "grant CAP_PERFMON: `sudo setcap cap_perfmon=ep $(command -v alumet-agent)` (cap_sys_admin before \
                         Linux 5.8), or allow it to all: `sudo sysctl kernel.perf_event_paranoid=0`"
                    .to_owned(),
            }),
            Err(error) => found.left_out.push(format!("{place} cannot be counted: {error}")),
        }
    }
}
