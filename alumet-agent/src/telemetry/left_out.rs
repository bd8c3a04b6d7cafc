//! What a build without the cargo feature `telemetry` has in its place.

use std::collections::BTreeMap;

use alumet_core::pipeline::Control;
use alumet_core::plugin::{Faults, Finding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::exit::Failed;
use crate::logging::Spans;
use crate::settings::Settings;

/// The table `[telemetry]`, whatever it holds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TelemetrySettings(BTreeMap<String, serde_json::Value>);

impl TelemetrySettings {
    /// Says what this program lacks.
    pub(crate) fn check(&self, faults: &mut Faults) {
        let message = "this program was built without it; remove the table, or use a build that has it (cargo feature \
                       `telemetry`)";
        faults.add("telemetry", message);
    }
}

/// There is none.
pub(crate) enum Telemetry {}

impl Telemetry {
    pub(crate) const fn start(_: &App, _: &Settings) -> Result<Option<Self>, Failed> {
        Ok(None)
    }

    pub(crate) fn spans(&self) -> Option<Spans> {
        match *self {}
    }

    pub(crate) fn observe(&self, _: &Control) {
        match *self {}
    }

    pub(crate) async fn stop(self) {
        match self {}
    }
}

pub(crate) const fn try_out(_: &Settings) -> Vec<Finding> {
    Vec::new()
}
