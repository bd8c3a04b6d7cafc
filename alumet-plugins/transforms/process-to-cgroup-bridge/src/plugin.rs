//! From the configuration to the transform.

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::time::Monotonic;

use crate::config::Config;
use crate::transform::Bridge;
use alumet_shared_cgroup_source::membership::Memberships;

/// Turns samples of processes into samples of their control groups.
#[derive(Debug)]
pub struct ProcessToCgroupBridgePlugin;

impl Plugin for ProcessToCgroupBridgePlugin {
    const ID: &'static str = "process-to-cgroup-bridge";
    const SUMMARY: &'static str = "Turns what is measured of processes into what their control groups used.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.selection(Monotonic::default()).map(|_| ())
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let selection = config.selection(alumet.clock().now().monotonic)?;
        let memberships = Memberships::of(alumet.root())?;
        alumet.transform("groups", Bridge::new(&config, selection, memberships));
        Ok(Self)
    }
}
