//! What becomes of a control group: jobs are measured, with what is known about them.

use std::path::Path;

use alumet_core::Attributes;
use alumet_core::plugin::StartContext;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::layout::oar::OarOwner;
use alumet_shared_cgroup_source::{Inquiry, Resolution, Resolver, Wake};

use crate::filter::JobFilter;
use crate::users::{Known, UserError, look_up};

/// Measures jobs.
pub(crate) struct JobResolver {
    filter: JobFilter,
    ignores_others: bool,
    users: Inquiry<Known, Attributes>,
}

impl JobResolver {
    pub(crate) fn new(filter: JobFilter, ignores_others: bool, alumet: &StartContext<'_>) -> Self {
        let root = alumet.root().to_path_buf();
        Self {
            filter,
            ignores_others,
            users: Inquiry::new("alumet-oar", alumet.clock(), move |known: &Known, _| {
                ask(known, &root)
            }),
        }
    }
}

/// The attributes that jobs have.
pub(crate) const KEYS: &[&str] = &["job_id", "user_id", "user"];

/// The system may ask servers, and they may take their time.
fn ask(known: &Known, root: &Path) -> Result<Attributes, UserError> {
    let (id, name) = look_up(known, root)?;
    Ok(Attributes::EMPTY.with("user_id", id).with("user", name))
}

impl Resolver for JobResolver {
    fn resolve(&mut self, path: &CgroupPath) -> Resolution {
        let Some(job) = self.filter.job(path) else {
            let is_measured = !self.ignores_others && self.filter.takes(path);
            let attributes = Attributes::EMPTY;
            return match is_measured {
                true => Resolution::Measure { attributes },
                false => Resolution::Ignore,
            };
        };
        if job.is_inside {
            return Resolution::Ignore;
        }
        let attributes = Attributes::EMPTY.with("job_id", job.job_id);
        let (known, attributes, missing) = match job.owner {
            OarOwner::Id(id) => (
                Known::Id(id),
                attributes.with("user_id", id),
                "the name of the user",
            ),
            OarOwner::Name(name) => (
                Known::Name(name.into()),
                attributes.with("user", name),
                "the id of the user",
            ),
        };
        match self.users.answer(&known).known {
            Some(user) => Resolution::Measure {
                attributes: user.with("job_id", job.job_id),
            },
            None => Resolution::Provisional { attributes, missing },
        }
    }

    fn wakes(&mut self, wake: Wake) {
        self.users.wakes(wake);
    }
}
