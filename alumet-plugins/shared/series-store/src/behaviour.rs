//! What happens to what was written as time goes by.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::metric::Quality;
use alumet_core::series::SeriesKey;
use alumet_core::{Attributes, Consumer, Metric, MetricKind, Resource, Timestamp, Unit, Value, ValueType};
use alumet_shared_query::{Backend, Budget, Limits, QueryError, Range, Selector};
use rusqlite::StatementStatus;

use crate::config::StoreConfig;
use crate::file;
use crate::rig::{NOW, Rig, buckets, keep, samples, wait};
use crate::rows::{DAY, HOUR, MINUTE, SECOND};
use crate::store::SeriesStore;
use crate::tools::{check, export, import};

#[test]
fn what_is_appended_is_found_soon_without_a_commit() {
    let rig = Rig::new();
    let store = rig.open();
    let series = rig.series(Resource::LocalMachine, 1);
    rig.write(&store, &series, &[(NOW, 7)]);
    let late = Instant::now() + Duration::from_secs(30);
    while samples(&store).is_empty() {
        assert!(Instant::now() < late);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(samples(&store), [(NOW, Value::U64(7))]);
}

#[test]
fn a_second_program_is_refused_and_may_read() {
    let rig = Rig::new();
    let store = rig.open();
    rig.write(&store, &rig.series(Resource::LocalMachine, 1), &[(NOW, 7)]);
    store.commit().unwrap();
    let again = SeriesStore::open(StoreConfig::at(rig.path()), Arc::new(rig.clock.clone()));
    let error = again.err().unwrap().to_string();
    assert!(error.contains("in use by another program"), "{error}");
    assert!(SeriesStore::try_out(&rig.path()).is_err());
    assert_eq!(check(&rig.path()).unwrap().samples, 1);
    drop(store);
    SeriesStore::try_out(&rig.path()).unwrap();
    assert_eq!(samples(&rig.open()), [(NOW, Value::U64(7))]);
}

#[test]
fn samples_that_come_when_those_of_their_time_are_dropped_are_added_to_what_these_came_to() {
    let rig = Rig::new();
    let config = StoreConfig {
        raw: Duration::from_secs(3600),
        ..StoreConfig::at(rig.path())
    };
    let (store, mut keeper) = rig.quiet(config);
    let series = rig.series(Resource::LocalMachine, 1);
    let hour = NOW - NOW % HOUR;
    rig.write(
        &store,
        &series,
        &[(hour, 1), (hour + MINUTE, 2), (hour + MINUTE + 2, 4)],
    );
    rig.clock.advance(Duration::from_secs(3 * 3600));
    keep(&store, &mut keeper);
    assert_eq!(samples(&store), []);
    // One after, one between, and one whose minute is new.
    rig.write(
        &store,
        &series,
        &[(hour + 1, 8), (hour + MINUTE + 1, 16), (hour + 9 * MINUTE, 32)],
    );
    store.commit().unwrap();
    rig.clock.advance(Duration::from_secs(600));
    keep(&store, &mut keeper);
    let found = buckets(&store, hour, MINUTE);
    let found: Vec<_> = found
        .iter()
        .map(|bucket| {
            (
                bucket.count,
                bucket.sum,
                bucket.max,
                bucket.first,
                bucket.last,
                bucket.last_at - bucket.start,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (2, 9.0, 8.0, 1.0, 8.0, 1),
            (3, 22.0, 16.0, 2.0, 4.0, 2),
            (1, 32.0, 32.0, 32.0, 32.0, 0)
        ]
    );
    let hours = buckets(&store, hour, HOUR);
    assert_eq!((hours[0].count, hours[0].sum), (6, 63.0));
    assert_eq!(samples(&store), []);
}

#[test]
fn an_interval_of_thinned_samples_is_found_by_its_beginning_before_the_first_of_them() {
    let rig = Rig::new();
    let config = StoreConfig {
        raw: Duration::from_secs(3600),
        ..StoreConfig::at(rig.path())
    };
    let (store, mut keeper) = rig.quiet(config);
    let minute = NOW - NOW % MINUTE;
    let series = rig.series(Resource::LocalMachine, 1);
    rig.write(&store, &series, &[(minute + 59 * SECOND, 7)]);
    rig.clock.advance(Duration::from_secs(3 * 3600));
    keep(&store, &mut keeper);
    // Ten seconds each, the last of which ends before the sample.
    let found = buckets(&store, minute - 47 * 10 * SECOND, 10 * SECOND);
    assert_eq!((found.len(), found[0].start, found[0].sum), (1, minute, 7.0));
}

#[test]
fn the_oldest_samples_go_first_when_the_file_is_full_and_their_sum_stays() {
    let rig = Rig::new();
    let config = StoreConfig {
        max_bytes: Some(400 << 10),
        ..StoreConfig::at(rig.path())
    };
    let (store, mut keeper) = rig.quiet(config);
    let series: Vec<_> = (0..8)
        .map(|number| rig.series(Resource::LocalMachine, number))
        .collect();
    let mut random = 1_u64;
    let mut sum = 0.0;
    let start = NOW - NOW % DAY;
    for hour in 0..24 {
        for series in &series {
            let samples: Vec<_> = (0..1200)
                .map(|index| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    sum += (random >> 40) as f64;
                    (start + hour * HOUR + index * 3 * SECOND, random >> 40)
                })
                .collect();
            rig.write(&store, series, &samples);
        }
        rig.clock
            .set_wall(Timestamp::from_nanos(start + (hour + 1) * HOUR + 10 * MINUTE));
        keep(&store, &mut keeper);
    }
    let left = samples(&store);
    assert!(
        left.len() < 24 * 8 * 1200 / 2 && left.len() > 8 * 1200,
        "{}",
        left.len()
    );
    let newest = left.iter().map(|(at, _)| *at).max().unwrap();
    assert_eq!(
        newest,
        start + 23 * HOUR + 1199 * 3 * SECOND,
        "the newest are there"
    );
    let found: f64 = buckets(&store, start, HOUR).iter().map(|bucket| bucket.sum).sum();
    assert_eq!(found, sum);
    let used = keeper.bytes().unwrap();
    assert!(used <= 400 << 10, "{used}");
}

#[test]
fn of_each_graphics_processor_the_newest_instants_are_kept() {
    let rig = Rig::new();
    let config = StoreConfig {
        max_entries_per_gpu: Some(3),
        ..StoreConfig::at(rig.path())
    };
    let gpu = |id: &str| Resource::Gpu { bus_id: id.into() };
    let (one, same, other) = (
        rig.series(gpu("a"), 1),
        rig.series(gpu("a"), 2),
        rig.series(gpu("b"), 1),
    );
    let none = rig.series(Resource::LocalMachine, 1);
    let at = |index: i64| NOW + index * SECOND;
    let expected = |store: &SeriesStore| {
        let found = samples(store);
        let of = |kind: u64| -> Vec<_> {
            let found = found.iter().filter(|(_, value)| *value == Value::U64(kind));
            found.map(|(time, _)| (time - NOW) / SECOND).collect()
        };
        assert_eq!((of(1), of(2), of(3)), (vec![7, 8], vec![9], vec![0]));
        assert_eq!(of(4), [0, 1, 2, 3]);
    };
    let (store, mut keeper) = rig.quiet(config.clone());
    (0..9).for_each(|index| rig.write(&store, &one, &[(at(index), 1)]));
    rig.write(&store, &same, &[(at(0), 2), (at(9), 2)]);
    rig.write(&store, &other, &[(at(0), 3)]);
    (0..4).for_each(|index| rig.write(&store, &none, &[(at(index), 4)]));
    store.commit().unwrap();
    expected(&store);
    drop((store, keeper));
    // Known from the file only.
    let (store, keeper_again) = rig.quiet(config);
    keeper = keeper_again;
    expected(&store);
    rig.clock.advance(Duration::from_secs(7200));
    keep(&store, &mut keeper);
    expected(&store);
    let stored = "SELECT rows FROM runs WHERE state = 1 AND resolution = 0";
    let stored: i64 = store
        .shared
        .writer
        .lock()
        .connection
        .query_row(stored, [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, 8, "the others are gone from the file");
    let sums: f64 = buckets(&store, NOW - NOW % HOUR, HOUR)
        .iter()
        .map(|bucket| bucket.sum)
        .sum();
    assert_eq!(sums, 9.0 + 4.0 + 3.0 + 16.0, "and what they came to is not");
}

#[test]
fn a_series_that_comes_again_while_those_that_have_ended_are_forgotten_is_kept() {
    let rig = Rig::new();
    let config = StoreConfig {
        raw: Duration::from_secs(3600),
        minute: Duration::from_secs(86_400),
        hour: Duration::from_secs(2 * 86_400),
        ..StoreConfig::at(rig.path())
    };
    let (store, mut keeper) = rig.quiet(config);
    let known = |store: &SeriesStore| {
        let budget = Budget::new(Limits::default());
        wait(store.series(&Selector::default(), Range::ALL, &budget)).unwrap()
    };
    for number in 0..2 {
        let series = rig.series(Resource::LocalMachine, number);
        rig.write(&store, &series, &[(NOW, 7)]);
    }
    keep(&store, &mut keeper);
    store.shared.sweep().unwrap();
    rig.clock.advance(Duration::from_secs(90 * 86_400));
    assert_eq!(known(&store).len(), 2);
    // It waits while the keeper works.
    let later = NOW + 90 * DAY;
    rig.write(&store, &rig.series(Resource::LocalMachine, 1), &[(later, 8)]);
    while keeper.step(&store.shared).unwrap() {}
    store.commit().unwrap();
    assert_eq!(samples(&store), [(later, Value::U64(8))]);
    let left = known(&store);
    assert_eq!(
        (left.len(), &left[0].series.consumer),
        (1, &Consumer::Process { pid: 1 })
    );
}

#[test]
fn a_series_of_which_the_disk_does_not_take_the_end_is_still_found() {
    let rig = Rig::new();
    let (store, _keeper) = rig.quiet(StoreConfig::at(rig.path()));
    rig.write(&store, &rig.series(Resource::LocalMachine, 1), &[(NOW, 7)]);
    store.commit().unwrap();
    let ends = |allow: bool| {
        let writer = store.shared.writer.lock();
        writer
            .connection
            .pragma_update(None, "query_only", !allow)
            .unwrap();
    };
    ends(false);
    assert!(store.shared.sweep().is_err());
    assert_eq!(buckets(&store, NOW - MINUTE, MINUTE).len(), 1);
    ends(true);
    store.shared.sweep().unwrap();
    assert_eq!(store.shared.live.read().len(), 0);
    assert_eq!(buckets(&store, NOW - MINUTE, MINUTE).len(), 1);
}

#[test]
fn a_late_sample_of_another_series_hides_nothing_of_a_graphics_processor_with_few_samples() {
    let rig = Rig::new();
    let (store, mut keeper) = rig.quiet(StoreConfig {
        max_entries_per_gpu: Some(2),
        ..StoreConfig::at(rig.path())
    });
    let hour = NOW - NOW % HOUR;
    let gpu = rig.series(Resource::Gpu { bus_id: "a".into() }, 1);
    let other = rig.series(Resource::LocalMachine, 2);
    rig.write(
        &store,
        &gpu,
        &[(hour, 1), (hour + 1, 2), (hour + 2, 4), (hour + 3, 8)],
    );
    rig.write(&store, &other, &[(hour, 16)]);
    rig.clock.advance(Duration::from_secs(2 * 3600));
    keep(&store, &mut keeper);
    let sum = |store: &SeriesStore| -> f64 {
        let found = buckets(store, hour, HOUR);
        found.iter().map(|bucket| bucket.sum).sum()
    };
    assert_eq!(sum(&store), 31.0);
    rig.write(&store, &other, &[(hour + 1, 32)]);
    store.commit().unwrap();
    assert_eq!(sum(&store), 63.0);
    rig.clock.advance(Duration::from_secs(2 * 3600));
    keep(&store, &mut keeper);
    assert_eq!(sum(&store), 63.0);
}

#[test]
fn what_a_full_disk_does_not_take_waits_until_there_is_room() {
    let rig = Rig::new();
    let (store, _keeper) = rig.quiet(StoreConfig::at(rig.path()));
    let series = rig.series(Resource::LocalMachine, 1);
    rig.write(&store, &series, &[(NOW, 1)]);
    store.commit().unwrap();
    let limit = |pages: i64| {
        let writer = store.shared.writer.lock();
        writer
            .connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    limit(1);
    let many: Vec<_> = (0..40_000)
        .map(|index| {
            (
                NOW + index + 1,
                (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            )
        })
        .collect();
    rig.write(&store, &series, &many);
    let error = store.commit().unwrap_err();
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(samples(&store).len(), 1);
    limit(1 << 20);
    store.commit().unwrap();
    assert_eq!(samples(&store).len(), 40_001);
}

#[test]
fn a_question_keeps_its_limits() {
    let rig = Rig::new();
    let (store, _keeper) = rig.quiet(StoreConfig::at(rig.path()));
    for number in 0..3 {
        let series = rig.series(Resource::LocalMachine, number);
        rig.write(&store, &series, &[(NOW, 1), (NOW + 1, 2), (NOW + 2, 3)]);
    }
    store.commit().unwrap();
    let ask = |limits: Limits| {
        let budget = Budget::new(limits);
        wait(store.samples(&Selector::default(), Range::ALL, None, &budget)).map(|answer| answer.len())
    };
    let all = Limits::default();
    assert_eq!(
        ask(Limits {
            samples: 9,
            series: 3,
            ..all
        }),
        Ok(3)
    );
    assert!(matches!(
        ask(Limits { samples: 8, ..all }),
        Err(QueryError::TooMuch { what: "samples", .. })
    ));
    assert!(matches!(
        ask(Limits { series: 2, ..all }),
        Err(QueryError::TooMuch { what: "series", .. })
    ));
    let none = Limits {
        duration: Duration::ZERO,
        ..all
    };
    assert_eq!(ask(none), Err(QueryError::Deadline));
}

#[test]
fn what_is_exported_is_what_was_stored_and_what_is_imported_is_the_same() {
    let rig = Rig::new();
    let (store, mut keeper) = rig.quiet(StoreConfig::at(rig.path()));
    rig.write(
        &store,
        &rig.series(Resource::CpuPackage { id: 1 }, 1),
        &[(NOW, 7), (NOW - DAY, 6)],
    );
    rig.write(&store, &rig.series(Resource::LocalMachine, 2), &[(NOW, u64::MAX)]);
    keep(&store, &mut keeper);
    let text = |path: &Path, selector: &Selector| {
        let mut out = Vec::new();
        export(path, selector, Range::ALL, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let end =
        "energy,delta,u64,J,measured,cpu_package,1,process,1,\"{\"\"note\"\":\"\"a,\\\"\"b\\\"\"\"\"}\"";
    let one = text(&rig.path(), &Selector::default().with("consumer_id", "1"));
    let lines: Vec<_> = one.lines().skip(1).collect();
    assert_eq!(
        lines,
        [format!("{},6,{end}", NOW - DAY), format!("{NOW},7,{end}")]
    );
    drop((store, keeper));
    let other = rig.folder.path().join("other.db");
    let imported = import(StoreConfig::at(&other), Arc::new(rig.clock.clone()), &rig.path()).unwrap();
    assert_eq!((imported.samples, imported.refused, imported.damaged), (3, 0, 0));
    let all = Selector::default();
    assert_eq!(text(&other, &all), text(&rig.path(), &all));
    assert!(check(&rig.folder.path().join("none")).is_err());
}

#[test]
fn a_metric_and_a_series_that_come_after_a_question_are_in_the_next_answer() {
    let rig = Rig::new();
    let store = rig.open();
    let count = |store: &SeriesStore| wait(store.status()).series;
    rig.write(&store, &rig.series(Resource::LocalMachine, 1), &[(NOW, 1)]);
    store.commit().unwrap();
    assert_eq!((samples(&store).len(), count(&store)), (1, Some(1)));
    let metric = rig.catalog.register_metric(Metric {
        name: "time".into(),
        kind: MetricKind::Delta,
        value_type: ValueType::U64,
        unit: Unit::SECOND,
        description: "For tests.".into(),
        quality: Quality::Measured,
    });
    let other = rig.catalog.register(SeriesKey {
        metric: metric.unwrap(),
        resource: Resource::LocalMachine,
        consumer: Consumer::LocalMachine,
        attributes: Attributes::EMPTY,
    });
    rig.write(&store, &other, &[(NOW, 1)]);
    store.commit().unwrap();
    assert_eq!((samples(&store).len(), count(&store)), (2, Some(2)));
}

#[test]
fn a_statement_is_planned_once_whatever_values_are_bound() {
    let rig = Rig::new();
    let _store = rig.open();
    let connection = file::open_to_read(&rig.path()).unwrap();
    let sql = "SELECT id FROM series WHERE resource_id = ? AND resource_kind = ?";
    let mut statement = connection.prepare(sql).unwrap();
    for value in ["a", "b", "c"] {
        assert!(!statement.exists([value, value]).unwrap());
    }
    assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
}
