//! What `exec` and `watch` tell at the end.

mod energy;
mod place;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use alumet_core::metric::Quality;
use alumet_core::time::Timestamp;
use serde::Serialize;

use crate::child::End;
use crate::measured::{METRIC_PREFIX, MeasuredTree};

use energy::{Amounts, Quantity, Total, Whose};
pub(crate) use energy::{Energy, EnergyOutput};
pub(crate) use place::SummaryPlaces;
pub(crate) use text::{bytes, quantity, seconds};

/// How long it all took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// From the start to the end of the process.
    pub(crate) duration: Duration,
    /// When the process ended, or was left alone.
    pub(crate) ended: Timestamp,
    /// From the first measurement to the last, which is a little longer, and what the energy is that of.
    pub(crate) measured: Duration,
    /// The CPU time of the agent meanwhile.
    pub(crate) agent: Duration,
}

/// Of what it is told.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    /// For people: what it is, and how it ended.
    pub(crate) title: String,
    /// The program with its arguments.
    pub(crate) command: Vec<String>,
    /// That of a program that this one has waited for.
    pub(crate) end: Option<End>,
}

/// What came of a run. All numbers are in the base unit that the name of the field ends with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    #[serde(skip)]
    title: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    /// The attributes that all its samples bear.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    /// RFC 3339.
    started: String,
    pub(crate) duration_seconds: f64,
    /// From the first measurement to the last: that of the energy.
    measured_seconds: f64,
    /// What the agent itself used while it ran.
    pub(crate) agent_cpu_seconds: f64,
    /// Nothing if it was not measured.
    pub(crate) usage: Option<Usage>,
    pub(crate) energy: EnergySummary,
    /// From each mark to the next; empty without marks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    phases: Vec<Phase>,
    /// How many samples are where.
    pub(crate) samples: BTreeMap<String, u64>,
}

/// What a program and its descendants used; the same numbers that its samples add up to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Usage {
    pub(crate) cpu_user_seconds: f64,
    pub(crate) cpu_system_seconds: f64,
    /// How many CPUs the machine has.
    cpus: u64,
    counted_by: CountedBy,
    /// The most memory of one process.
    pub(crate) peak_memory_bytes: u64,
    peak_memory_of: PeakOf,
    /// What no process was larger than, where the peak itself is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_at_most_bytes: Option<u64>,
    /// The most memory of all processes at one instant, as far as it was seen.
    pub(crate) peak_memory_of_all_bytes: u64,
    storage_read_bytes: u64,
    storage_written_bytes: u64,
    /// Of network namespaces of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    network_received_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_sent_bytes: Option<u64>,
    minor_page_faults: u64,
    major_page_faults: u64,
    /// Of processes that have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    voluntary_context_switches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    involuntary_context_switches: Option<u64>,
    /// The processes that are still there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    still_running: Vec<String>,
    /// How long before the end it was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_measured_seconds: Option<f64>,
}

/// Who counts the CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CountedBy {
    /// The kernel, in a control group of the run.
    ControlGroup,
    /// The agent, which adds up the processes.
    Processes,
}

/// Whose memory was the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum PeakOf {
    /// That of the largest process of all, which the kernel tells at the end.
    LargestProcess,
    /// That of the program alone, when it was seen last.
    ProgramWhenLastSeen,
    /// All together, when it was read.
    AllWhenSeen,
}

/// A part of a run.
#[derive(Debug, Clone, Serialize)]
struct Phase {
    /// Nothing for what was before the first mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// RFC 3339.
    started: String,
    duration_seconds: f64,
    cpu_seconds: f64,
    /// Of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    joules: Option<f64>,
    /// Of the program, of all GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_joules: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_joules: Option<f64>,
}

/// What is known of energy.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EnergySummary {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) program: Option<Amount>,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    /// What the program, idle and all others had together.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine_joules: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_joules: Option<f64>,
    /// What the program used of each GPU, which is in none of the above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gpus: Vec<Domain>,
    /// Everything that is measured of the machine; one may contain another.
    domains: Vec<Domain>,
    /// Emissions of the program.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    carbon: Vec<Domain>,
}

/// An amount and how it is known.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Amount {
    pub(crate) joules: f64,
    #[serde(serialize_with = "name_of")]
    pub(crate) quality: Quality,
}

/// An amount of something with a name.
#[derive(Debug, Clone, Serialize)]
struct Domain {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    joules: Option<f64>,
    /// Of CO₂ and what warms as much.
    #[serde(skip_serializing_if = "Option::is_none")]
    grams: Option<f64>,
    #[serde(serialize_with = "name_of")]
    quality: Quality,
}

fn name_of<S: serde::Serializer>(quality: &Quality, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(quality.name())
}

impl Summary {
    /// Adds everything up. `why` is what plugins say of the energy of the program.
    pub(crate) fn of(
        subject: Subject,
        labels: BTreeMap<String, String>,
        times: Times,
        tree: Option<&MeasuredTree>,
        energy: &Energy,
        why: &str,
    ) -> Self {
        let end = subject.end.as_ref();
        let started = times.ended.saturating_sub(times.duration);
        let amounts = energy.take(tree);
        let energy = EnergySummary::of(&amounts.totals, why);
        Self {
            title: subject.title,
            command: subject.command,
            labels,
            exit_code: end.and_then(|end| end.status.code()),
            signal: end.and_then(|end| std::os::unix::process::ExitStatusExt::signal(&end.status)),
            started: started.to_string(),
            duration_seconds: times.duration.as_secs_f64(),
            measured_seconds: times.measured.as_secs_f64(),
            agent_cpu_seconds: times.agent.as_secs_f64(),
            usage: tree.map(|tree| Usage::of(tree, times, end)),
            phases: Phase::all(&amounts, &energy, started, times.ended),
            energy,
            samples: BTreeMap::new(),
        }
    }

    /// The exit code of the program, or 128 and the number of the signal that ended it, as shells have it; 0 if it was not
    /// waited for.
    pub(crate) fn exit_code_of_shell(&self) -> u8 {
        let code = self.exit_code.or_else(|| self.signal.map(|signal| 128 + signal));
        (code.unwrap_or(0) & 0xff) as u8
    }
}

impl Usage {
    fn of(tree: &MeasuredTree, times: Times, end: Option<&End>) -> Self {
        let usage = tree.usage();
        let seconds = |ns| Duration::from_nanos(ns).as_secs_f64();
        let (peak, peak_of, at_most) = match end {
            Some(end) if !end.is_hidden => (end.peak, PeakOf::LargestProcess, None),
            Some(end) => (tree.peak_of_root, PeakOf::ProgramWhenLastSeen, Some(end.peak)),
            None if tree.peak_of_root > 0 => (tree.peak_of_root, PeakOf::ProgramWhenLastSeen, None),
            None => (tree.peak, PeakOf::AllWhenSeen, None),
        };
        let switches = end.map(|_| tree.switches);
        let network = tree.network().map(|(_, bytes)| bytes);
        Self {
            cpu_user_seconds: seconds(usage.user_ns),
            cpu_system_seconds: seconds(usage.system_ns),
            cpus: tree.cpus,
            counted_by: match tree.has_group() {
                true => CountedBy::ControlGroup,
                false => CountedBy::Processes,
            },
            peak_memory_bytes: peak,
            peak_memory_of: peak_of,
            peak_memory_at_most_bytes: at_most,
            // All together were never less than one alone.
            peak_memory_of_all_bytes: tree.peak.max(peak),
            storage_read_bytes: usage.read_bytes,
            storage_written_bytes: usage.written_bytes,
            network_received_bytes: network.map(|bytes| bytes.received),
            network_sent_bytes: network.map(|bytes| bytes.sent),
            minor_page_faults: usage.minor_faults,
            major_page_faults: usage.major_faults,
            voluntary_context_switches: switches.map(|[voluntary, _]| voluntary),
            involuntary_context_switches: switches.map(|[_, involuntary]| involuntary),
            still_running: tree.others_alive(),
            not_measured_seconds: tree.missed(times.ended).map(|missed| missed.as_secs_f64()),
        }
    }
}

impl Phase {
    /// All phases of what lasted from `started` to `ended`.
    fn all(amounts: &Amounts, energy: &EnergySummary, started: Timestamp, ended: Timestamp) -> Vec<Self> {
        use Whose::{Idle, Others, Program};
        if amounts.phases.is_empty() {
            return Vec::new();
        }
        let named = amounts
            .phases
            .iter()
            .map(|(begins, name)| (*begins, Some(name.clone())));
        let begins: Vec<_> = [(started, None)].into_iter().chain(named).collect();
        let ends = begins[1..].iter().map(|(begins, _)| *begins).chain([ended]);
        let phases = begins
            .iter()
            .zip(ends)
            .enumerate()
            .map(|(at, ((begins, name), ends))| {
                let joules = |whose: &[Whose]| amounts.of_phase(at, Quantity::Energy, whose);
                Self {
                    name: name.clone(),
                    started: begins.to_string(),
                    duration_seconds: ends.checked_since(*begins).unwrap_or_default().as_secs_f64(),
                    cpu_seconds: amounts.of_phase(at, Quantity::CpuTime, &[Program]),
                    joules: energy.program.as_ref().map(|_| joules(&[Program])),
                    gpu_joules: (!energy.gpus.is_empty())
                        .then(|| amounts.of_phase(at, Quantity::GpuEnergy, &[Program])),
                    machine_joules: energy.machine_joules.map(|_| joules(&[Program, Idle, Others])),
                }
            });
        phases.collect()
    }
}

impl EnergySummary {
    fn of(totals: &[Total], why: &str) -> Self {
        let energy = || totals.iter().filter(|total| total.quantity == Quantity::Energy);
        let of = |wanted: Whose| {
            let amounts = energy().filter(|total| total.whose == wanted);
            amounts.map(Total::amount).sum::<f64>()
        };
        let joules = of(Whose::Program);
        let shared = joules + of(Whose::Idle) + of(Whose::Others);
        let why = why.lines().find(|line| line.starts_with(METRIC_PREFIX));
        let program = energy().find(|total| total.whose == Whose::Program);
        let (program, missing) = match (program, why) {
            (_, Some(why)) if joules == 0.0 && energy().next().is_some() => {
                (None, format!("not known; {why}"))
            }
            (Some(total), _) => {
                let quality = total.quality;
                (Some(Amount { joules, quality }), String::new())
            }
            (None, _) if energy().next().is_some() => (
                None,
                "not known: nothing shares that of the machine; enable energy-attribution".to_owned(),
            ),
            (None, _) => (
                None,
                "not measured: no plugin that provides it is enabled".to_owned(),
            ),
        };
        let named = |total: &Total| {
            let (joules, grams) = match total.quantity {
                Quantity::Energy | Quantity::GpuEnergy => (Some(total.amount()), None),
                Quantity::Carbon | Quantity::CpuTime => (None, Some(total.amount())),
            };
            Domain {
                name: total.what.clone(),
                joules,
                grams,
                quality: total.quality,
            }
        };
        let all_of = |whose: Whose, quantity: Option<Quantity>| {
            let totals = totals.iter().filter(move |total| {
                total.whose == whose && quantity.is_none_or(|quantity| total.quantity == quantity)
            });
            totals.map(named).collect()
        };
        Self {
            machine_joules: (shared > 0.0).then_some(shared),
            idle_joules: program.is_some().then(|| of(Whose::Idle)),
            program,
            gpus: all_of(Whose::Program, Some(Quantity::GpuEnergy)),
            missing: Some(missing).filter(|missing| !missing.is_empty()),
            domains: all_of(Whose::Machine, None),
            carbon: all_of(Whose::Program, Some(Quantity::Carbon)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::{Metric, MetricKind, Quality};
    use alumet_core::series::SeriesKey;
    use alumet_core::unit::Unit;
    use alumet_core::value::ValueType;
    use alumet_core::{AttributeValue, Catalog, Consumer, Resource};
    use parking_lot::Mutex;
    use std::sync::Arc;

    use super::*;

    /// A series: metric, quality, resource, consumer, attributes, and the amount that it has.
    type Row<'a> = (
        &'static str,
        Quality,
        Resource,
        Consumer,
        &'a [(&'static str, &'a str)],
        f64,
    );

    /// Totals of series that have the amounts.
    fn totals(series: &[Row<'_>]) -> Vec<Total> {
        let catalog = Catalog::new();
        let series = series
            .iter()
            .map(|(name, quality, resource, consumer, attributes, amount)| {
                let (metric, _) = catalog.admit_metric(Metric {
                    name: (*name).into(),
                    kind: MetricKind::Delta,
                    value_type: ValueType::F64,
                    unit: Unit::JOULE,
                    description: "".into(),
                    quality: *quality,
                });
                let attributes = attributes
                    .iter()
                    .map(|(key, value)| (*key, AttributeValue::from(*value)));
                let handle = catalog.register(SeriesKey {
                    metric,
                    resource: resource.clone(),
                    consumer: consumer.clone(),
                    attributes: attributes.collect(),
                });
                let mut total = Total::of(&catalog.describe(handle.id()).unwrap(), &[], 0.0)?;
                total.add(*amount, 0);
                Some(total)
            });
        let mut amounts = Amounts {
            totals: series.flatten().collect(),
            ..Amounts::default()
        };
        amounts.assign(|pid| pid < 10);
        Energy(Arc::new(Mutex::new(amounts))).take(None).totals
    }

    #[test]
    fn the_energy_of_a_program_is_told_with_its_part_of_the_machine_and_each_joule_once() {
        use Consumer::LocalMachine as Everybody;
        use Resource::LocalMachine as Machine;
        let program = Consumer::Process { pid: 7 };
        let package = |id| Resource::CpuPackage { id };
        let totals = totals(&[
            (
                "rapl_consumed_energy",
                Quality::Measured,
                package(0),
                Everybody,
                &[("domain", "package")],
                30.0,
            ),
            (
                "rapl_consumed_energy",
                Quality::Measured,
                package(1),
                Everybody,
                &[("domain", "package")],
                10.0,
            ),
            (
                "rapl_consumed_energy",
                Quality::Measured,
                Machine,
                Everybody,
                &[("domain", "package_total")],
                40.0,
            ),
            (
                "process_tree_energy",
                Quality::Modelled,
                Machine,
                program.clone(),
                &[],
                10.0,
            ),
            (
                "process_tree_energy",
                Quality::Modelled,
                Machine,
                Everybody,
                &[("part", "idle")],
                20.0,
            ),
            (
                "process_tree_energy",
                Quality::Modelled,
                Machine,
                Everybody,
                &[("part", "unattributed")],
                10.0,
            ),
            ("attributed_energy", Quality::Modelled, Machine, program, &[], 5.0),
        ]);
        let rows = EnergySummary::of(&totals, "").rows(4.0);
        let rows: Vec<_> = rows.iter().map(|[name, text]| (&**name, &**text)).collect();
        assert_eq!(
            rows,
            [
                (
                    "energy",
                    "10.0 J (2.50 W on average, modelled), 25 % of the machine's 40.0 J"
                ),
                ("idle", "20.0 J, 50 % of the machine's"),
                (
                    "machine: rapl consumed energy package_total",
                    "40.0 J (10.0 W on average, measured)"
                ),
            ]
        );
    }

    #[test]
    fn the_energy_of_each_gpu_is_that_of_all_processes_of_the_program() {
        let of = |gpu: &str, pid, amount| -> Row<'static> {
            let resource = Resource::Gpu { bus_id: gpu.into() };
            let (metric, consumer) = ("attributed_gpu_energy", Consumer::Process { pid });
            (metric, Quality::Modelled, resource, consumer, &[], amount)
        };
        let rest: &[_] = &[("part", "unattributed"), ("consumers", "process")];
        let (resource, machine) = (Resource::Gpu { bus_id: "a".into() }, Consumer::LocalMachine);
        let unattributed = (
            "attributed_gpu_energy",
            Quality::Modelled,
            resource,
            machine,
            rest,
            50.0,
        );
        // Processes up to 9 are of the program.
        let mut rows = vec![
            of("a", 7, 20.0),
            of("a", 8, 4.0),
            of("a", 11, 100.0),
            unattributed,
        ];
        let told = |rows: &[Row<'_>]| {
            let rows = EnergySummary::of(&totals(rows), "").rows(4.0);
            rows.into_iter()
                .filter(|[name, _]| name.starts_with("GPU"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(&rows),
            [["GPU energy", "24.0 J (6.00 W on average, modelled)"]]
        );
        rows.push(of("b", 7, 1.0));
        let names = told(&rows).into_iter().map(|[name, _]| name);
        assert!(names.eq(["GPU energy gpu:a", "GPU energy gpu:b"]));
        assert!(told(&rows[2..4]).is_empty());
    }

    #[test]
    fn what_is_missing_for_the_energy_of_a_program_is_told() {
        let text = |totals: &[Total]| EnergySummary::of(totals, "").rows(1.0)[0][1].clone();
        assert_eq!(text(&[]), "not measured: no plugin that provides it is enabled");
        let machine = Consumer::LocalMachine;
        let machine_only = totals(&[(
            "psu",
            Quality::Measured,
            Resource::LocalMachine,
            machine,
            &[],
            1.0,
        )]);
        assert!(text(&machine_only).contains("enable energy-attribution"));
        let (whole, machine) = (Resource::LocalMachine, Consumer::LocalMachine);
        let part: &[_] = &[("part", "unattributed")];
        let totals = totals(&[(
            "process_tree_energy",
            Quality::Modelled,
            whole,
            machine,
            part,
            1.0,
        )]);
        let why = "attributed_energy: half of it\nprocess_tree_energy: nobody has a result";
        let told = "not known; process_tree_energy: nobody has a result";
        assert_eq!(EnergySummary::of(&totals, why).rows(1.0), [["energy", told]]);
        // What shares energy is there, and has none to share: nobody is told to enable it.
        assert_eq!(
            EnergySummary::of(&machine_only, why).rows(1.0)[0],
            ["energy", told]
        );
    }
}
