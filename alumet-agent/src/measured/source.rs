//! The samples of what is measured.

use alumet_core::catalog::Catalog;
use alumet_core::pipeline::mark;
use alumet_core::source::{Accumulator, Source};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::process::TreeUsage;

use super::SharedTree;

/// What the names of all metrics of the tree begin with, and those that are computed from them.
pub(crate) const METRIC_PREFIX: &str = "process_tree_";

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
}

/// Makes the samples of the tree, while there is one.
#[derive(Default)]
pub(crate) struct TreeSource {
    tree: SharedTree,
    series: Option<TreeSeries>,
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
        if std::mem::replace(&mut self.is_over, !tree.is_alive()) && used == TreeUsage::default() {
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
    }
}

impl TreeSeries {
    fn register(catalog: &Catalog, consumer: &Consumer) -> Result<Self, Failure> {
        let series = |metric, attribute: Option<(&'static str, &'static str)>| {
            let metric = catalog.metric(metric).map_err(Failure::end)?;
            let series = catalog.series(metric, Resource::LocalMachine, consumer.clone());
            Ok::<_, Failure>(match attribute {
                Some((key, value)) => series.attribute(key, value).register(),
                None => series.register(),
            })
        };
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
