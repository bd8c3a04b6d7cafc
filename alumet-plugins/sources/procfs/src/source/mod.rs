//! The sources: what turns readings into samples.

pub(crate) mod cpu_frequency;
mod device_counts;
pub(crate) mod disks;
pub(crate) mod kernel;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod pressure;
pub(crate) mod processes;
pub(crate) mod temperatures;
