//! From samples to what is shown: a cell for each series, and the rows that cells make at each look. Knows no terminal.

use std::cmp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::metric::{MetricKind, Quality};
use alumet_core::output::Delivery;
use alumet_core::series::SeriesInfo;
use alumet_core::time::{Moment, Timestamp};
use alumet_core::unit::Unit;
use alumet_core::{AttributeValue, Consumer, Resource, SeriesMap};

/// The latest values of all series that are of interest.
pub(super) struct Model {
    interval: Duration,
    cpus: u64,
    cells: SeriesMap<Option<Cell>>,
    /// When samples came last, and how often the wall clock, which is theirs, was set so far.
    last: Option<Moment>,
    steps: u32,
}

/// What is shown at one time.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) machine: Machine,
    pub(super) processes: Vec<Row>,
    pub(super) groups: Vec<Row>,
}

/// What is known of the whole machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) cpus: u64,
    /// CPUs in use, from 0 to `cpus`.
    pub(super) busy: Option<f64>,
    /// In bytes.
    pub(super) memory: Option<f64>,
    pub(super) memory_available: Option<f64>,
    /// Of one, five and fifteen minutes.
    pub(super) load: [Option<f64>; 3],
    /// What sensors and estimates show.
    pub(super) sources: Vec<Power>,
    /// The power that is shared: the part of all processes, that of nobody, and what is left, in watts.
    pub(super) attributed: Option<f64>,
    pub(super) idle: Option<f64>,
    pub(super) unattributed: Option<f64>,
    /// How the parts of processes are known.
    pub(super) quality: Option<Quality>,
    /// Why they are not.
    pub(super) why: String,
}

/// A power of the machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Power {
    pub(super) name: String,
    pub(super) watts: f64,
    pub(super) quality: Quality,
}

/// A process or control group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) consumer: Consumer,
    /// The name of a process.
    pub(super) name: Arc<str>,
    /// The command line of a process, or the path of a group.
    pub(super) text: String,
    pub(super) parent: Option<Consumer>,
    /// CPUs in use; 1 is one whole CPU.
    pub(super) cpu: Option<f64>,
    /// In bytes.
    pub(super) memory: Option<f64>,
    /// Reads and writes together, in bytes per second.
    pub(super) io: Option<f64>,
    /// In watts.
    pub(super) power: Option<f64>,
    /// Since the program was started, in joules.
    pub(super) energy: Option<f64>,
}

/// What a series tells.
#[derive(Debug, Clone, PartialEq)]
enum What {
    Cpu,
    Memory,
    Io,
    Energy,
    Busy,
    MemoryTotal,
    MemoryAvailable,
    Load(usize),
    Idle,
    Unattributed,
    /// A sensor or an estimate; whether it is of a part of the machine only.
    Source {
        is_part: bool,
    },
}

/// The latest of one series.
#[derive(Debug)]
struct Cell {
    series: Arc<SeriesInfo>,
    what: What,
    name: Arc<str>,
    /// From the unit of the metric to that of the row.
    factor: f64,
    at: Timestamp,
    steps: u32,
    /// The latest value; of a delta, its rate per second.
    value: Option<f64>,
    /// Of a delta, all that came.
    total: f64,
}

impl Model {
    /// Nothing yet of a machine with so many CPUs, which is measured so often.
    pub(super) fn new(interval: Duration, cpus: u64) -> Self {
        Self {
            interval,
            cpus,
            cells: SeriesMap::default(),
            last: None,
            steps: 0,
        }
    }

    /// Takes new samples.
    pub(super) fn take(&mut self, delivery: &Delivery) {
        let now = delivery.now();
        if self.last.replace(now).is_some_and(|last| last.steps_to(now)) {
            self.steps += 1;
        }
        for sample in delivery.samples() {
            let cell = self.cells.get_or_insert_with(sample.series, || {
                Cell::of(delivery.catalog().describe(sample.series)?, sample.timestamp)
            });
            if let Some(cell) = cell {
                cell.take(sample.timestamp, sample.value().as_f64(), self.steps);
            }
        }
    }

    /// What is known now; forgets who is gone.
    pub(super) fn look(&mut self) -> Snapshot {
        let mut newest: HashMap<Arc<str>, Timestamp> = HashMap::new();
        for (_, cell) in self.cells.iter() {
            let Some(cell) = cell else { continue };
            let name = cell.series.metric.name.as_ref();
            match newest.get_mut(name) {
                Some(at) => *at = cell.at.max(*at),
                None => drop(newest.insert(name.into(), cell.at)),
            }
        }
        // What is missing in the latest round was not delivered yet; what is missing in the one before it, too, is gone.
        let patience = self.interval.mul_f64(1.5);
        let is_fresh = |cell: &Cell| {
            let newest = newest.get(cell.series.metric.name.as_ref());
            newest.is_none_or(|newest| cell.at.saturating_add(patience) >= *newest)
        };
        let alive: HashSet<Consumer> = self
            .cells
            .iter()
            .filter_map(|(_, cell)| cell.as_ref())
            .filter(|cell| matches!(cell.what, What::Cpu | What::Memory) && is_fresh(cell))
            .map(|cell| cell.series.consumer().clone())
            .collect();
        self.cells.retain(|_, cell| match cell {
            Some(cell) => is_fresh(cell) || alive.contains(cell.series.consumer()),
            None => true,
        });
        let mut rows: HashMap<&Consumer, (Timestamp, Row)> = HashMap::new();
        let mut snapshot = Snapshot::default();
        snapshot.machine.cpus = self.cpus;
        let mut sources: Vec<(&Cell, f64)> = Vec::new();
        for cell in self.cells.iter().filter_map(|(_, cell)| cell.as_ref()) {
            let value = cell.value.filter(|_| is_fresh(cell));
            let consumer = cell.series.consumer();
            if *consumer == Consumer::LocalMachine {
                match (&cell.what, value) {
                    (What::Source { .. }, Some(value)) => sources.push((cell, value)),
                    (what, value) => snapshot.machine.put(what, value),
                }
            } else if alive.contains(consumer) {
                let (seen, row) = rows.entry(consumer).or_insert_with(|| (cell.at, Row::of(cell)));
                // A process that has become another program has the names of both.
                if cell.at > *seen {
                    (*seen, row.name) = (cell.at, Arc::clone(&cell.name));
                }
                row.put(cell, value);
                if cell.what == What::Energy {
                    let worst = &mut snapshot.machine.quality;
                    let quality = cell.series.metric.quality;
                    *worst = Some(
                        worst.map_or(quality, |worst| cmp::max_by_key(worst, quality, |one| *one as u8)),
                    );
                }
            }
        }
        snapshot.machine.sources = powers(&sources);
        // An estimate beside what is measured is not what is shared.
        if snapshot.machine.quality == Some(Quality::Modelled) {
            let sources = &mut snapshot.machine.sources;
            sources.retain(|power| power.quality != Quality::Estimated);
        }
        let (groups, processes) = rows
            .into_values()
            .map(|(_, row)| row)
            .partition(|row| matches!(row.consumer, Consumer::ControlGroup { .. }));
        (snapshot.groups, snapshot.processes) = (groups, processes);
        for row in &snapshot.processes {
            add(&mut snapshot.machine.attributed, row.power);
        }
        snapshot
    }
}

/// The powers of the whole machine, and those of its parts where there is none.
fn powers(sources: &[(&Cell, f64)]) -> Vec<Power> {
    let is_part = |cell: &Cell| cell.what == What::Source { is_part: true };
    let has_whole = |cell: &Cell| {
        let is_whole = |(other, _): &(&Cell, f64)| {
            !is_part(other) && other.series.metric.name == cell.series.metric.name
        };
        sources.iter().any(is_whole)
    };
    // A GPU that shows energy shows the same as power, and its limits in watts as well.
    let is_energy = |cell: &Cell| cell.series.metric.kind == MetricKind::Delta;
    let is_again = |cell: &Cell| {
        matches!(cell.series.resource(), Resource::Gpu { .. })
            && !is_energy(cell)
            && sources
                .iter()
                .any(|(other, _)| is_energy(other) && other.series.resource() == cell.series.resource())
    };
    let shown = sources
        .iter()
        .filter(|(cell, _)| !is_part(cell) || !has_whole(cell))
        .filter(|(cell, _)| !is_again(cell));
    let mut powers: Vec<Power> = shown
        .map(|(cell, watts)| Power {
            name: cell.name.to_string(),
            watts: *watts,
            quality: cell.series.metric.quality,
        })
        .collect();
    powers.sort_by(|a, b| {
        let by_name = (a.quality as u8, &a.name).cmp(&(b.quality as u8, &b.name));
        by_name.then_with(|| b.watts.total_cmp(&a.watts))
    });
    // A domain that there is once has a total, too.
    powers.dedup_by(|a, b| a.name == b.name);
    powers
}

impl Machine {
    fn put(&mut self, what: &What, value: Option<f64>) {
        let (place, value) = match what {
            What::Busy => (&mut self.busy, value),
            What::MemoryTotal => (&mut self.memory, value),
            What::MemoryAvailable => (&mut self.memory_available, value),
            What::Idle => (&mut self.idle, value),
            What::Unattributed => (&mut self.unattributed, value),
            What::Load(window) => match self.load.get_mut(*window) {
                Some(place) => (place, value),
                None => return,
            },
            What::Cpu | What::Memory | What::Io | What::Energy | What::Source { .. } => return,
        };
        add(place, value);
    }
}

impl Row {
    fn of(cell: &Cell) -> Self {
        let consumer = cell.series.consumer();
        Self {
            consumer: consumer.clone(),
            name: Arc::clone(&cell.name),
            text: match consumer {
                Consumer::ControlGroup { path } => path.to_string(),
                _ => String::new(),
            },
            parent: None,
            cpu: None,
            memory: None,
            io: None,
            power: None,
            energy: None,
        }
    }

    fn put(&mut self, cell: &Cell, value: Option<f64>) {
        match cell.what {
            What::Cpu => add(&mut self.cpu, value),
            What::Memory => add(&mut self.memory, value),
            What::Io => add(&mut self.io, value),
            What::Energy => {
                add(&mut self.power, value);
                add(&mut self.energy, Some(cell.total));
            }
            _ => {}
        }
    }
}

/// Adds what is known to what is known.
fn add(place: &mut Option<f64>, value: Option<f64>) {
    if let Some(value) = value {
        *place = Some(place.unwrap_or(0.0) + value);
    }
}

impl Cell {
    /// The cell of a series, if it is of interest.
    fn of(series: Arc<SeriesInfo>, at: Timestamp) -> Option<Self> {
        let text = |key| series.attributes().get(key).map(AttributeValue::to_string);
        let (what, unit) = what(&series)?;
        let factor = Unit::convert(1.0, &series.metric.unit, &unit)?;
        let name = match what {
            What::Source { .. } => source_name(&series),
            _ => text("name").unwrap_or_default(),
        };
        Some(Self {
            what,
            name: name.into(),
            factor,
            at,
            steps: 0,
            value: None,
            total: 0.0,
            series,
        })
    }

    fn take(&mut self, at: Timestamp, value: f64, steps: u32) {
        let value = value * self.factor;
        self.value = match self.series.metric.kind {
            MetricKind::Gauge => Some(value),
            // Its zero is that of its own, so that only differences mean anything.
            MetricKind::Counter => None,
            MetricKind::Delta => {
                self.total += value;
                let elapsed = at.checked_since(self.at).filter(|time| !time.is_zero());
                let elapsed = elapsed.filter(|_| self.steps == steps);
                elapsed.map(|elapsed| value / elapsed.as_secs_f64())
            }
        };
        (self.at, self.steps) = (at, steps);
    }
}

/// What a series tells, and the unit in which it is shown: of a delta, per second.
fn what(series: &SeriesInfo) -> Option<(What, Unit)> {
    let text = |key| series.attributes().get(key).map(AttributeValue::to_string);
    let is = |key, values: &[&str]| text(key).is_some_and(|value| values.contains(&value.as_str()));
    let metric = &series.metric;
    let is_whole = *series.resource() == Resource::LocalMachine;
    let what = match (series.consumer(), metric.name.as_ref()) {
        (Consumer::Process { .. }, "cpu_time_delta") if is("kind", &["user", "system"]) => What::Cpu,
        (Consumer::ControlGroup { .. }, "cpu_time_delta") if is("kind", &["total"]) => What::Cpu,
        (Consumer::Process { .. }, "memory_usage") if is("kind", &["resident"]) => What::Memory,
        (Consumer::ControlGroup { .. }, "memory_usage") => What::Memory,
        (Consumer::Process { .. }, "process_io_bytes") => What::Io,
        (Consumer::ControlGroup { .. }, "cgroup_io_bytes") if is("direction", &["read", "write"]) => What::Io,
        // The joules of a GPU are in none of the machine's.
        (
            Consumer::Process { .. } | Consumer::ControlGroup { .. },
            "attributed_energy" | "attributed_gpu_energy",
        ) => What::Energy,
        (Consumer::LocalMachine, "attributed_energy") if is("part", &["idle"]) => What::Idle,
        (Consumer::LocalMachine, "attributed_energy" | "attributed_gpu_energy")
            if is("part", &["unattributed"]) && is("consumers", &["process"]) =>
        {
            What::Unattributed
        }
        // `user` and `nice` contain what guests used.
        (Consumer::LocalMachine, "kernel_cpu_time")
            if is_whole && is("cpu_state", &["user", "nice", "system", "irq", "softirq"]) =>
        {
            What::Busy
        }
        (Consumer::LocalMachine, "mem_total") => What::MemoryTotal,
        (Consumer::LocalMachine, "mem_available") => What::MemoryAvailable,
        (Consumer::LocalMachine, "load_average") => {
            let windows = ["1m", "5m", "15m"];
            let window = text("window")?;
            What::Load(windows.iter().position(|other| *other == window)?)
        }
        (Consumer::LocalMachine, _) if text("part").is_none() => What::Source { is_part: !is_whole },
        _ => return None,
    };
    let unit = match what {
        What::Cpu | What::Busy => Unit::SECOND,
        What::Memory | What::MemoryTotal | What::MemoryAvailable | What::Io => Unit::BYTE,
        What::Load(_) => Unit::ONE,
        What::Energy | What::Idle | What::Unattributed => Unit::JOULE,
        What::Source { .. } if metric.kind == MetricKind::Gauge => Unit::WATT,
        What::Source { .. } => Unit::JOULE,
    };
    Some((what, unit))
}

/// What people call a sensor: its attributes and, of a part, the resource.
fn source_name(series: &SeriesInfo) -> String {
    let mut words: Vec<String> = series
        .attributes()
        .iter()
        .map(|(_, value)| value.to_string().trim_end_matches("_total").to_owned())
        .collect();
    if words.is_empty() {
        words.push(series.metric.name.trim_end_matches("_delta").replace('_', " "));
    }
    if *series.resource() != Resource::LocalMachine {
        words.push(format!("({})", series.resource()));
    }
    words.join(" ")
}

#[cfg(test)]
pub(super) mod tests;
