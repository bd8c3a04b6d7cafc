//! What people switch on and off in the charts, beside the plugins.

use crate::chart::{ALUMET, Chart};

const OF_ALUMET: [&str; 18] = [
    "--set alumet-relay-client.enabled=false",
    "--set alumet-relay-server.enabled=false",
    "--set influxdb2.enabled=false,alumet-relay-server.plugins.influxdb.enable=false,alumet-relay-server.plugins.csv.enable=true",
    "--set alumet-api.enabled=true",
    "--set influxdb2.persistence.enabled=false",
    "--set alumet-relay-server.persistence.enabled=true",
    "--set alumet-relay-server.plugins.prometheusExporter.enable=true",
    "--set alumet-relay-server.plugins.store.enable=true,alumet-relay-server.plugins.restApi.enable=true",
    "--set alumet-relay-client.plugins.prometheusExporter.enable=true",
    "--set alumet-relay-client.plugins.k8s.enable=false",
    "--set alumet-relay-client.plugins.nvml.enable=true",
    "--set alumet-relay-client.networkPolicy.enabled=true,alumet-relay-server.networkPolicy.enabled=true,\
alumet-api.networkPolicy.enabled=true,influxdb2.networkPolicy.enabled=true",
    "--set global.tls.mode=generated",
    "--set global.tls.mode=certManager --api-versions cert-manager.io/v1",
    "--set alumet-relay-server.podDisruptionBudget.enabled=true,alumet-api.podDisruptionBudget.enabled=true",
    "--set alumet-api.autoscaling.enabled=true",
    "--set dashboards.enabled=true",
    "--set alumet-relay-client.podMonitor.enabled=true,alumet-relay-client.serviceMonitor.enabled=true,\
alumet-relay-server.podMonitor.enabled=true,alumet-relay-server.serviceMonitor.enabled=true,\
alumet-api.serviceMonitor.enabled=true,prometheusRule.enabled=true --api-versions monitoring.coreos.com/v1",
];

const OF_PIPELINE: [&str; 18] = [
    "--set streamer.enabled=false",
    "--set collector.enabled=false",
    "--set apiGateway.enabled=false",
    "--set collector.persistence.enabled=false",
    "--set mq.persistence.enabled=false",
    "--set streamer.persistence.enabled=true",
    "--set streamer.csv.existingConfigMap=telemetry-csv",
    "--set collector.replicaCount=3",
    "--set collector.autoscaling.enabled=true",
    "--set apiGateway.autoscaling.enabled=true",
    "--set apiGateway.ingress.enabled=true --set apiGateway.ingress.hosts[0].host=a.example.org",
    "--set networkPolicy.enabled=true",
    "--set podDisruptionBudget.enabled=true",
    "--set monitoring.serviceMonitor.enabled=true --api-versions monitoring.coreos.com/v1",
    "--set monitoring.podMonitor.enabled=true --api-versions monitoring.coreos.com/v1",
    "--set monitoring.grafana.enabled=true",
    "--set mq.mode=sidecar",
    "--set mq.replicaCount=3",
];

/// The switches of a chart, as arguments.
pub(crate) fn switches(chart: Chart) -> &'static [&'static str] {
    if chart == ALUMET { &OF_ALUMET } else { &OF_PIPELINE }
}

/// What a release may name although it does not have it, when these switches are on.
pub(crate) const EXTERNAL: [&str; 2] = ["telemetry-csv", "mongo"];
