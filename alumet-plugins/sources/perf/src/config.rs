//! What the table `[plugins.perf]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_reader_perf_event::EventName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which events are counted, for whom, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two samples.
    pub poll_interval: HumanDuration,
    /// Time between two hand-overs of samples.
    pub flush_interval: HumanDuration,
    /// The events, written `<event>[#<modifiers>]`; see *Events*. Each has a metric, whose name is `perf_` and that of the event, or
    /// what `rename` says: `{ event = "CONTEXT_SWITCHES", rename = "switches" }`.
    pub events: Vec<EventConfig>,
    /// Whether processes are counted that are announced, by `exec` for example, with all that they begin from then on.
    pub processes: bool,
    /// Whether control groups of the unified hierarchy (version 2) are counted that are announced, by `cgroups` for example.
    pub cgroups: bool,
    /// Whether the whole machine is counted. Only then are events counted that no program has, such as those of a memory
    /// controller.
    pub system: bool,
    /// Whether control groups and the machine have a series for each CPU; otherwise they have one for all.
    pub per_cpu: bool,
    /// The most descriptors that are open at once. A process takes one for each event and one more, for each thread that it has when
    /// counting begins; a control group takes as many for each CPU, and so does the machine.
    pub max_descriptors: u32,
    /// Whether counting waits until the sources of the plugin are resumed.
    pub add_source_in_pause_state: bool,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(
    untagged,
    expecting = "an event such as \"CACHE_MISSES\", or { event = \"CACHE_MISSES#k\", rename = \"kernel_misses\" }"
)]
pub enum EventConfig {
    /// One whose metric has its name.
    Name(String),
    /// One whose metric has another name.
    Renamed {
        /// The event.
        event: String,
        /// What follows `perf_` in the name of the metric.
        rename: String,
    },
}

impl Default for Config {
    fn default() -> Self {
        let events = ["REF_CPU_CYCLES", "CACHE_MISSES", "BRANCH_MISSES", "LL_READ_MISS"];
        Self {
            poll_interval: HumanDuration::from_secs(1),
            flush_interval: HumanDuration::from_secs(5),
            events: events.map(|name| EventConfig::Name(name.to_owned())).to_vec(),
            processes: true,
            cgroups: true,
            system: false,
            per_cpu: true,
            max_descriptors: 65_536,
            add_source_in_pause_state: false,
        }
    }
}

/// An event with the name of its metric.
#[derive(Debug, Clone)]
pub(crate) struct NamedEvent {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) name: EventName,
    pub(crate) metric: String,
    /// Where it stands in the configuration.
    pub(crate) key: String,
}

impl Config {
    /// The events, if everything is right.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub(crate) fn check(&self) -> Result<Vec<NamedEvent>, Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *self.poll_interval);
        faults.refuse_zero("flush_interval", *self.flush_interval);
        let mut events: Vec<NamedEvent> = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            let key = format!("events.{index}");
            let (text, rename, place) = match event {
                EventConfig::Name(text) => (text, None, key.clone()),
                EventConfig::Renamed { event, rename } => (event, Some(rename), format!("{key}.event")),
            };
            let name: EventName = match text.parse() {
                Ok(name) => name,
                Err(error) => {
                    faults.add(&place, format!("`{text}`: {error}"));
                    continue;
                }
            };
            if let Some(rename) = rename
                && (rename.is_empty() || rename.contains(|c: char| !is_of_metric(c)))
            {
                let message =
                    format!("`{rename}` cannot be part of the name of a metric; use letters, digits and `_`");
                faults.add(&format!("{key}.rename"), message);
                continue;
            }
            let metric = format!(
                "perf_{}",
                rename.map_or_else(|| metric_part(name.event()), String::clone)
            );
            if let Some(other) = events.iter().find(|other| other.metric == metric) {
                let message = format!(
                    "the metric of `{text}` would be `{metric}`, which that of `{}` is already; write {{ event = \"{text}\", \
                     rename = \"another_name\" }}",
                    other.text
                );
                faults.add(&place, message);
                continue;
            }
            let text = text.clone();
            events.push(NamedEvent {
                text,
                name,
                metric,
                key,
            });
        }
        faults.or_ok().map(|()| events)
    }
}

const fn is_of_metric(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What of the name of an event can be in that of a metric: `RESOURCE_STALLS:ANY` gives `RESOURCE_STALLS_ANY`.
fn metric_part(event: &str) -> String {
    let parts = event.split(|c| !is_of_metric(c)).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metrics(events: &str) -> Result<Vec<String>, Vec<String>> {
        let config: Config = toml::from_str(&format!("events = {events}")).unwrap();
        match config.check() {
            Ok(events) => Ok(events.into_iter().map(|event| event.metric).collect()),
            Err(faults) => Err(faults.keys()),
        }
    }

    #[test]
    fn a_metric_has_the_name_of_its_event_without_modifiers_or_another_one() {
        let events = r#"["CACHE_MISSES#u:k", "RESOURCE_STALLS:ANY", "cpu/event=0x3c,umask=1/", { event = "r01c2", rename = "loads" }]"#;
        let expected = [
            "perf_CACHE_MISSES",
            "perf_RESOURCE_STALLS_ANY",
            "perf_cpu_event_0x3c_umask_1",
            "perf_loads",
        ];
        assert_eq!(metrics(events).unwrap(), expected);
    }

    #[test]
    fn a_fault_points_at_the_event() {
        let events = r#"["CPU_CYCLES", "CPU_CYCLES#z", "cpu/x", "CPU_CYCLES#k", { event = "", rename = "a" }, { event = "r1", rename = "a b" }]"#;
        let expected = [
            "events.1",
            "events.2",
            "events.3",
            "events.4.event",
            "events.5.rename",
        ];
        assert_eq!(metrics(events).unwrap_err(), expected);
    }

    #[test]
    fn the_same_event_in_two_modes_needs_another_name() {
        let events = r#"["CPU_CYCLES#u", { event = "CPU_CYCLES#k", rename = "KERNEL_CYCLES" }]"#;
        assert_eq!(
            metrics(events).unwrap(),
            ["perf_CPU_CYCLES", "perf_KERNEL_CYCLES"]
        );
    }

    proptest! {
        #[test]
        fn any_event_has_the_name_of_a_metric_or_is_refused(event in ".{0,20}|[A-Z_:/=.-]{1,20}") {
            let config = Config { events: vec![EventConfig::Name(event)], ..Config::default() };
            if let Ok(events) = config.check() {
                prop_assert!(events[0].metric.chars().all(is_of_metric), "{}", events[0].metric);
            }
        }
    }
}
