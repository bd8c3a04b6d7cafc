//! The transform: adds up what the processes of a control group used.

use alumet_core::series::{SeriesHandle, SeriesId};
use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::value::Value;
use alumet_core::{Batch, Catalog, Consumer, Failure, SeriesMap, Timestamp};
use alumet_reader_procfs::ReadError;
use alumet_shared_metric_names::Selection;
use indexmap::IndexMap;

use crate::config::Config;
use crate::model::sum;
use alumet_shared_cgroup_source::membership::{Member, Memberships};

/// Gives the control group of a process the samples that the process has.
#[derive(Debug)]
pub(crate) struct Bridge {
    selection: Selection,
    merges: bool,
    keeps: bool,
    memberships: Memberships,
    /// `None` for a series that passes.
    series: SeriesMap<Option<Bridged>>,
    /// What groups get of the batch in hand.
    sums: IndexMap<(SeriesId, Timestamp), (SeriesHandle, Value)>,
    /// How many series of processes have no group.
    unknown: u64,
    /// How many batches came from other nodes.
    foreign: u64,
}

/// A series of a process.
#[derive(Debug)]
struct Bridged {
    member: Member,
    /// The same series of its group.
    group: SeriesHandle,
}

impl Bridge {
    pub(crate) fn new(config: &Config, selection: Selection, memberships: Memberships) -> Self {
        Self {
            selection,
            merges: config.merge_similar_cgroups,
            keeps: config.keep_processed_measurements,
            memberships,
            series: SeriesMap::new(),
            sums: IndexMap::new(),
            unknown: 0,
            foreign: 0,
        }
    }
}

/// The attributes by which sources tell processes of one group from each other.
const OF_PROCESSES: [&str; 4] = ["name", "cmdline", "process_name", "cgroup"];

/// What becomes of a series.
fn plan(
    id: SeriesId,
    selection: &Selection,
    memberships: &mut Memberships,
    unknown: &mut u64,
    catalog: &Catalog,
) -> Result<Option<Bridged>, ReadError> {
    let Some(info) = catalog.describe(id) else {
        return Ok(None);
    };
    let key = &info.key;
    let Consumer::Process { pid } = key.consumer else {
        return Ok(None);
    };
    if !selection.contains(&info) {
        return Ok(None);
    }
    let Some(member) = memberships.take(pid)? else {
        if *unknown == 0 {
            tracing::warn!(
                pid,
                "a process had ended before its control group was known, or the group cannot be seen from here: its samples stay \
                 those of the process; others may be concerned as well"
            );
        }
        *unknown += 1;
        return Ok(None);
    };
    let mut key = key.clone();
    key.consumer = Consumer::ControlGroup {
        path: member.group.clone(),
    };
    let of_all = key.attributes.iter();
    let of_all = of_all.filter(|(key, _)| !OF_PROCESSES.contains(&&***key));
    key.attributes = of_all.map(|(key, value)| (key.clone(), value.clone())).collect();
    let group = catalog.register(key);
    Ok(Some(Bridged { member, group }))
}

impl Transform for Bridge {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        if self.selection.is_empty() {
            return Ok(());
        }
        if batch.origin().is_some() {
            if self.foreign == 0 {
                tracing::info!(
                    "samples of other nodes are left as they are: their processes are not on this machine"
                );
            }
            self.foreign += 1;
            return Ok(());
        }
        let Self {
            selection,
            merges,
            keeps,
            memberships,
            series,
            sums,
            unknown,
            ..
        } = self;
        let mut single = context.catalog.batch();
        batch.retain(|sample| {
            let bridged = series.get_or_try_insert_with(sample.series, || {
                plan(sample.series, selection, memberships, unknown, context.catalog)
            });
            let bridged = match bridged {
                Ok(Some(bridged)) => bridged,
                Ok(None) => return true,
                Err(error) => {
                    tracing::debug!(%error, "a control group could not be read this time");
                    return true;
                }
            };
            let (group, value) = (&bridged.group, sample.value());
            if *merges {
                let place = sums.entry((group.id(), sample.timestamp));
                place
                    .and_modify(|(_, total)| *total = sum(*total, value))
                    .or_insert_with(|| (group.clone(), value));
            } else {
                // The series of the group has the type of that of the process.
                let _ = single.push_value(group, sample.timestamp, value);
            }
            *keeps
        });
        for ((_, timestamp), (group, value)) in sums.drain(..) {
            let _ = batch.push_value(&group, timestamp, value);
        }
        batch.extend(single.samples());
        Ok(())
    }

    /// It keeps nothing back, but hears only so of series that are gone.
    fn waits(&self) -> bool {
        true
    }

    fn wake_at(&self) -> Option<Monotonic> {
        self.selection.check_at()
    }

    fn tick(&mut self, _: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.selection.check(context.catalog, context.now.monotonic);
        Ok(())
    }

    fn retired(&mut self, series: SeriesId) {
        if let Some(Some(bridged)) = self.series.remove(series) {
            self.memberships.give_back(&bridged.member);
        }
    }

    fn finish(&mut self, _: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        if self.unknown > 0 || self.foreign > 0 {
            tracing::info!(
                series = self.unknown,
                batches = self.foreign,
                "so many series of processes had no control group, and so many batches came from other nodes"
            );
        }
        Ok(())
    }

    fn reset(&mut self) {
        for (_, bridged) in self.series.iter() {
            if let Some(bridged) = bridged {
                self.memberships.give_back(&bridged.member);
            }
        }
        self.series.clear();
        self.sums.clear();
    }
}
