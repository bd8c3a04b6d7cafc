//! Where the samples of a series go, and what a record in JSON says of them.

use std::sync::Arc;

use alumet_core::attributes::Attributes;
use alumet_core::series::SeriesInfo;
use alumet_core::{Consumer, Resource};
use alumet_shared_nats::token;
use alumet_shared_telemetry_record::TelemetryRecord;

use crate::config::{Config, Subjects};

/// The attribute with the node that has measured, where that is another one.
const NODE: &str = "node";

/// Where the samples of a series go, and what a record says of them.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) subject: Arc<str>,
    /// The name of the metric.
    pub(crate) metric: String,
    /// A record without values and time.
    pub(crate) record: TelemetryRecord,
    /// The same as text: series with equal ones are in one record.
    pub(crate) entity: String,
}

/// Finds the places.
#[derive(Debug)]
pub(crate) struct Places {
    prefix: String,
    subjects: Subjects,
    node: String,
}

impl Places {
    /// As the configuration says, on this node.
    pub(crate) fn new(config: &Config, node: String) -> Self {
        Self {
            prefix: config.subject_prefix.clone(),
            subjects: config.subjects,
            node,
        }
    }

    /// The place of a series.
    pub(crate) fn find(&self, series: &SeriesInfo) -> Place {
        let attributes = series.attributes();
        let text = |key: &str| attributes.get(key).map(ToString::to_string);
        let node = text(NODE).unwrap_or_else(|| self.node.clone());
        let gpu = match series.resource() {
            Resource::Gpu { bus_id } => Some((text("uuid").or_else(|| text("UUID")), bus_id)),
            _ => None,
        };
        let prefix = &self.prefix;
        let subject = match (&gpu, self.subjects) {
            (Some((Some(uuid), _)), Subjects::Gpu) => format!("{prefix}.gpu.{}", token(uuid)),
            // Other nodes have GPUs at the same address of PCI.
            (Some((None, id)), Subjects::Gpu) if id.contains(':') => {
                format!("{prefix}.gpu.{}.{}", token(&node), token(id))
            }
            (Some((None, id)), Subjects::Gpu) => format!("{prefix}.gpu.{}", token(id)),
            _ => format!("{prefix}.node.{}", token(&node)),
        };
        let gpu_id = gpu.map(|(uuid, bus_id)| uuid.unwrap_or_else(|| bus_id.to_string()));
        let record = record(series, node, gpu_id, attributes);
        Place {
            subject: subject.into(),
            metric: series.metric.name.to_string(),
            // A record is text and maps of text, which always become JSON.
            entity: serde_json::to_string(&record).unwrap_or_default(),
            record,
        }
    }
}

fn record(
    series: &SeriesInfo,
    node: String,
    gpu_id: Option<String>,
    attributes: &Attributes,
) -> TelemetryRecord {
    let (resource, consumer) = (series.resource(), series.consumer());
    let is_of_all = *consumer == Consumer::LocalMachine;
    let is_said = |key: &str| key == NODE || gpu_id.is_some() && key.eq_ignore_ascii_case("uuid");
    let others = attributes.iter().filter(|(key, _)| !is_said(key));
    TelemetryRecord {
        resource_kind: gpu_id.is_none().then(|| resource.kind().to_owned()),
        resource_id: gpu_id.is_none().then(|| resource.id().into_owned()),
        consumer_kind: (!is_of_all).then(|| consumer.kind().to_owned()),
        consumer_id: (!is_of_all).then(|| consumer.id().into_owned()),
        hostname: Some(node),
        attributes: others
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        gpu_id,
        ..TelemetryRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::catalog::Catalog;
    use alumet_core::unit::Unit;

    use super::*;

    alumet_core::metrics! {
        LEVEL = Gauge<u64> {
            name: "level",
            unit: Unit::ONE,
            description: "For these tests.",
        };
    }

    fn place(resource: Resource, attributes: &[(&'static str, &'static str)], subjects: Subjects) -> Place {
        let catalog = Catalog::new();
        let metric = catalog.metric(&LEVEL).unwrap();
        let attributes = attributes.iter().copied().collect();
        let series = catalog
            .series(metric, resource, Consumer::LocalMachine)
            .attributes(&attributes)
            .register();
        let config = Config {
            subjects,
            ..Config::default()
        };
        assert_eq!(all().len(), 1);
        Places::new(&config, "here".to_owned()).find(&catalog.describe(series.id()).unwrap())
    }

    #[test]
    fn a_gpu_goes_where_its_uuid_says_and_all_else_where_its_node_says() {
        let gpu = |id: &str| Resource::Gpu { bus_id: id.into() };
        for (resource, attributes, subject) in [
            (
                gpu("00000000:65:00.0"),
                &[("UUID", "GPU-1")][..],
                "telemetry.gpu.GPU-1",
            ),
            (gpu("GPU-2"), &[], "telemetry.gpu.GPU-2"),
            (gpu("gpu-003"), &[("node", "n.x")], "telemetry.gpu.gpu-003"),
            (
                gpu("00000000:65:00.0"),
                &[],
                "telemetry.gpu.here.00000000:65:00%2E0",
            ),
            (Resource::LocalMachine, &[], "telemetry.node.here"),
            (Resource::LocalMachine, &[("node", "n.x")], "telemetry.node.n%2Ex"),
        ] {
            assert_eq!(
                &*place(resource.clone(), attributes, Subjects::Gpu).subject,
                subject
            );
            assert!(
                place(resource, attributes, Subjects::Node)
                    .subject
                    .starts_with("telemetry.node.")
            );
        }
    }

    #[test]
    fn a_record_of_a_gpu_is_what_the_pipeline_knows_and_says_more_of_all_else() {
        let gpu = Resource::Gpu {
            bus_id: "00000000:65:00.0".into(),
        };
        let of_gpu = place(gpu, &[("UUID", "GPU-1"), ("node", "n")], Subjects::Node);
        assert_eq!(
            of_gpu.entity,
            r#"{"gpu_id":"GPU-1","hostname":"n","metrics":{},"timestamp":""}"#
        );
        let other = place(
            Resource::CpuPackage { id: 1 },
            &[("domain", "core")],
            Subjects::Node,
        );
        assert_eq!(
            other.entity,
            r#"{"resource_kind":"cpu_package","resource_id":"1","hostname":"here","attributes":{"domain":"core"},"metrics":{},"timestamp":""}"#
        );
    }
}
