//! Names, units and attributes of the [semantic conventions], for what means exactly the same there.
//!
//! [semantic conventions]: https://opentelemetry.io/docs/specs/semconv/

use alumet_core::attributes::{AttributeKey, AttributeValue, Attributes};
use alumet_core::metric::MetricKind;
use alumet_core::series::SeriesInfo;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};

use crate::resource::{container_id, hardware};

/// What a series is there.
#[derive(Debug)]
pub(crate) struct Semantic {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// What stands for its attributes.
    pub(crate) attributes: Attributes,
    /// What its resource and its metric say.
    pub(crate) labels: Vec<(&'static str, AttributeValue)>,
}

/// A metric of Alumet that has a name there.
struct Row {
    of: Of,
    metric: &'static str,
    name: &'static str,
    unit: Unit,
    keys: &'static [Key],
    /// What the metric says and an attribute there.
    label: Option<(&'static str, &'static str)>,
}

/// Whose series a row is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Process,
    Container,
    Machine,
    Cpu,
}

/// An attribute of Alumet and what it is called there; empty for one that the name of the metric says.
struct Key(&'static str, &'static str, Values);

/// The values and what they are there, if not all stay as they are. A series with another one keeps its own name, because it is part
/// of another one, or is not known there.
type Values = &'static [(&'static str, &'static str)];

const MODES: Values = &[("user", "user"), ("system", "system")];
/// What is not here is contained in `user` and `nice`.
const STATES: Values = &[
    ("user", "user"),
    ("nice", "nice"),
    ("system", "system"),
    ("idle", "idle"),
    ("iowait", "iowait"),
    ("irq", "interrupt"),
    ("softirq", "softirq"),
    ("steal", "steal"),
];
const DISK: Values = &[("read", "read"), ("write", "write")];
const NETWORK: Values = &[("rx", "receive"), ("tx", "transmit")];

const OF_DISK: &[Key] = &[
    Key("device", "system.device", &[]),
    Key("direction", "disk.io.direction", DISK),
];
const OF_NETWORK: &[Key] = &[
    Key("interface", "network.interface.name", &[]),
    Key("direction", "network.io.direction", NETWORK),
];

const fn row(of: Of, metric: &'static str, name: &'static str, unit: Unit, keys: &'static [Key]) -> Row {
    Row {
        of,
        metric,
        name,
        unit,
        keys,
        label: None,
    }
}

const fn memory(metric: &'static str, state: &'static str) -> Row {
    let mut row = row(Of::Machine, metric, "system.memory.usage", Unit::BYTE, &[]);
    row.label = Some(("system.memory.state", state));
    row
}

const fn counted(code: &'static str) -> Unit {
    Unit::custom(code, "")
}

const ROWS: &[Row] = &[
    row(
        Of::Process,
        "cpu_time_delta",
        "process.cpu.time",
        Unit::SECOND,
        &[Key("kind", "cpu.mode", MODES)],
    ),
    row(
        Of::Process,
        "memory_usage",
        "process.memory.usage",
        Unit::BYTE,
        &[Key("kind", "", &[("resident", "")])],
    ),
    row(
        Of::Process,
        "memory_usage",
        "process.memory.virtual",
        Unit::BYTE,
        &[Key("kind", "", &[("virtual", "")])],
    ),
    row(
        Of::Process,
        "process_io_bytes",
        "process.disk.io",
        Unit::BYTE,
        &[Key("direction", "disk.io.direction", DISK)],
    ),
    row(
        Of::Container,
        "cpu_time_delta",
        "container.cpu.time",
        Unit::SECOND,
        &[Key("kind", "cpu.mode", MODES)],
    ),
    row(
        Of::Container,
        "memory_usage",
        "container.memory.usage",
        Unit::BYTE,
        &[],
    ),
    row(
        Of::Container,
        "cgroup_io_bytes",
        "container.disk.io",
        Unit::BYTE,
        OF_DISK,
    ),
    row(
        Of::Cpu,
        "kernel_cpu_time",
        "system.cpu.time",
        Unit::SECOND,
        &[Key("cpu_state", "cpu.mode", STATES)],
    ),
    row(Of::Cpu, "cpu_frequency", "system.cpu.frequency", Unit::HERTZ, &[]),
    row(Of::Machine, "mem_total", "system.memory.limit", Unit::BYTE, &[]),
    row(
        Of::Machine,
        "mem_available",
        "system.memory.linux.available",
        Unit::BYTE,
        &[],
    ),
    memory("mem_free", "free"),
    memory("cached", "cached"),
    row(
        Of::Machine,
        "network_bytes",
        "system.network.io",
        Unit::BYTE,
        OF_NETWORK,
    ),
    row(
        Of::Machine,
        "network_packets",
        "system.network.packet.count",
        counted("{packet}"),
        OF_NETWORK,
    ),
    row(
        Of::Machine,
        "network_packet_drops",
        "system.network.packet.dropped",
        counted("{packet}"),
        OF_NETWORK,
    ),
    row(
        Of::Machine,
        "network_errors",
        "system.network.errors",
        counted("{error}"),
        OF_NETWORK,
    ),
    row(Of::Machine, "disk_bytes", "system.disk.io", Unit::BYTE, OF_DISK),
    row(
        Of::Machine,
        "disk_operations",
        "system.disk.operations",
        counted("{operation}"),
        OF_DISK,
    ),
    row(
        Of::Machine,
        "disk_operation_time",
        "system.disk.operation_time",
        Unit::SECOND,
        OF_DISK,
    ),
    row(
        Of::Machine,
        "disk_busy_time",
        "system.disk.io_time",
        Unit::SECOND,
        &[Key("device", "system.device", &[])],
    ),
    row(
        Of::Machine,
        "kernel_new_forks",
        "system.process.created",
        counted("{process}"),
        &[],
    ),
];

impl Semantic {
    /// What the series is there; `None` if it is nothing there.
    pub(crate) fn of(info: &SeriesInfo) -> Option<Self> {
        let mut semantic = of_hardware(info).or_else(|| ROWS.iter().find_map(|row| row.apply(info)))?;
        // Several plugins may measure the same.
        let metric = info.metric.name.to_string();
        semantic.labels.push(("alumet.metric", metric.into()));
        Some(semantic)
    }
}

/// Energy and power of whole pieces of hardware.
fn of_hardware(info: &SeriesInfo) -> Option<Semantic> {
    let resource = info.resource();
    let hardware = hardware(resource)?;
    let (name, unit) = match info.metric.kind == MetricKind::Gauge {
        true => ("hw.power", Unit::WATT),
        false => ("hw.energy", Unit::JOULE),
    };
    let is_of_all = *info.consumer() == Consumer::LocalMachine;
    if !is_of_all || Unit::convert(0.0, &info.metric.unit, &unit).is_none() {
        return None;
    }
    Some(Semantic {
        name,
        unit,
        attributes: info.attributes().clone(),
        labels: vec![
            ("hw.id", resource.to_string().into()),
            ("hw.type", hardware.into()),
        ],
    })
}

impl Row {
    fn apply(&self, info: &SeriesInfo) -> Option<Semantic> {
        let of = match (info.resource(), info.consumer()) {
            (Resource::LocalMachine, Consumer::Process { .. }) => Of::Process,
            (Resource::LocalMachine, Consumer::ControlGroup { path }) if container_id(path).is_some() => {
                Of::Container
            }
            (Resource::LocalMachine, Consumer::LocalMachine) => Of::Machine,
            (Resource::CpuCore { .. }, Consumer::LocalMachine) => Of::Cpu,
            _ => return None,
        };
        if (of, &*info.metric.name) != (self.of, self.metric) {
            return None;
        }
        let mut labels: Vec<(&str, AttributeValue)> = Vec::new();
        labels.extend(self.label.map(|(key, value)| (key, value.into())));
        if let Resource::CpuCore { id } = info.resource() {
            labels.push(("cpu.logical_number", (*id).into()));
        }
        let given = info.attributes();
        // What somebody else has given such a name would be mixed up with it.
        let named = self
            .keys
            .iter()
            .map(|key| key.1)
            .chain(labels.iter().map(|label| label.0));
        if named.into_iter().any(|name| given.get(name).is_some()) {
            return None;
        }
        if self.keys.iter().any(|key| given.get(key.0).is_none()) {
            return None;
        }
        let mut attributes: Vec<(AttributeKey, AttributeValue)> = Vec::new();
        for (key, value) in given.iter() {
            match self.keys.iter().find(|ours| ours.0 == key) {
                None => attributes.push((key.clone(), value.clone())),
                Some(Key(_, name, [])) => attributes.push(((*name).into(), value.clone())),
                Some(Key(_, name, values)) => {
                    let text = value.to_string();
                    let (_, there) = values.iter().find(|(ours, _)| *ours == text)?;
                    if !name.is_empty() {
                        attributes.push(((*name).into(), (*there).into()));
                    }
                }
            }
        }
        Some(Semantic {
            name: self.name,
            unit: self.unit.clone(),
            attributes: attributes.into_iter().collect(),
            labels,
        })
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::{Metric, Quality};
    use alumet_core::series::SeriesKey;
    use alumet_core::{Catalog, ValueType};

    use super::*;

    fn series(
        metric: &'static str,
        resource: Resource,
        consumer: Consumer,
        attributes: &[(&'static str, &'static str)],
    ) -> SeriesInfo {
        let (metric, registered) = Catalog::new().admit_metric(Metric {
            name: metric.into(),
            kind: MetricKind::Delta,
            value_type: ValueType::U64,
            unit: Unit::SECOND.nano(),
            description: "".into(),
            quality: Quality::Measured,
        });
        SeriesInfo {
            key: SeriesKey {
                metric,
                resource,
                consumer,
                attributes: attributes.iter().copied().collect(),
            },
            metric: registered,
        }
    }

    /// `name unit {attributes and labels}`
    fn text(info: &SeriesInfo) -> Option<String> {
        let semantic = Semantic::of(info)?;
        let labels = semantic
            .labels
            .into_iter()
            .filter(|(key, _)| *key != "alumet.metric");
        let own = semantic
            .attributes
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()));
        let labels = labels.map(|(key, value)| (key.into(), value));
        let all: Attributes = own.chain(labels).collect();
        Some(format!("{} {} {all}", semantic.name, semantic.unit))
    }

    #[test]
    fn what_means_the_same_has_the_name_unit_and_attributes_of_the_conventions_and_nothing_else_has() {
        use Consumer::LocalMachine as Everybody;
        let machine = Resource::LocalMachine;
        let process = || Consumer::Process { pid: 7 };
        let group = |path: &str| Consumer::ControlGroup { path: path.into() };
        let container = || group(&format!("/docker/{}", "0123456789abcdef".repeat(4)));
        let cpu = || Resource::CpuCore { id: 3 };
        for (metric, resource, consumer, attributes, expected) in [
            (
                "cpu_time_delta",
                machine.clone(),
                process(),
                &[("kind", "user"), ("name", "cat")][..],
                Some("process.cpu.time s {cpu.mode=user, name=cat}"),
            ),
            (
                "cpu_time_delta",
                machine.clone(),
                process(),
                &[("kind", "guest")],
                None,
            ),
            ("cpu_time_delta", machine.clone(), process(), &[], None),
            (
                "cpu_time_delta",
                machine.clone(),
                process(),
                &[("kind", "user"), ("cpu.mode", "x")],
                None,
            ),
            (
                "cpu_time_delta",
                machine.clone(),
                container(),
                &[("kind", "system")],
                Some("container.cpu.time s {cpu.mode=system}"),
            ),
            (
                "cpu_time_delta",
                machine.clone(),
                group("/user.slice"),
                &[("kind", "system")],
                None,
            ),
            (
                "memory_usage",
                machine.clone(),
                process(),
                &[("kind", "virtual")],
                Some("process.memory.virtual By {}"),
            ),
            (
                "memory_usage",
                machine.clone(),
                container(),
                &[],
                Some("container.memory.usage By {}"),
            ),
            (
                "kernel_cpu_time",
                cpu(),
                Everybody,
                &[("cpu_state", "irq")],
                Some("system.cpu.time s {cpu.logical_number=3, cpu.mode=interrupt}"),
            ),
            // The sum over all CPUs would count them twice.
            (
                "kernel_cpu_time",
                machine.clone(),
                Everybody,
                &[("cpu_state", "irq")],
                None,
            ),
            (
                "mem_free",
                machine.clone(),
                Everybody,
                &[],
                Some("system.memory.usage By {system.memory.state=free}"),
            ),
            (
                "network_packets",
                machine.clone(),
                Everybody,
                &[("interface", "eth0"), ("direction", "rx")],
                Some(
                    "system.network.packet.count {packet} {network.interface.name=eth0, network.io.direction=receive}",
                ),
            ),
            (
                "disk_bytes",
                machine.clone(),
                Everybody,
                &[("device", "sda"), ("direction", "discard")],
                None,
            ),
            (
                "load_average",
                machine.clone(),
                Everybody,
                &[("window", "1m")],
                None,
            ),
        ] {
            let info = series(metric, resource, consumer, attributes);
            assert_eq!(text(&info).as_deref(), expected, "{info}");
        }
    }

    #[test]
    fn the_page_of_names_has_each_row() {
        let page = include_str!("../../../../docs/naming.md");
        for row in ROWS {
            let (ours, there) = (format!("`{}`", row.metric), format!("`{}`", row.name));
            let has_both = |line: &str| line.contains(&ours) && line.contains(&there);
            assert!(page.lines().any(has_both), "{ours} is {there}");
        }
    }
}
