//! From the configuration to the transform.

use std::sync::Arc;

use alumet_core::Consumer;
use alumet_core::metric::{Metric, MetricDoc, Quality};
use alumet_core::pipeline::Explain;
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use parking_lot::Mutex;

use crate::config::Config;
use crate::join::{JoinSpec, Said};
use crate::metrics;
use crate::spec::Spec;
use crate::transform::{Attribution, Nodes};

/// Shares energy over those who used it.
pub struct EnergyAttributionPlugin {
    _explain: Arc<Explain>,
}

impl std::fmt::Debug for EnergyAttributionPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnergyAttributionPlugin")
    }
}

impl Plugin for EnergyAttributionPlugin {
    const ID: &'static str = "energy-attribution";
    const SUMMARY: &'static str = "Shares measured energy over those who used it, and keeps the sum.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        Spec::all(config).map(|_| ())
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let mut specs = Vec::new();
        for spec in Spec::all(&config)? {
            let catalog = alumet.catalog();
            let of_table = metrics::all().into_iter().find(|metric| metric.name == spec.name);
            let metric = of_table.map_or_else(|| spec.metric(), |metric| metric.metric());
            let modelled = catalog.register_metric(metric.clone())?;
            let quality = Quality::Estimated;
            let (estimated, held) = catalog.admit_metric(Metric { quality, ..metric });
            specs.push(JoinSpec {
                spec,
                metrics: [catalog.typed_metric(modelled)?, catalog.typed_metric(estimated)?],
                _held: held,
                said: Said::default(),
            });
        }
        if config
            .formulas
            .values()
            .any(|formula| formula.retention_time.is_some())
        {
            tracing::info!(
                "`retention_time` has no effect: samples are kept as long as they are needed; remove the key"
            );
        }
        for metric in metrics::all() {
            alumet.catalog().declare_attributes(metric.attribute_keys());
        }
        let nodes = Nodes::new(specs, config.node_attribute, alumet.state(Self::ID));
        let nodes = Arc::new(Mutex::new(nodes));
        let asked = Arc::clone(&nodes);
        let explain: Arc<Explain> = Arc::new(move |consumer: &Consumer| asked.lock().explain(consumer));
        alumet.control().on_explain(&explain);
        let transform = alumet.transform("energy", Attribution(nodes));
        transform.after("process-to-cgroup-bridge");
        Ok(Self { _explain: explain })
    }
}
