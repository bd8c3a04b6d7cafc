//! What is read of each process of a group.

use std::time::Duration;

use crate::config::{EventsConfig, GroupConfig, MemoryMode, ProcessAttribute, ProcessMetric};

/// What a source does with its processes, and when.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) poll_interval: Duration,
    pub(crate) flush_interval: Duration,
    pub(super) memory_mode: MemoryMode,
    pub(super) io: bool,
    metrics: Vec<ProcessMetric>,
    attributes: Vec<ProcessAttribute>,
}

impl Plan {
    pub(super) fn has(&self, metric: ProcessMetric) -> bool {
        self.metrics.contains(&metric)
    }

    pub(super) fn tells(&self, attribute: ProcessAttribute) -> bool {
        self.attributes.contains(&attribute)
    }

    /// Whether the series of a process depend on what it runs.
    pub(super) const fn tells_something(&self) -> bool {
        !self.attributes.is_empty()
    }
}

impl From<&GroupConfig> for Plan {
    fn from(group: &GroupConfig) -> Self {
        Self {
            poll_interval: *group.poll_interval,
            flush_interval: *group.flush_interval,
            memory_mode: group.memory_mode,
            io: group.io,
            metrics: group.metrics.clone(),
            attributes: group.attributes.clone(),
        }
    }
}

impl From<&EventsConfig> for Plan {
    fn from(events: &EventsConfig) -> Self {
        Self {
            poll_interval: *events.poll_interval,
            flush_interval: *events.flush_interval,
            memory_mode: events.memory_mode,
            io: events.io,
            metrics: events.metrics.clone(),
            attributes: events.attributes.clone(),
        }
    }
}
