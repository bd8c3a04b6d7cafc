//! Which series tell whose energy it was, so that no joule is told twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use alumet_core::{Consumer, Resource};
use alumet_shared_query::{Identity, SeriesEntry};

use super::joules::Joules;
use super::meters::Reading;

/// Metrics that attribute the same energy, the preferred first; others come after the first two, by their name.
const PREFERRED: [&str; 2] = ["attributed_energy", "attributed_gpu_energy"];
/// Of a program and its descendants, who have the same energy as processes.
const LAST: &str = "process_tree_energy";

/// Processes are another view of the joules of control groups.
const PROCESS: &str = "process";

/// Whether a series is energy of somebody, or of nobody: one of the parts `idle` and `unattributed`.
pub(super) fn is_of_consumer(series: &Identity) -> bool {
    let is_energy = matches!(
        Reading::of(&series.metric),
        Some(Reading::Delta(_) | Reading::Count(_))
    );
    let is_somebody = match &series.consumer {
        Consumer::LocalMachine => part(series).is_some(),
        // Meters of a whole machine that the plugin `kwollect-input` asks for.
        consumer => consumer.kind() != "device_origin",
    };
    is_energy && is_somebody
}

/// The part of nobody that it is.
fn part(series: &Identity) -> Option<String> {
    Some(series.label(&"part".into())?.into_owned())
}

/// Whether it is of a consumer that can have several processes.
fn is_group(series: &Identity) -> bool {
    part(series).is_none() && series.consumer.kind() != PROCESS
}

/// The nodes on which such consumers are told of: of cards, or of all else.
pub(super) fn nodes_with_groups(found: &[SeriesEntry], is_gpu: bool) -> BTreeSet<String> {
    let series = found.iter().map(|entry| &entry.series);
    let groups = series.filter(|series| is_of_consumer(series) && is_group(series));
    let places = groups.map(|series| place_of(series));
    places
        .filter_map(|(node, of_gpu)| (of_gpu == is_gpu).then_some(node))
        .collect()
}

/// The node of a series, empty if it has none.
pub(super) fn node(series: &Identity) -> String {
    series.label(&"node".into()).unwrap_or_default().into_owned()
}

/// What is an alternative to each other: on one node, energy of cards and all other.
pub(super) fn place_of(series: &Identity) -> (String, bool) {
    let is_gpu = matches!(
        series.resource,
        Resource::Gpu { .. } | Resource::GpuPartition { .. }
    );
    (node(series), is_gpu)
}

/// Of the series of consumers, those that are one metric and one view of each node: control groups, pods and jobs, or processes
/// where there are no others; with what was nobody's.
pub(super) fn choose(found: &[SeriesEntry]) -> Vec<Arc<Identity>> {
    let all = || {
        found
            .iter()
            .map(|entry| &entry.series)
            .filter(|series| is_of_consumer(series))
    };
    let mut metrics: BTreeMap<(String, bool), BTreeSet<(usize, &str)>> = BTreeMap::new();
    for series in all() {
        let name = &*series.metric.name;
        let rank = PREFERRED.iter().position(|preferred| *preferred == name);
        let rank = rank.unwrap_or(PREFERRED.len() + usize::from(name == LAST));
        metrics.entry(place_of(series)).or_default().insert((rank, name));
    }
    let counts = |series: &Identity| {
        let best = metrics.get(&place_of(series)).and_then(BTreeSet::first);
        best.is_some_and(|(_, name)| *name == series.metric.name)
    };
    let mut groups = BTreeSet::new();
    for series in all().filter(|series| counts(series) && is_group(series)) {
        groups.insert(place_of(series));
    }
    let is_in_view = |series: &Identity| {
        let is_of_groups = groups.contains(&place_of(series));
        match (part(series), series.label(&"consumers".into())) {
            // What no process used is more than what no group used.
            (Some(_), Some(consumers)) => (consumers != PROCESS) == is_of_groups,
            (Some(_), None) => true,
            (None, _) => (series.consumer.kind() != PROCESS) == is_of_groups,
        }
    };
    let chosen = all().filter(|series| counts(series) && is_in_view(series));
    chosen.cloned().collect()
}

/// Leaves to each control group what it has besides the groups below it that are there, too, so that they add up. A group has at
/// least what those below it have.
pub(super) fn leave_to_each_its_own(all: &mut [Joules]) {
    let mut trees: BTreeMap<Vec<String>, HashMap<Arc<str>, Vec<usize>>> = BTreeMap::new();
    for (index, joules) in all.iter().enumerate() {
        if let Consumer::ControlGroup { path } = &joules.series.consumer {
            let labels = ["node", "metric", "resource_kind", "resource_id", "domain"].into_iter();
            let tree = labels.map(|label| {
                joules
                    .series
                    .label(&label.into())
                    .unwrap_or_default()
                    .into_owned()
            });
            let groups = trees.entry(tree.collect()).or_default();
            groups.entry(Arc::clone(path)).or_default().push(index);
        }
    }
    for groups in trees.into_values() {
        let mut paths: Vec<_> = groups.keys().cloned().collect();
        // Those below first.
        paths.sort_by(|one, other| other.cmp(one));
        let mut below: HashMap<Arc<str>, BTreeMap<i64, f64>> = HashMap::new();
        for path in paths {
            let mut whole = below.remove(&path).unwrap_or_default();
            let mut of_those_below = whole.clone();
            for index in &groups[&path] {
                for (at, value) in &mut all[*index].points {
                    let left = of_those_below.entry(*at).or_default();
                    let theirs = value.min(*left);
                    *left -= theirs;
                    *value -= theirs;
                    *whole.entry(*at).or_default() += *value;
                }
            }
            if let Some(above) = parent(&path, &groups) {
                let above = below.entry(above).or_default();
                for (at, value) in whole {
                    *above.entry(at).or_default() += value;
                }
            }
        }
    }
}

/// The nearest group above that is there.
fn parent(path: &str, groups: &HashMap<Arc<str>, Vec<usize>>) -> Option<Arc<str>> {
    let mut above = path.trim_end_matches('/');
    while let Some((shorter, _)) = above.rsplit_once('/') {
        let found = groups.get_key_value(if shorter.is_empty() { "/" } else { shorter });
        if let Some((path, _)) = found.filter(|(found, _)| &***found != path) {
            return Some(Arc::clone(path));
        }
        above = shorter;
    }
    None
}
