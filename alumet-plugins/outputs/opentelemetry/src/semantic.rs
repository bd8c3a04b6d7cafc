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

const DEVICE: Key = Key("device", "system.device", &[]);
const IO: Key = Key("direction", "disk.io.direction", DISK);
const INTERFACE: Key = Key("interface", "network.interface.name", &[]);
const TRAFFIC: Key = Key("direction", "network.io.direction", NETWORK);

const fn counted(code: &'static str) -> Unit {
    Unit::custom(code, "")
}

macro_rules! rows {
    ($($of:ident $metric:literal is $name:literal in $unit:expr, [$($key:expr),*] $(with $label:expr)?;)+) => {
        const ROWS: &[Row] = &[$(Row {
            of: Of::$of,
            metric: $metric,
            name: $name,
            unit: $unit,
            keys: &[$($key),*],
            label: rows!(@label $($label)?),
        }),+];
    };
    (@label) => { None };
    (@label $label:expr) => { Some($label) };
}

rows! {
    Process "cpu_time_delta" is "process.cpu.time" in Unit::SECOND, [Key("kind", "cpu.mode", MODES)];
    Process "memory_usage" is "process.memory.usage" in Unit::BYTE, [Key("kind", "", &[("resident", "")])];
    Process "memory_usage" is "process.memory.virtual" in Unit::BYTE, [Key("kind", "", &[("virtual", "")])];
    Process "process_io_bytes" is "process.disk.io" in Unit::BYTE, [IO];
    Container "cpu_time_delta" is "container.cpu.time" in Unit::SECOND, [Key("kind", "cpu.mode", MODES)];
    Container "memory_usage" is "container.memory.usage" in Unit::BYTE, [];
    Container "cgroup_io_bytes" is "container.disk.io" in Unit::BYTE, [DEVICE, IO];
    Cpu "kernel_cpu_time" is "system.cpu.time" in Unit::SECOND, [Key("cpu_state", "cpu.mode", STATES)];
    Cpu "cpu_frequency" is "system.cpu.frequency" in Unit::HERTZ, [];
    Machine "mem_total" is "system.memory.limit" in Unit::BYTE, [];
    Machine "mem_available" is "system.memory.linux.available" in Unit::BYTE, [];
    Machine "mem_free" is "system.memory.usage" in Unit::BYTE, [] with ("system.memory.state", "free");
    Machine "cached" is "system.memory.usage" in Unit::BYTE, [] with ("system.memory.state", "cached");
    Machine "network_bytes" is "system.network.io" in Unit::BYTE, [INTERFACE, TRAFFIC];
    Machine "network_packets" is "system.network.packet.count" in counted("{packet}"), [Key("interface", "system.device", &[]), TRAFFIC];
    Machine "network_packet_drops" is "system.network.packet.dropped" in counted("{packet}"), [INTERFACE, TRAFFIC];
    Machine "network_errors" is "system.network.errors" in counted("{error}"), [INTERFACE, TRAFFIC];
    Machine "disk_bytes" is "system.disk.io" in Unit::BYTE, [DEVICE, IO];
    Machine "disk_operations" is "system.disk.operations" in counted("{operation}"), [DEVICE, IO];
    Machine "disk_operation_time" is "system.disk.operation_time" in Unit::SECOND, [DEVICE, IO];
    Machine "disk_busy_time" is "system.disk.io_time" in Unit::SECOND, [DEVICE];
    Machine "kernel_new_forks" is "system.process.created" in counted("{process}"), [];
}

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

    /// A series with `key=value key=value`.
    fn series(metric: &'static str, resource: Resource, consumer: Consumer, attributes: &str) -> SeriesInfo {
        let (metric, registered) = Catalog::new().admit_metric(Metric {
            name: metric.into(),
            kind: MetricKind::Delta,
            value_type: ValueType::U64,
            unit: Unit::SECOND.nano(),
            description: "".into(),
            quality: Quality::Measured,
        });
        let attributes = attributes.split(' ').filter_map(|pair| pair.split_once('='));
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value));
        SeriesInfo {
            key: SeriesKey {
                metric,
                resource,
                consumer,
                attributes: attributes.collect(),
            },
            metric: registered,
        }
    }

    /// `name unit {attributes and labels}`; empty for what has its own name.
    fn text(info: &SeriesInfo) -> String {
        let Some(semantic) = Semantic::of(info) else {
            return String::new();
        };
        let labels = semantic.labels.into_iter();
        let labels = labels.filter(|(key, _)| *key != "alumet.metric");
        let all = labels.fold(semantic.attributes, |all, (key, value)| all.with(key, value));
        format!("{} {} {all}", semantic.name, semantic.unit)
    }

    #[test]
    fn what_means_the_same_has_the_name_unit_and_attributes_of_the_conventions_and_nothing_else_has() {
        let process = || Consumer::Process { pid: 7 };
        let group = |path: &str| Consumer::ControlGroup { path: path.into() };
        let container = || group(&format!("/docker/{}", "0123456789abcdef".repeat(4)));
        for (metric, consumer, attributes, expected) in [
            (
                "cpu_time_delta",
                process(),
                "kind=user name=cat",
                "process.cpu.time s {cpu.mode=user, name=cat}",
            ),
            ("cpu_time_delta", process(), "kind=guest", ""),
            ("cpu_time_delta", process(), "", ""),
            ("cpu_time_delta", process(), "kind=user cpu.mode=x", ""),
            (
                "cpu_time_delta",
                container(),
                "kind=system",
                "container.cpu.time s {cpu.mode=system}",
            ),
            ("cpu_time_delta", group("/user.slice"), "kind=system", ""),
            (
                "memory_usage",
                process(),
                "kind=virtual",
                "process.memory.virtual By {}",
            ),
            ("memory_usage", container(), "", "container.memory.usage By {}"),
        ] {
            let info = series(metric, Resource::LocalMachine, consumer, attributes);
            assert_eq!(text(&info), expected, "{info}");
        }
        let machine = || Resource::LocalMachine;
        let cpu = || Resource::CpuCore { id: 3 };
        let of_cpu = "system.cpu.time s {cpu.logical_number=3, cpu.mode=interrupt}";
        let packets =
            "system.network.packet.count {packet} {network.io.direction=receive, system.device=eth0}";
        let drops = "system.network.packet.dropped {packet} {network.interface.name=eth0, network.io.direction=receive}";
        for (metric, resource, attributes, expected) in [
            ("kernel_cpu_time", cpu(), "cpu_state=irq", of_cpu),
            // The sum over all CPUs would count them twice.
            ("kernel_cpu_time", machine(), "cpu_state=irq", ""),
            (
                "mem_free",
                machine(),
                "",
                "system.memory.usage By {system.memory.state=free}",
            ),
            (
                "network_packets",
                machine(),
                "interface=eth0 direction=rx",
                packets,
            ),
            (
                "network_packet_drops",
                machine(),
                "interface=eth0 direction=rx",
                drops,
            ),
            ("disk_bytes", machine(), "device=sda direction=discard", ""),
            ("load_average", machine(), "window=1m", ""),
        ] {
            let info = series(metric, resource, Consumer::LocalMachine, attributes);
            assert_eq!(text(&info), expected, "{info}");
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
