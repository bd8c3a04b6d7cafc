//! From the configuration to the source.

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::device::{Cpus, Found, leave_out_dead, merge};
use crate::source::RaplSource;
use crate::{metrics, notes};

/// Measures the energy of processors and memory.
#[derive(Debug)]
pub struct RaplPlugin;

impl Plugin for RaplPlugin {
    const ID: &'static str = "rapl";
    const SUMMARY: &'static str = "Measures the energy of processors and memory with RAPL.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let cpus = Cpus::read(alumet.root());
        let interfaces = config.interfaces().iter();
        let mut found: Vec<_> = interfaces
            .map(|interface| interface.find(alumet.root(), &cpus, config.per_core))
            .collect();
        found.sort_by_key(|found| !found.has_packages());
        let mut zones = merge(
            found
                .iter_mut()
                .map(|found: &mut Found| std::mem::take(&mut found.zones)),
        );
        leave_out_dead(&mut zones, &mut found, cpus.are_virtual());
        notes::note(&found, &zones, &cpus, alumet);
        // A machine may well have no RAPL.
        if zones.is_empty() {
            return Ok(Self);
        }
        let energy = alumet.metric(&metrics::RAPL_CONSUMED_ENERGY)?;
        let refused = alumet.metric(&metrics::RAPL_REFUSED_INTERVALS)?;
        let source = RaplSource::new(zones, energy, refused, alumet.catalog());
        alumet
            .source("rapl", source)
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval);
        Ok(Self)
    }
}
