//! The samples of what is measured.

use alumet_core::catalog::Catalog;
use alumet_core::metric::MetricDef;
use alumet_core::pipeline::mark;
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::net_namespace::NetworkBytes;
use alumet_reader_procfs::process::TreeUsage;

use super::{MeasuredTree, SharedTree};

/// What the names of all metrics of the tree begin with, and those that are computed from them.
pub(crate) const METRIC_PREFIX: &str = "process_tree_";

/// What processes used of the energy of GPUs, by the model of `energy-attribution`.
pub(crate) const GPU_ENERGY: &str = "attributed_gpu_energy";

alumet_core::metrics! {
    pub(crate) CPU_TIME = Delta<u64> {
        name: "process_tree_cpu_time",
        unit: Unit::SECOND.nano(),
        description: "CPU time of what `exec` or `watch` measures: a program with all its descendants, an application or a \
                      control group. Of children that have ended while their parent lives it has the resolution of a tick, \
                      10 ms, unless the program has a control group of its own.",
        resources: ["local_machine"], consumers: ["process", "app", "cgroup"], attributes: ["kind=user|system"],
    };
    pub(crate) MEMORY = Gauge<u64> {
        name: "process_tree_memory",
        unit: Unit::BYTE,
        description: "Memory of the same that is in RAM. What processes share counts for each; that of a control group contains \
                      the files that it keeps in memory.",
        resources: ["local_machine"], consumers: ["process", "app", "cgroup"], attributes: [],
    };
    pub(crate) IO_BYTES = Delta<u64> {
        name: "process_tree_io_bytes",
        unit: Unit::BYTE,
        description: "Data that the same caused to be fetched from or sent to storage, each byte once.",
        resources: ["local_machine"], consumers: ["process", "app", "cgroup"], attributes: ["direction=read|write"],
    };
    pub(crate) PAGE_FAULTS = Delta<u64> {
        name: "process_tree_page_faults",
        unit: Unit::ONE,
        description: "Page faults of the same, but for control groups: `major` ones had to wait for storage.",
        resources: ["local_machine"], consumers: ["process", "app"], attributes: ["kind=minor|major"],
    };
    pub(crate) NETWORK_BYTES = Delta<u64> {
        name: "process_tree_network_bytes",
        unit: Unit::BYTE,
        description: "Data that the same received or sent by the interfaces of its network namespaces, but for loopback; only of \
                      namespaces that are neither those of the agent nor of the machine, and from their first sight.",
        resources: ["local_machine"], consumers: ["process", "app", "cgroup"], attributes: ["direction=rx|tx"],
    };
}

/// Makes the samples of the tree, while there is one.
#[derive(Default)]
pub(crate) struct TreeSource {
    tree: SharedTree,
    series: Option<TreeSeries>,
    network: NetworkSeries,
    /// Whether the series begin anew after a gap.
    is_resumed: bool,
    pushed: TreeUsage,
    /// Whether it was told already what was used until the end.
    is_over: bool,
    has_declared_phases: bool,
}

struct TreeSeries {
    /// User and kernel mode, reads and writes, minor and major page faults.
    deltas: [Series<u64>; 6],
    memory: Series<u64>,
}

/// Of the network, as soon as there is one that is its own.
#[derive(Default)]
struct NetworkSeries {
    /// Received and sent.
    deltas: Option<[Series<u64>; 2]>,
    pushed: NetworkBytes,
}

impl TreeSource {
    pub(crate) fn new(tree: SharedTree) -> Self {
        Self {
            tree,
            ..Self::default()
        }
    }
}

impl Source for TreeSource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        // Outputs make room for the attribute of phases before the first of them begins.
        if !std::mem::replace(&mut self.has_declared_phases, true) {
            out.catalog().metric(&mark::PHASE).map_err(Failure::end)?;
        }
        let mut tree = self.tree.lock();
        let Some(tree) = &mut *tree else {
            return Ok(());
        };
        let now = out.tick().timestamp;
        let usage = tree.read(now);
        let series = match &mut self.series {
            Some(series) => series,
            none => {
                let series = none.insert(TreeSeries::register(out.catalog(), &tree.consumer())?);
                let begins = if self.is_resumed { now } else { tree.since };
                series
                    .deltas
                    .iter()
                    .for_each(|delta| out.push_at(delta, begins, 0));
                series
            }
        };
        let used = usage.since(std::mem::replace(&mut self.pushed, usage));
        // Only what nobody could know at the end comes after it.
        let was_over = std::mem::replace(&mut self.is_over, !tree.is_alive());
        self.network.push(tree, self.is_resumed, was_over, out)?;
        if was_over && used == TreeUsage::default() {
            return Ok(());
        }
        if !std::mem::take(&mut self.is_resumed) {
            let amounts = [
                used.user_ns,
                used.system_ns,
                used.read_bytes,
                used.written_bytes,
                used.minor_faults,
                used.major_faults,
            ];
            for (delta, amount) in series.deltas.iter().zip(amounts) {
                out.push(delta, amount);
            }
        }
        if tree.is_alive() {
            out.push(&series.memory, tree.resident);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.is_resumed |= self.series.take().is_some();
        self.network.deltas = None;
    }
}

impl TreeSeries {
    fn register(catalog: &Catalog, consumer: &Consumer) -> Result<Self, Failure> {
        let series = |metric, attribute| register(catalog, consumer, metric, attribute);
        Ok(Self {
            deltas: [
                series(&CPU_TIME, Some(("kind", "user")))?,
                series(&CPU_TIME, Some(("kind", "system")))?,
                series(&IO_BYTES, Some(("direction", "read")))?,
                series(&IO_BYTES, Some(("direction", "write")))?,
                series(&PAGE_FAULTS, Some(("kind", "minor")))?,
                series(&PAGE_FAULTS, Some(("kind", "major")))?,
            ],
            memory: series(&MEMORY, None)?,
        })
    }
}

impl NetworkSeries {
    /// Pushes what went through it since the last time.
    fn push(
        &mut self,
        tree: &MeasuredTree,
        is_resumed: bool,
        was_over: bool,
        out: &mut Accumulator<'_>,
    ) -> Result<(), Failure> {
        let Some((since, bytes)) = tree.network() else {
            return Ok(());
        };
        let last = std::mem::replace(&mut self.pushed, bytes);
        let used = [bytes.received - last.received, bytes.sent - last.sent];
        let now = out.tick().timestamp;
        let begins = if is_resumed { now } else { since };
        let (deltas, is_new) = match &mut self.deltas {
            Some(deltas) => (deltas, false),
            none => {
                let consumer = tree.consumer();
                let series =
                    |way| register(out.catalog(), &consumer, &NETWORK_BYTES, Some(("direction", way)));
                (none.insert([series("rx")?, series("tx")?]), true)
            }
        };
        if is_new {
            deltas.iter().for_each(|delta| out.push_at(delta, begins, 0));
        }
        if !(is_new && begins == now || was_over && used == [0, 0]) {
            for (delta, amount) in deltas.iter().zip(used) {
                out.push(delta, amount);
            }
        }
        Ok(())
    }
}

fn register(
    catalog: &Catalog,
    consumer: &Consumer,
    metric: &MetricDef<u64>,
    attribute: Option<(&'static str, &'static str)>,
) -> Result<Series<u64>, Failure> {
    let metric = catalog.metric(metric).map_err(Failure::end)?;
    let series = catalog.series(metric, Resource::LocalMachine, consumer.clone());
    Ok(match attribute {
        Some((key, value)) => series.attribute(key, value).register(),
        None => series.register(),
    })
}
