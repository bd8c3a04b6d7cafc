//! What becomes of a control group.

use std::sync::Arc;

use alumet_core::Attributes;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::layout::container::{Container, Label};
use alumet_shared_cgroup_source::{Resolution, Resolver, Wake};

use crate::attributes;
use crate::keeper::Keeper;
use crate::names::{Answer, Names};

/// Measures each container once, and gives it the name that somebody knows.
pub(crate) struct ContainerResolver {
    /// `None` asks nobody.
    pub(crate) names: Option<Arc<Names>>,
}

/// Whether a control group belongs to a container, as far as its name tells.
pub(crate) fn claims(cgroup: &CgroupPath) -> bool {
    Container::of(cgroup).is_some()
}

impl Resolver for ContainerResolver {
    fn resolve(&mut self, cgroup: &CgroupPath) -> Resolution {
        let Some(container) = Container::of(cgroup).filter(|container| !container.is_inside) else {
            return Resolution::Ignore;
        };
        let attributes = attributes::of_path(&container);
        let (Some(names), Some(keeper), Label::Id(id)) =
            (&self.names, Keeper::of(&container), &container.label)
        else {
            return Resolution::Measure { attributes };
        };
        match names.answer(keeper, id) {
            Some(Answer::Told(told)) => {
                let pairs = |all: &Attributes| -> Vec<_> {
                    all.iter()
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect()
                };
                // The path knows best which runtime it is.
                let both = pairs(&told).into_iter().chain(pairs(&attributes));
                Resolution::Measure {
                    attributes: both.collect(),
                }
            }
            Some(Answer::Nameless) => Resolution::Measure { attributes },
            None => Resolution::Provisional {
                attributes,
                missing: "the name of the container",
            },
        }
    }

    fn wakes(&mut self, wake: Wake) {
        if let Some(names) = &self.names {
            names.wakes(wake);
        }
    }
}
