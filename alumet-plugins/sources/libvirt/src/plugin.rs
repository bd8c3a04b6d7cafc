//! From the configuration to the sources.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_shared_cgroup_source::{CgroupMeasurement, CgroupTree, metrics};

use crate::config::Config;
use crate::resolver::{DomainResolver, KEYS, REMEDY, claims};

/// Measures virtual machines.
pub struct LibvirtPlugin {
    /// Held so that the watch ends with the plugin.
    _tree: Option<Arc<CgroupTree>>,
}

impl Plugin for LibvirtPlugin {
    const ID: &'static str = "libvirt";
    const SUMMARY: &'static str = "Measures virtual machines of libvirt.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all_with(KEYS)
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if config.measurement.disable_sources && !config.annotate_foreign_measurements {
            return Ok(Self { _tree: None });
        }
        alumet.catalog().declare_attributes(KEYS.iter().copied());
        let measurement = CgroupMeasurement {
            name: "libvirt",
            poll_interval: config.poll_interval,
            cpu_percent_base: config.cpu_percent_base,
            config: config.measurement,
            claim: Some(Arc::new(claims)),
            annotate_foreign: config.annotate_foreign_measurements,
        };
        let tree = measurement.start(DomainResolver::new(alumet.root(), alumet.clock()), alumet)?;
        note_files(alumet);
        Ok(Self { _tree: Some(tree) })
    }
}

/// Notes whether the files of the machines that run can be read.
fn note_files(alumet: &mut StartContext<'_>) {
    const SUBJECT: &str = "files of libvirt";
    let folder = alumet.root().join("run/libvirt/qemu");
    let place = folder.display().to_string();
    let files = fs::read_dir(&folder).and_then(|entries| {
        let files = entries.flatten().map(|entry| entry.path());
        let files = files.filter(|path| path.extension().is_some_and(|end| end == "xml"));
        files.map(fs::File::open).collect::<Result<Vec<_>, _>>()
    });
    alumet.note(match files {
        Ok(files) => Finding::works(
            SUBJECT,
            format!("{place}, with {} machines that run", files.len()),
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Finding::absent(SUBJECT, format!("there is no `{place}`"))
        }
        Err(error) => Finding::limited(
            SUBJECT,
            format!("{place}: {error}; machines have no UUIDs"),
            REMEDY,
        ),
    });
}
