//! The plugins of this program: the only file that uses them. Written by `cargo xtask docs`.

use alumet_core::plugin::PluginDescriptor;

/// The plugins that the cargo features of this build choose.
pub(crate) fn compiled() -> Vec<PluginDescriptor> {
    vec![
        #[cfg(feature = "aggregation")]
        PluginDescriptor::of::<alumet_plugin_aggregation::AggregationPlugin>(),
        #[cfg(feature = "amd-gpu")]
        PluginDescriptor::of::<alumet_plugin_amd_gpu::AmdGpuPlugin>(),
        #[cfg(feature = "annotate")]
        PluginDescriptor::of::<alumet_plugin_annotate::AnnotatePlugin>(),
        #[cfg(feature = "cgroups")]
        PluginDescriptor::of::<alumet_plugin_cgroups::CgroupsPlugin>(),
        #[cfg(feature = "containers")]
        PluginDescriptor::of::<alumet_plugin_containers::ContainersPlugin>(),
        #[cfg(feature = "cray-pm-counters")]
        PluginDescriptor::of::<alumet_plugin_cray_pm_counters::CrayPmCountersPlugin>(),
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
        #[cfg(feature = "grace-hopper")]
        PluginDescriptor::of::<alumet_plugin_grace_hopper::GraceHopperPlugin>(),
        #[cfg(feature = "hwmon-power")]
        PluginDescriptor::of::<alumet_plugin_hwmon_power::HwmonPowerPlugin>(),
        #[cfg(feature = "influxdb")]
        PluginDescriptor::of::<alumet_plugin_influxdb::InfluxdbPlugin>(),
        #[cfg(feature = "intel-gpu")]
        PluginDescriptor::of::<alumet_plugin_intel_gpu::IntelGpuPlugin>(),
        #[cfg(feature = "ipmi")]
        PluginDescriptor::of::<alumet_plugin_ipmi::IpmiPlugin>(),
        #[cfg(feature = "jetson")]
        PluginDescriptor::of::<alumet_plugin_jetson::JetsonPlugin>(),
        #[cfg(feature = "k8s")]
        PluginDescriptor::of::<alumet_plugin_k8s::K8sPlugin>(),
        #[cfg(feature = "kwollect-input")]
        PluginDescriptor::of::<alumet_plugin_kwollect_input::KwollectInputPlugin>(),
        #[cfg(feature = "kwollect-output")]
        PluginDescriptor::of::<alumet_plugin_kwollect_output::KwollectOutputPlugin>(),
        #[cfg(feature = "libvirt")]
        PluginDescriptor::of::<alumet_plugin_libvirt::LibvirtPlugin>(),
        #[cfg(feature = "mongodb")]
        PluginDescriptor::of::<alumet_plugin_mongodb::MongodbPlugin>(),
        #[cfg(feature = "nats")]
        PluginDescriptor::of::<alumet_plugin_nats::NatsPlugin>(),
        #[cfg(feature = "nvml")]
        PluginDescriptor::of::<alumet_plugin_nvml::NvmlPlugin>(),
        #[cfg(feature = "oar")]
        PluginDescriptor::of::<alumet_plugin_oar::OarPlugin>(),
        #[cfg(feature = "opentelemetry")]
        PluginDescriptor::of::<alumet_plugin_opentelemetry::OpentelemetryPlugin>(),
        #[cfg(feature = "perf")]
        PluginDescriptor::of::<alumet_plugin_perf::PerfPlugin>(),
        #[cfg(feature = "process-to-cgroup-bridge")]
        PluginDescriptor::of::<alumet_plugin_process_to_cgroup_bridge::ProcessToCgroupBridgePlugin>(),
        #[cfg(feature = "procfs")]
        PluginDescriptor::of::<alumet_plugin_procfs::ProcfsPlugin>(),
        #[cfg(feature = "prometheus-exporter")]
        PluginDescriptor::of::<alumet_plugin_prometheus_exporter::PrometheusExporterPlugin>(),
        #[cfg(feature = "quarch")]
        PluginDescriptor::of::<alumet_plugin_quarch::QuarchPlugin>(),
        #[cfg(feature = "rapl")]
        PluginDescriptor::of::<alumet_plugin_rapl::RaplPlugin>(),
        #[cfg(feature = "redfish")]
        PluginDescriptor::of::<alumet_plugin_redfish::RedfishPlugin>(),
        #[cfg(feature = "relay-client")]
        PluginDescriptor::of::<alumet_plugin_relay_client::RelayClientPlugin>(),
        #[cfg(feature = "relay-server")]
        PluginDescriptor::of::<alumet_plugin_relay_server::RelayServerPlugin>(),
        #[cfg(feature = "slurm")]
        PluginDescriptor::of::<alumet_plugin_slurm::SlurmPlugin>(),
        #[cfg(feature = "socket-control")]
        PluginDescriptor::of::<alumet_plugin_socket_control::SocketControlPlugin>(),
    ]
}
