//! Which series tell the energy of machines, so that no joule is told twice.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use alumet_core::metric::{Metric, MetricKind};
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};
use alumet_shared_query::{Identity, Label, Range, SeriesEntry};

use super::consumers::node;

/// What the values of a metric say of energy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reading {
    /// Joules since the sample before, times this factor.
    Delta(f64),
    /// Joules since some start, times this factor.
    Count(f64),
    /// Watts, times this factor.
    Power(f64),
}

impl Reading {
    /// Of a metric; `None` if it is about something else.
    pub(super) fn of(metric: &Metric) -> Option<Self> {
        // Names and units of NVIDIA's Data Center GPU Manager (DCGM), whose series say nothing of their unit.
        match &*metric.name {
            "DCGM_FI_DEV_POWER_USAGE" => return Some(Self::Power(1.0)),
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION" => return Some(Self::Count(1e-3)),
            _ => {}
        }
        let to = |unit| Unit::convert(1.0, &metric.unit, &unit);
        match metric.kind {
            MetricKind::Delta => to(Unit::JOULE).map(Self::Delta),
            MetricKind::Counter => to(Unit::JOULE).map(Self::Count),
            MetricKind::Gauge => to(Unit::WATT).map(Self::Power),
        }
    }
}

/// The parts of a machine that have joules, as bits.
mod part {
    pub(super) const CORES: u8 = 1;
    pub(super) const GRAPHICS: u8 = 1 << 1;
    pub(super) const UNCORE: u8 = 1 << 2;
    pub(super) const DRAM: u8 = 1 << 3;
    pub(super) const GPU: u8 = 1 << 4;
    pub(super) const DISK: u8 = 1 << 5;
    pub(super) const BOARD: u8 = 1 << 6;

    pub(super) const PACKAGE: u8 = CORES | GRAPHICS | UNCORE;
    pub(super) const SOCKET: u8 = PACKAGE | DRAM;
    pub(super) const ALL: u8 = u8::MAX;
}

use part::{ALL, BOARD, CORES, DISK, DRAM, GPU, GRAPHICS, PACKAGE, SOCKET};

/// What a series of a meter measures.
struct Meter {
    metric: &'static str,
    /// An attribute that it must have; the value ends in `*` if it is only the beginning.
    attribute: Option<(&'static str, &'static str)>,
    /// The parts of the machine whose joules it has.
    covers: u8,
}

const fn meter(metric: &'static str, attribute: Option<(&'static str, &'static str)>, covers: u8) -> Meter {
    Meter {
        metric,
        attribute,
        covers,
    }
}

/// All meters; of two that cover the same, the first is preferred. What each contains is said by the README of its plugin.
const METERS: &[Meter] = &[
    // The whole node, with fans and the losses of power supplies.
    meter("cray_pm_energy", Some(("domain", "node")), ALL),
    meter("redfish_energy", None, ALL),
    meter("input_energy", Some(("ina_channel_label", "VDD_IN")), ALL),
    meter("cray_pm_power", Some(("domain", "node")), ALL),
    meter("redfish_power", None, ALL),
    meter("ipmi_power", None, ALL),
    meter("wattmetre_power_watt", None, ALL),
    meter("bmc_node_power_watt", None, ALL),
    meter("hwmon_power", Some(("chip", "power_meter")), ALL),
    meter("input_power", Some(("ina_channel_label", "VDD_IN")), ALL),
    // Superchips. A `…_total` is the sum of what stands before it.
    meter(
        "grace_energy_consumption",
        Some(("sensor", "module")),
        SOCKET | GPU,
    ),
    meter(
        "grace_energy_consumption",
        Some(("sensor", "module_total")),
        SOCKET | GPU,
    ),
    meter("grace_energy_consumption", Some(("sensor", "grace")), SOCKET),
    meter(
        "grace_energy_consumption",
        Some(("sensor", "grace_total")),
        SOCKET,
    ),
    meter("grace_instant_power", Some(("sensor", "module")), SOCKET | GPU),
    meter(
        "grace_instant_power",
        Some(("sensor", "module_total")),
        SOCKET | GPU,
    ),
    meter("grace_instant_power", Some(("sensor", "grace")), SOCKET),
    meter("grace_instant_power", Some(("sensor", "grace_total")), SOCKET),
    // Processors. Of RAPL, `platform` contains all that RAPL tells; cards have a supply of their own.
    meter(
        "rapl_consumed_energy",
        Some(("domain", "platform")),
        SOCKET | BOARD,
    ),
    meter(
        "rapl_consumed_energy",
        Some(("domain", "platform_total")),
        SOCKET | BOARD,
    ),
    meter("rapl_consumed_energy", Some(("domain", "package")), PACKAGE),
    meter("rapl_consumed_energy", Some(("domain", "package_total")), PACKAGE),
    meter("rapl_consumed_energy", Some(("domain", "dram")), DRAM),
    meter("rapl_consumed_energy", Some(("domain", "dram_total")), DRAM),
    meter("rapl_consumed_energy", Some(("domain", "pp0")), CORES),
    meter("rapl_consumed_energy", Some(("domain", "pp0_total")), CORES),
    meter("rapl_consumed_energy", Some(("domain", "core")), CORES),
    meter("rapl_consumed_energy", Some(("domain", "pp1")), GRAPHICS),
    meter("rapl_consumed_energy", Some(("domain", "pp1_total")), GRAPHICS),
    meter("cray_pm_energy", Some(("domain", "cpu")), PACKAGE),
    meter("cray_pm_energy", Some(("domain", "memory")), DRAM),
    meter("cray_pm_power", Some(("domain", "cpu")), PACKAGE),
    meter("cray_pm_power", Some(("domain", "memory")), DRAM),
    meter("estimated_consumed_energy", None, PACKAGE),
    // Cards, each for itself.
    meter("nvml_energy_consumption", None, GPU),
    meter("nvml_estimated_energy_consumption", None, GPU),
    meter("amd_gpu_energy_consumption", None, GPU),
    meter("intel_gpu_energy", Some(("domain", "card")), GPU),
    meter("intel_gpu_energy", Some(("domain", "package")), GPU),
    meter("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", None, GPU),
    meter("nvml_average_power", None, GPU),
    meter("nvml_instant_power", None, GPU),
    meter("amd_gpu_power_consumption", None, GPU),
    meter("intel_gpu_power", Some(("domain", "card")), GPU),
    meter("intel_gpu_power", Some(("domain", "package")), GPU),
    meter("DCGM_FI_DEV_POWER_USAGE", None, GPU),
    meter("cray_pm_energy", Some(("domain", "accel*")), GPU),
    meter("cray_pm_power", Some(("domain", "accel*")), GPU),
    meter("disk_power", None, DISK),
];

/// Meters of which several series on one node can be of the same joules, so that the largest counts.
const OVERLAPPING: [&str; 3] = ["redfish_energy", "redfish_power", "amd_gpu_power_consumption"];

/// A part of the range that a meter may miss and still be preferred.
const COVERED: f64 = 0.9;

/// Series that stand for each other: of one meter, on one node, and of cards on one card.
struct Candidate {
    /// The place in [`METERS`].
    place: usize,
    covers: u8,
    /// A card, where the meter is of one.
    card: Option<String>,
    /// For how long there are samples, in nanoseconds.
    span: i64,
    series: Vec<Arc<Identity>>,
}

/// What is to be added up.
pub(super) struct Counted {
    /// The series.
    pub(super) series: Arc<Identity>,
    /// Of all series with the same number, only the largest counts.
    pub(super) one_of: Option<usize>,
    covers: u8,
}

impl Counted {
    /// Whether its joules are none of those that were attributed: on each node to the users of cards, or of all else.
    pub(super) fn has_nothing_of(&self, attributed: &HashSet<(String, bool)>) -> bool {
        let node = node(&self.series);
        let has_cards = self.covers & GPU != 0;
        let has_others = self.covers & !GPU != 0;
        !(has_cards && attributed.contains(&(node.clone(), true))
            || has_others && attributed.contains(&(node, false)))
    }
}

/// What all known metrics are called.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = METERS.iter().map(|meter| meter.metric).collect();
    names.dedup();
    names
}

/// Of the series of machines, those that together have each joule once: the widest meters, and what is in none of these. Series
/// of consumers are passed over.
pub(super) fn choose(found: &[SeriesEntry], range: Range) -> Vec<Counted> {
    // By node, meter, card and metric.
    let mut candidates: BTreeMap<_, Candidate> = BTreeMap::new();
    for entry in found {
        let series = &entry.series;
        let Some((place, covers)) = place_of(series) else {
            continue;
        };
        let card = match &series.resource {
            resource @ Resource::Gpu { .. } if covers == GPU => Some(resource.id()),
            _ => None,
        };
        let candidate = candidates
            .entry((node(series), place, card.clone(), &*series.metric.name))
            .or_insert_with(|| Candidate {
                place,
                covers,
                card: card.map(Cow::into_owned),
                span: 0,
                series: Vec::new(),
            });
        let (first, last) = (entry.first_at.max(range.from), entry.last_at.min(range.until));
        candidate.span = candidate.span.max(last.saturating_sub(first));
        candidate.series.push(Arc::clone(series));
    }
    let mut nodes: BTreeMap<_, Vec<Candidate>> = BTreeMap::new();
    for ((node, ..), candidate) in candidates {
        nodes.entry(node).or_default().push(candidate);
    }
    let mut counted = Vec::new();
    let mut alternatives = 0;
    for candidates in nodes.into_values() {
        for candidate in of_node(candidates) {
            alternatives += 1;
            let metric = &candidate.series[0].metric.name;
            let overlap = candidate.place == METERS.len() || OVERLAPPING.contains(&plain_name(metric));
            let covers = candidate.covers;
            counted.extend(candidate.series.into_iter().map(|series| Counted {
                series,
                covers,
                one_of: overlap.then_some(alternatives),
            }));
        }
    }
    counted
}

/// Of the meters of one node, those that have nothing in common.
fn of_node(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let longest = candidates.iter().map(|one| one.span).max().unwrap_or(0);
    candidates.sort_by_key(|one| {
        // What began or ended within the range tells less than a narrower meter that has all of it.
        let is_short = (one.span as f64) < COVERED * longest as f64;
        let is_unknown = one.place == METERS.len();
        (is_unknown, is_short, Reverse(one.covers.count_ones()), one.place)
    });
    let (mut covered, mut cards) = (0, HashSet::new());
    candidates.retain(|one| {
        let is_new = match &one.card {
            Some(card) => covered & GPU == 0 && !cards.contains(card),
            None => covered & one.covers == 0 && (one.covers & GPU == 0 || cards.is_empty()),
        };
        if is_new {
            match &one.card {
                Some(card) => _ = cards.insert(card.clone()),
                None => covered |= one.covers,
            }
        }
        is_new
    });
    candidates
}

/// The place in [`METERS`] of a series of a machine, and what it covers. Energy that is not in the list comes last and counts for
/// everything: what it contains is not known.
fn place_of(series: &Identity) -> Option<(usize, u8)> {
    let reading = Reading::of(&series.metric)?;
    let has = |(key, wanted): (&'static str, &'static str)| {
        let text = series.label(&Label::from(key)).unwrap_or_default();
        match wanted.strip_suffix('*') {
            Some(beginning) => text.starts_with(beginning),
            None => text == wanted,
        }
    };
    let name = plain_name(&series.metric.name);
    let is_one = |meter: &Meter| meter.metric == name && meter.attribute.is_none_or(has);
    if matches!(series.resource, Resource::GpuPartition { .. }) {
        return None;
    }
    if let Some(place) = METERS.iter().position(is_one) {
        return Some((place, METERS[place].covers));
    }
    let is_listed = METERS.iter().any(|meter| meter.metric == name);
    let is_of_machine = series.consumer == Consumer::LocalMachine && series.attributes.get("part").is_none();
    let is_unknown = !is_listed && is_of_machine && matches!(reading, Reading::Delta(_) | Reading::Count(_));
    is_unknown.then_some((METERS.len(), ALL))
}

/// The name of the metric before the transform `aggregation` changed it to that of a sum or mean.
fn plain_name(name: &str) -> &str {
    let plain = name.strip_suffix("_sum").or_else(|| name.strip_suffix("_mean"));
    plain.unwrap_or(name)
}
