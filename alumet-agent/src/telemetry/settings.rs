use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_shared_http_delivery::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The table `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TelemetrySettings {
    /// The address of the collector.
    #[schemars(extend("examples" = ["http://localhost:4317"]))]
    pub(crate) endpoint: String,
    /// How it is spoken with.
    #[serde(default)]
    pub(crate) protocol: Protocol,
    /// How often metrics are sent, with the names and values of `/metrics`; `"0s"` switches that off.
    #[serde(default = "minute")]
    pub(crate) interval: HumanDuration,
    /// Which part of all traces is sent, from 0 (none) to 1 (all). A trace is a start of a plugin, an attempt of an output to
    /// deliver samples, a session of a relay client, or a reload.
    #[serde(default = "all")]
    pub(crate) sampling: f64,
    /// How this program speaks with the collector.
    #[serde(flatten)]
    pub(crate) http: HttpConfig,
}

/// How the collector is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Protocol {
    /// OTLP/gRPC, most often on port 4317.
    #[default]
    Grpc,
    /// OTLP/HTTP with protocol buffers, most often on port 4318; `/v1/traces` and `/v1/metrics` are appended to the address.
    Http,
}

fn minute() -> HumanDuration {
    HumanDuration::from_secs(60)
}

const fn all() -> f64 {
    1.0
}

impl TelemetrySettings {
    pub(super) fn has_traces(&self) -> bool {
        self.sampling > 0.0
    }

    pub(super) fn has_metrics(&self) -> bool {
        !self.interval.is_zero()
    }

    /// Refuses what types cannot.
    pub(crate) fn check(&self, faults: &mut Faults) {
        let mut own = Faults::default();
        self.http.check("endpoint", &self.endpoint, &mut own);
        if !(0.0..=1.0).contains(&self.sampling) {
            own.add("sampling", "write a number from 0 (none) to 1 (all)");
        }
        if self.has_metrics() {
            own.refuse_often("interval", *self.interval, Duration::from_millis(10));
        }
        for fault in own {
            faults.add(&format!("telemetry.{}", fault.key.join(".")), fault.message);
        }
    }
}
