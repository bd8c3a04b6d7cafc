//! What a scrape shows: the value of each series, which samples change.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::metric::{Metric, MetricKind};
use alumet_core::output::{Delivery, Receipt};
use alumet_core::series::{SeriesId, SeriesInfo};
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Sample, SeriesMap, Timestamp, Value, ValueType};
use alumet_shared_prometheus_names::{FamilyName, Naming, Number, Scale, can_count, help};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::config::Config;
use crate::labels::{Labels, labels};
use crate::top::{Fold, Rests};

/// All families with their series.
#[derive(Debug)]
pub struct Store {
    pub(crate) config: Config,
    naming: Naming,
    catalog: Catalog,
    places: SeriesMap<Place>,
    pub(crate) families: Vec<Family>,
    /// Sorted, because both formats want each family in one piece.
    pub(crate) by_name: BTreeMap<String, u32>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
    stamps: u64,
    /// How many series there are.
    pub(crate) count: usize,
    /// How many were not, because of the limit.
    pub(crate) left_out: u64,
    /// When room was made last.
    swept: Monotonic,
    /// How long the last exposition was.
    pub(crate) last_len: usize,
}

/// Where a series of the catalog has its value, as long as the stamp is the same there.
#[derive(Debug, Clone, Copy)]
struct Place {
    stamp: u64,
    family: u32,
    cell: u32,
    /// The last value of a counter.
    last: Option<Value>,
}

/// The series of one name.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: FamilyName,
    pub(crate) is_counter: bool,
    pub(crate) help: String,
    pub(crate) cells: Vec<Cell>,
    free: Vec<u32>,
    by_labels: HashTable<u32>,
    /// The sums of consumers that are not exposed by themselves.
    pub(crate) rests: Rests,
}

/// A series as it is exposed.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Another one for each series that is ever exposed; 0 where there is none.
    stamp: u64,
    pub(crate) labels: Labels,
    /// What it is made of.
    pub(crate) what: What,
    pub(crate) number: Number,
    /// When it began to count; unknown for what has counted before.
    pub(crate) created: Option<Timestamp>,
    /// The series that had the last sample.
    owner: SeriesId,
    /// How many series of the catalog are added up in it.
    members: u32,
    /// When a sample came last.
    updated: Monotonic,
    /// Who has seen it since its consumer or resource is gone.
    ended_for: Vec<IpAddr>,
    pub(crate) fold: Option<Box<Fold>>,
}

/// What values can be mixed with each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct What {
    pub(crate) kind: MetricKind,
    pub(crate) value_type: ValueType,
    pub(crate) scale: Scale,
}

const UNKNOWN: &str = "nobody knows its series";
const NO_COUNT: &str = "a counter cannot be negative, infinite or NaN";
const NAME_TAKEN: &str = "metrics of other kinds have its name; give it another one";
const LABELS_TAKEN: &str =
    "another series of the same name has the same labels; see `add_attributes_to_labels`";
const FULL: &str = "there are as many series as `limit` allows";

impl Store {
    /// How often room is made when there is none.
    const SWEEP_EVERY: Duration = Duration::from_secs(10);

    /// A store without series, for those of `catalog`.
    pub fn new(config: &Config, catalog: Catalog) -> Self {
        Self {
            config: config.clone(),
            naming: config.naming(),
            catalog,
            places: SeriesMap::new(),
            families: Vec::new(),
            by_name: BTreeMap::new(),
            free: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            stamps: 0,
            count: 0,
            left_out: 0,
            swept: Monotonic::default(),
            last_len: 0,
        }
    }

    /// Takes samples; the receipt says which not, and why.
    pub fn update(&mut self, delivery: &Delivery) -> Receipt {
        let mut receipt = Receipt::all();
        let now = delivery.now().monotonic;
        for (position, sample) in delivery.samples().enumerate() {
            if let Err(reason) = self.take(sample, now) {
                receipt.reject(position, reason);
            }
        }
        receipt
    }

    fn take(&mut self, sample: Sample, now: Monotonic) -> Result<(), &'static str> {
        let (id, value) = (sample.series, sample.value());
        let known = self.places.get(id).copied();
        let place = match known {
            Some(place) if self.cell(place).is_some() => place,
            _ => self.place(sample, known, now)?,
        };
        let cell = self.cell(place).ok_or(UNKNOWN)?;
        let number = Number::of(value);
        match cell.what.kind {
            MetricKind::Gauge if cell.owner != id => return Err(LABELS_TAKEN),
            MetricKind::Gauge => cell.number = number,
            _ if !can_count(value) => return Err(NO_COUNT),
            MetricKind::Delta => cell.number = cell.number.plus(number),
            MetricKind::Counter if cell.members == 1 => cell.number = number,
            MetricKind::Counter => {
                let more = place.last.map_or(number, |last| number.since(Number::of(last)));
                cell.number = cell.number.plus(more);
            }
        }
        cell.owner = id;
        cell.updated = now;
        cell.ended_for.clear();
        if cell.what.kind == MetricKind::Counter
            && let Some(place) = self.places.get_mut(id)
        {
            place.last = Some(value);
        }
        Ok(())
    }

    fn cell(&mut self, place: Place) -> Option<&mut Cell> {
        let cells = &mut self.families.get_mut(place.family as usize)?.cells;
        let cell = cells.get_mut(place.cell as usize)?;
        (cell.stamp == place.stamp && place.stamp != 0).then_some(cell)
    }

    /// Finds a place for a series that has none.
    fn place(&mut self, sample: Sample, known: Option<Place>, now: Monotonic) -> Result<Place, &'static str> {
        let id = sample.series;
        if self.count >= self.config.limit && now.since(self.swept) >= Self::SWEEP_EVERY {
            self.sweep(now, None);
        }
        let is_full = self.count >= self.config.limit;
        if is_full && known.is_some_and(|place| place.stamp == 0) {
            return Err(FULL);
        }
        let info = self.catalog.describe(id).ok_or(UNKNOWN)?;
        if info.metric.kind != MetricKind::Gauge && !can_count(sample.value()) {
            return Err(NO_COUNT);
        }
        let what = What {
            kind: info.metric.kind,
            value_type: info.metric.value_type,
            scale: self.naming.scale(&info.metric.unit),
        };
        let labels = labels(&info, &self.naming, &self.config, None);
        let hash = self.hasher.hash_one(&labels.text);
        let found = self.family(&info.metric, is_full)?;
        if let Some(index) = found {
            let family = &mut self.families[index as usize];
            let has_labels = |cell: &u32| family.cells[*cell as usize].labels.text == labels.text;
            if let Some(cell) = family.by_labels.find(hash, has_labels) {
                let place = (index, *cell);
                return self.join(place, sample, what);
            }
        }
        let (Some(index), false) = (found, is_full) else {
            // So that it is counted once.
            let nowhere = Place {
                stamp: 0,
                family: 0,
                cell: 0,
                last: None,
            };
            self.places.insert(id, nowhere);
            self.left_out += 1;
            return Err(FULL);
        };
        let fold = self.fold(index, &info, what);
        self.stamps += 1;
        self.count += 1;
        let number = Number::of(sample.value()).zero();
        let cell = Cell {
            stamp: self.stamps,
            labels,
            what,
            number,
            created: (what.kind == MetricKind::Delta).then_some(sample.timestamp),
            owner: id,
            members: 1,
            updated: now,
            ended_for: Vec::new(),
            fold,
        };
        let (family, hasher) = (&mut self.families[index as usize], &self.hasher);
        let slot = family.free.pop().unwrap_or(family.cells.len() as u32);
        match family.cells.get_mut(slot as usize) {
            Some(free) => *free = cell,
            None => family.cells.push(cell),
        }
        let cells = &family.cells;
        let hash_of = |cell: &u32| hasher.hash_one(&cells[*cell as usize].labels.text);
        family.by_labels.insert_unique(hash, slot, hash_of);
        Ok(self.put(id, (index, slot)))
    }

    /// Notes that a series has its value in this cell.
    fn put(&mut self, id: SeriesId, (family, cell): (u32, u32)) -> Place {
        let stamp = self.families[family as usize].cells[cell as usize].stamp;
        let place = Place {
            stamp,
            family,
            cell,
            last: None,
        };
        self.places.insert(id, place);
        place
    }

    /// A series has the labels of one that is exposed: it takes its place if that is gone, and is added to a counter.
    fn join(
        &mut self,
        (family, cell): (u32, u32),
        sample: Sample,
        what: What,
    ) -> Result<Place, &'static str> {
        let joined = &mut self.families[family as usize].cells[cell as usize];
        let id = sample.series;
        let is_alone = joined.members == 1 && (joined.owner == id || !self.catalog.is_live(joined.owner));
        match (is_alone, joined.what == what) {
            (true, true) => {}
            // The same in another unit or type.
            (true, false) => {
                joined.what = what;
                joined.number = Number::of(sample.value()).zero();
                joined.created = (what.kind == MetricKind::Delta).then_some(sample.timestamp);
                joined.fold = None;
            }
            (false, true) if what.kind != MetricKind::Gauge => joined.members += 1,
            (false, _) => return Err(LABELS_TAKEN),
        }
        joined.owner = id;
        Ok(self.put(id, (family, cell)))
    }

    /// The family of a metric; none if it would be a new one and there is no room for another series.
    fn family(&mut self, metric: &Metric, is_full: bool) -> Result<Option<u32>, &'static str> {
        let is_counter = metric.kind != MetricKind::Gauge;
        for told_apart in [false, true] {
            let name = self.naming.family(metric, told_apart);
            match self.by_name.get(&name.name.name) {
                Some(index) if self.families[*index as usize].is_counter == is_counter => {
                    return Ok(Some(*index));
                }
                Some(_) => {}
                None if is_full => return Ok(None),
                None => {
                    let index = self.free.pop().unwrap_or(self.families.len() as u32);
                    self.by_name.insert(name.name.name.clone(), index);
                    let family = Family {
                        name,
                        is_counter,
                        help: help(metric),
                        cells: Vec::new(),
                        free: Vec::new(),
                        by_labels: HashTable::new(),
                        rests: Rests::default(),
                    };
                    match self.families.get_mut(index as usize) {
                        Some(free) => *free = family,
                        None => self.families.push(family),
                    }
                    return Ok(Some(index));
                }
            }
        }
        Err(NAME_TAKEN)
    }

    /// How a new series is counted when its consumer is not exposed by itself.
    fn fold(&mut self, family: u32, info: &SeriesInfo, what: What) -> Option<Box<Fold>> {
        let top = self.config.top.as_ref()?;
        if *info.consumer() == Consumer::LocalMachine {
            return None;
        }
        let labels = labels(info, &self.naming, &self.config, Some(&top.without));
        let rest = self.families[family as usize].rests.find(labels, what);
        let is_ranked = *info.metric.name == *top.metric;
        Some(Box::new(Fold::new(info.consumer(), rest, is_ranked)))
    }

    /// Forgets series without new samples, and those that have ended and that this scraper has seen since; then families without
    /// any.
    pub(crate) fn sweep(&mut self, now: Monotonic, scraper: Option<IpAddr>) {
        self.swept = now;
        let Self { families, hasher, .. } = self;
        let stale_after = *self.config.stale_after;
        for family in families {
            for index in 0..family.cells.len() {
                let cell = &mut family.cells[index];
                if cell.stamp == 0 {
                    continue;
                }
                let is_over = now.since(cell.updated) > stale_after
                    || scraper.is_some_and(|scraper| {
                        let has_ended = cell.members == 1 && !self.catalog.is_live(cell.owner);
                        let has_seen = has_ended && cell.ended_for.contains(&scraper);
                        if has_ended && !has_seen {
                            cell.ended_for.push(scraper);
                        }
                        has_seen
                    });
                if !is_over {
                    continue;
                }
                let hash = hasher.hash_one(&cell.labels.text);
                cell.stamp = 0;
                cell.labels = Labels::default();
                cell.ended_for = Vec::new();
                cell.fold = None;
                if let Ok(entry) = family.by_labels.find_entry(hash, |cell| *cell as usize == index) {
                    entry.remove();
                }
                family.free.push(index as u32);
                self.count -= 1;
            }
        }
        let (families, free) = (&mut self.families, &mut self.free);
        self.by_name.retain(|_, index| {
            let family = &mut families[*index as usize];
            let is_used = !family.by_labels.is_empty();
            if !is_used {
                (family.cells, family.free) = (Vec::new(), Vec::new());
                free.push(*index);
            }
            is_used
        });
    }
}

impl Cell {
    /// Whether it has a series.
    pub(crate) const fn is_used(&self) -> bool {
        self.stamp != 0
    }
}
