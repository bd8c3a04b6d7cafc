//! From the configuration to the sources.

use std::path::Path;
use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_cgroup_source::{CgroupMeasurement, CgroupTree, metrics};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::attributes;
use crate::config::{Config, NameSource};
use crate::namer::{Namer, Places};
use crate::names::Names;
use crate::resolver::{ContainerResolver, claims};
use crate::trouble::Trouble;

/// Measures containers.
pub struct ContainersPlugin {
    /// Held so that the watch ends with the plugin.
    _tree: Option<Arc<CgroupTree>>,
}

impl Plugin for ContainersPlugin {
    const ID: &'static str = "containers";
    const SUMMARY: &'static str =
        "Measures containers of Docker, Podman, containerd and systemd-nspawn under their names.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all_with(attributes::KEYS)
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if config.measurement.disable_sources && !config.annotate_foreign_measurements {
            return Ok(Self { _tree: None });
        }
        alumet
            .catalog()
            .declare_attributes(attributes::KEYS.iter().copied());
        let names = (config.names == NameSource::Auto).then(Arc::<Names>::default);
        let measurement = CgroupMeasurement {
            name: "containers",
            poll_interval: config.poll_interval,
            cpu_percent_base: config.cpu_percent_base,
            config: config.measurement,
            claim: Some(Arc::new(claims)),
            annotate_foreign: config.annotate_foreign_measurements,
        };
        let resolver = ContainerResolver { names: names.clone() };
        let tree = measurement.start(resolver, alumet)?;
        if let Some(names) = names {
            let places = Places {
                root: alumet.root().to_path_buf(),
                sockets: config.sockets,
            };
            note_sockets(&places, alumet);
            alumet.event_source("names", Namer { names, places });
        }
        Ok(Self { _tree: Some(tree) })
    }
}

/// Notes which sockets of root can be opened, without opening one: Podman would start its service.
fn note_sockets(places: &Places, alumet: &mut StartContext<'_>) {
    for (engine, paths) in [
        ("Docker", &places.sockets.docker),
        ("Podman", &places.sockets.podman),
    ] {
        for path in paths.iter().filter(|path| !path.contains('*')) {
            let subject = format!("socket of {engine}");
            let place = places.root.join(&path[1..]);
            alumet.note(match access(&place, AccessFlags::R_OK | AccessFlags::W_OK) {
                Ok(()) => Finding::works(subject, place.display().to_string()),
                Err(Errno::ENOENT | Errno::ENOTDIR) => absent(subject, &place),
                Err(errno) => {
                    let trouble = Trouble::io(place, errno.into());
                    Finding::limited(subject, trouble.to_string(), trouble.remedy())
                }
            });
        }
    }
}

fn absent(subject: String, place: &Path) -> Finding {
    Finding::absent(subject, format!("there is no `{}`", place.display()))
}
