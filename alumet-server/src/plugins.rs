//! The plugins of this program: the only file that uses them. Written by `cargo xtask docs`.

use alumet_core::plugin::PluginDescriptor;

/// The plugins that the cargo features of this build choose.
pub(crate) fn compiled() -> Vec<PluginDescriptor> {
    vec![
        #[cfg(feature = "aggregation")]
        PluginDescriptor::of::<alumet_plugin_aggregation::AggregationPlugin>(),
        #[cfg(feature = "annotate")]
        PluginDescriptor::of::<alumet_plugin_annotate::AnnotatePlugin>(),
        #[cfg(feature = "cgroups")]
        PluginDescriptor::of::<alumet_plugin_cgroups::CgroupsPlugin>(),
        #[cfg(feature = "csv")]
        PluginDescriptor::of::<alumet_plugin_csv::CsvPlugin>(),
        #[cfg(feature = "csv-replay")]
        PluginDescriptor::of::<alumet_plugin_csv_replay::CsvReplayPlugin>(),
        #[cfg(feature = "elasticsearch")]
        PluginDescriptor::of::<alumet_plugin_elasticsearch::ElasticsearchPlugin>(),
        #[cfg(feature = "energy-attribution")]
        PluginDescriptor::of::<alumet_plugin_energy_attribution::EnergyAttributionPlugin>(),
        #[cfg(feature = "energy-estimation-tdp")]
        PluginDescriptor::of::<alumet_plugin_energy_estimation_tdp::EnergyEstimationTdpPlugin>(),
        #[cfg(feature = "energy-to-carbon")]
        PluginDescriptor::of::<alumet_plugin_energy_to_carbon::EnergyToCarbonPlugin>(),
        #[cfg(feature = "filter")]
        PluginDescriptor::of::<alumet_plugin_filter::FilterPlugin>(),
        #[cfg(feature = "influxdb")]
        PluginDescriptor::of::<alumet_plugin_influxdb::InfluxdbPlugin>(),
        #[cfg(feature = "kwollect-output")]
        PluginDescriptor::of::<alumet_plugin_kwollect_output::KwollectOutputPlugin>(),
        #[cfg(feature = "mongodb")]
        PluginDescriptor::of::<alumet_plugin_mongodb::MongodbPlugin>(),
        #[cfg(feature = "nats")]
        PluginDescriptor::of::<alumet_plugin_nats::NatsPlugin>(),
        #[cfg(feature = "nats-input")]
        PluginDescriptor::of::<alumet_plugin_nats_input::NatsInputPlugin>(),
        #[cfg(feature = "nvml")]
        PluginDescriptor::of::<alumet_plugin_nvml::NvmlPlugin>(),
        #[cfg(feature = "opentelemetry")]
        PluginDescriptor::of::<alumet_plugin_opentelemetry::OpentelemetryPlugin>(),
        #[cfg(feature = "process-to-cgroup-bridge")]
        PluginDescriptor::of::<alumet_plugin_process_to_cgroup_bridge::ProcessToCgroupBridgePlugin>(),
        #[cfg(feature = "procfs")]
        PluginDescriptor::of::<alumet_plugin_procfs::ProcfsPlugin>(),
        #[cfg(feature = "prometheus-exporter")]
        PluginDescriptor::of::<alumet_plugin_prometheus_exporter::PrometheusExporterPlugin>(),
        #[cfg(feature = "rapl")]
        PluginDescriptor::of::<alumet_plugin_rapl::RaplPlugin>(),
        #[cfg(feature = "relay-server")]
        PluginDescriptor::of::<alumet_plugin_relay_server::RelayServerPlugin>(),
        #[cfg(feature = "rest-api")]
        PluginDescriptor::of::<alumet_plugin_rest_api::RestApiPlugin>(),
        #[cfg(feature = "socket-control")]
        PluginDescriptor::of::<alumet_plugin_socket_control::SocketControlPlugin>(),
        #[cfg(feature = "store")]
        PluginDescriptor::of::<alumet_plugin_store::StorePlugin>(),
    ]
}
