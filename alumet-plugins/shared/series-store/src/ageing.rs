//! Three months in which series come and go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::series::{SeriesHandle, SeriesKey};
use alumet_core::testkit::ManualClock;
use alumet_core::{Attributes, Catalog, Consumer, Resource, Timestamp};
use alumet_shared_query::{Backend, Budget, Limits, Range, Selector, Steps};
use alumet_shared_sqlite_file::testkit::{Watched, folder};

use crate::config::StoreConfig;
use crate::keeper::Keeper;
use crate::rig::energy;
use crate::rows::{DAY, HOUR, Resolution, SECOND};
use crate::run::Dropped;
use crate::store::{SeriesStore, Shared};

const DAYS: i64 = 90;
/// Twice a day, so many series come; they go after half a day more.
const EACH: u32 = 12;
const START: i64 = 600 * 30 * DAY;

fn series(catalog: &Catalog, number: u32) -> SeriesHandle {
    catalog.register(SeriesKey {
        metric: energy(catalog),
        resource: Resource::Gpu { bus_id: "0".into() },
        consumer: Consumer::Process { pid: number },
        attributes: Attributes::EMPTY.with("node", format!("node-{}", number / EACH)),
    })
}

/// What a store costs.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    file: u64,
    used: u64,
    series: i64,
}

/// Measures for three months; gives the highest costs of each.
fn live(config: StoreConfig) -> [Cost; 3] {
    let clock = ManualClock::new();
    clock.set_wall(Timestamp::from_nanos(START));
    let shared = Shared::open(config, Arc::new(clock.clone())).unwrap();
    let mut keeper = Keeper::open(&shared).unwrap();
    let store = SeriesStore { shared, keeper: None };
    let catalog = Catalog::new();
    let always = series(&catalog, u32::MAX);
    let mut come: VecDeque<Vec<SeriesHandle>> = VecDeque::new();
    let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
    let mut random = 1_u64;
    let mut costs = [Cost::default(); 3];
    for (round, at) in (0..).zip((START..START + DAYS * DAY).step_by(12 * HOUR as usize)) {
        clock.set_wall(Timestamp::from_nanos(at + HOUR));
        come.push_back(
            (0..EACH)
                .map(|index| series(&catalog, round * EACH + index))
                .collect(),
        );
        come.drain(..come.len().saturating_sub(2));
        let mut batch = catalog.batch();
        for handle in come.iter().flatten().chain([&always]) {
            for index in 0..20 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let value = random >> 40;
                batch.push_bits(handle, Timestamp::from_nanos(at + index * 100 * SECOND), value);
                *hours.entry(at).or_default() += value as f64;
            }
        }
        assert!(store.append(&catalog, batch.samples()).unwrap().is_empty());
        drop(batch);
        store.commit().unwrap();
        store.shared.sweep().unwrap();
        while keeper.step(&store.shared).unwrap() {}
        let known = store.shared.live.read().iter().count();
        assert!(known <= 3 * EACH as usize + 1, "{known} series are known");
        let cost = &mut costs[((at - START) / (DAYS / 3 * DAY)) as usize];
        let path = &store.shared.config.path;
        cost.file = cost.file.max(std::fs::metadata(path).unwrap().len());
        cost.used = cost.used.max(keeper.bytes().unwrap());
        let db = &store.shared.writer.lock().connection;
        let rows = db.query_row("SELECT count(*) FROM series", [], |row| row.get(0));
        cost.series = cost.series.max(rows.unwrap());
    }
    let dropped = Dropped::read(&store.shared.writer.lock().connection).unwrap();
    let from = dropped.before(Resolution::Hour).max(START);
    assert!(dropped.before(Resolution::Raw) > START, "something was dropped");
    let steps = Steps {
        start: from,
        step: HOUR,
        count: (DAYS * 24) as u64,
    };
    let budget = Budget::new(Limits::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let every = Selector::default();
    let found = runtime.block_on(store.buckets(&every, steps, &budget)).unwrap();
    let all = runtime
        .block_on(store.series(&every, Range::ALL, &budget))
        .unwrap();
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    for bucket in found.iter().flat_map(|one| &one.buckets) {
        *sums.entry(bucket.start).or_default() += bucket.sum;
    }
    hours.retain(|at, _| *at >= from);
    assert_eq!(sums, hours, "the energy of all that is kept");
    assert_eq!(all.len(), found.len(), "all series that are known have something");
    costs
}

#[test]
fn what_is_too_old_goes_and_neither_the_file_nor_the_list_of_series_grows() {
    let folder = folder().unwrap();
    let _quick = Watched::new(folder.path());
    let costs = live(StoreConfig {
        raw: Duration::from_secs(86_400),
        minute: Duration::from_secs(4 * 86_400),
        hour: Duration::from_secs(10 * 86_400),
        max_entries_per_gpu: Some(30),
        ..StoreConfig::at(folder.path().join("store.db"))
    });
    let [_, second, third] = costs;
    println!("{costs:?}");
    assert!(third.series <= second.series + i64::from(EACH), "{costs:?}");
    assert!(third.used <= second.used * 11 / 10, "{costs:?}");
    assert!(third.file <= second.file * 11 / 10, "{costs:?}");
}

#[test]
fn a_file_with_a_bound_keeps_it_while_series_come_and_go() {
    const MOST: u64 = 600 << 10;
    let folder = folder().unwrap();
    let _quick = Watched::new(folder.path());
    let costs = live(StoreConfig {
        max_bytes: Some(MOST),
        ..StoreConfig::at(folder.path().join("store.db"))
    });
    println!("{costs:?}");
    for cost in costs {
        assert!(cost.used <= MOST, "{costs:?}");
        assert!(cost.file <= MOST * 5 / 4, "{costs:?}");
    }
}
