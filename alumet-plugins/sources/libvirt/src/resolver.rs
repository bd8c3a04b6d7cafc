//! What becomes of a control group.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Attributes;
use alumet_core::time::{Clock, Monotonic};
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::layout::machine::Domain;
use alumet_shared_cgroup_source::{Resolution, Resolver};

use crate::definition::Definition;

/// The keys of all attributes that there can be.
pub(crate) const KEYS: &[&str] = &[
    "domain",
    "domain_uuid",
    "driver",
    "instance",
    "project",
    "project_id",
];

/// How to mend that files of libvirt cannot be read.
pub(crate) const REMEDY: &str = "run the agent as root or with the capability DAC_READ_SEARCH, and make /run/libvirt and \
                                 /etc/libvirt visible to it";

/// How long files are looked for. libvirt writes them before it makes the control group of a virtual machine, but some moments
/// after that of a container.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two looks at least.
const PAUSE: Duration = Duration::from_secs(1);
/// How many domains can be waited for.
const WAITING: usize = 1024;

/// Measures each domain once, under the name and the UUID that libvirt has for it.
pub(crate) struct DomainResolver {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    /// The domains of which no file was found yet.
    waiting: BTreeMap<CgroupPath, Waiting>,
    has_told: bool,
}

struct Waiting {
    since: Monotonic,
    looked_at: Monotonic,
}

/// Whether a control group belongs to a domain, as far as its name tells.
pub(crate) fn claims(cgroup: &CgroupPath) -> bool {
    Domain::of(cgroup).is_some()
}

impl DomainResolver {
    pub(crate) fn new(root: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            root: root.into(),
            clock,
            waiting: BTreeMap::new(),
            has_told: false,
        }
    }

    /// What a file of libvirt says now; nothing when it is too early to look again.
    fn look(&mut self, cgroup: &CgroupPath, domain: &Domain<'_>) -> io::Result<Option<Definition>> {
        let now = self.clock.now().monotonic;
        if let Some(waiting) = self.waiting.get_mut(cgroup) {
            if now.since(waiting.looked_at) < PAUSE {
                return Ok(None);
            }
            waiting.looked_at = now;
        }
        // A few small files that libvirt keeps in memory: nothing that could take long, and not at each poll.
        Definition::find(&self.root, domain)
    }

    /// Whether it is worth while to look again later.
    fn waits(&mut self, cgroup: &CgroupPath) -> bool {
        // Those that have ended meanwhile do not come back to be counted.
        if self.waiting.len() > WAITING {
            self.waiting.clear();
        }
        let now = self.clock.now().monotonic;
        let new = Waiting {
            since: now,
            looked_at: now,
        };
        let waiting = self.waiting.entry(cgroup.clone()).or_insert(new);
        now.since(waiting.since) < PATIENCE
    }

    fn tell(&mut self, domain: &Domain<'_>, error: Option<&io::Error>) {
        if !std::mem::replace(&mut self.has_told, true) {
            let error = error.map_or_else(
                || "no file of libvirt is about it".to_owned(),
                ToString::to_string,
            );
            tracing::warn!(
                domain = &*domain.name,
                error,
                remedy = REMEDY,
                "a domain has no UUID; others may be concerned as well"
            );
        }
    }
}

impl Resolver for DomainResolver {
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution {
        let Some(domain) = Domain::of(cgroup).filter(|domain| !domain.is_inside) else {
            return Resolution::Ignore;
        };
        let found = self.look(cgroup, &domain);
        if let Ok(Some(definition)) = found {
            self.waiting.remove(cgroup);
            let attributes = attributes(&domain, definition);
            return Resolution::Measure { attributes };
        }
        let attributes = attributes(&domain, Definition::default());
        if self.waits(cgroup) {
            let missing = "the UUID of the domain";
            return Resolution::Provisional { attributes, missing };
        }
        self.waiting.remove(cgroup);
        self.tell(&domain, found.as_ref().err());
        Resolution::Measure { attributes }
    }
}

fn attributes(domain: &Domain<'_>, definition: Definition) -> Attributes {
    let all = [
        (
            "domain",
            definition.name.or_else(|| Some(domain.name.clone().into_owned())),
        ),
        ("domain_uuid", definition.uuid),
        ("driver", Some(domain.driver.to_owned())),
        ("instance", definition.instance),
        ("project", definition.project),
        ("project_id", definition.project_id),
    ];
    let known = all.into_iter().filter_map(|(key, value)| Some((key, value?)));
    known.collect()
}
