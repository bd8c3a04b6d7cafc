//! What happens when something is wrong in the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::{Resource, Timestamp, Value};
use alumet_shared_query::{Backend, Budget, Limits, Range, Selector};
use rusqlite::Connection;

use crate::config::StoreConfig;
use crate::file;
use crate::keeper::Keeper;
use crate::rig::{NOW, Rig, keep, samples, wait};
use crate::rows::{HOUR, SECOND};
use crate::tools::{check, import};

/// A store with some thousand samples, and where its file is.
fn filled(rig: &Rig) -> PathBuf {
    let (store, mut keeper) = rig.quiet(StoreConfig::at(rig.path()));
    let mut random = 1_u64;
    for number in 0..20 {
        let series = rig.series(Resource::LocalMachine, number);
        let many: Vec<_> = (0..3000_i64)
            .map(|index| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (NOW - HOUR + index * SECOND, random >> 40)
            })
            .collect();
        rig.write(&store, &series, &many);
        store.commit().unwrap();
    }
    keep(&store, &mut keeper);
    rig.path()
}

#[test]
fn a_damaged_part_is_left_out_and_said() {
    let rig = Rig::new();
    let path = filled(&rig);
    let whole = check(&path).unwrap();
    assert_eq!((whole.samples, whole.series, whole.damaged), (60_000, 20, 0));
    assert_eq!(whole.problems, Vec::<String>::new());
    let db = Connection::open(&path).unwrap();
    let some = "UPDATE parts SET data = zeroblob(length(data)) WHERE id IN
        (SELECT parts.id FROM parts JOIN runs ON runs.id = run WHERE resolution = 0 AND state = 1 LIMIT 1)";
    assert_eq!(db.execute(some, []).unwrap(), 1);
    drop(db);
    let (store, mut keeper) = rig.quiet(StoreConfig::at(rig.path()));
    let left = samples(&store).len();
    assert!(left < 60_000 && left > 10_000, "{left}");
    assert!(store.problems()[0].contains("damaged"), "{:?}", store.problems());
    assert!(check(&path).unwrap().damaged >= 1);
    rig.clock.advance(Duration::from_secs(7200));
    keep(&store, &mut keeper);
    assert_eq!(samples(&store).len(), left);
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    names
        .map(|name| name.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_is_no_good_store_is_set_aside_and_what_is_left_of_it_can_be_imported() {
    for (reason, spoil) in [
        (
            "foreign",
            &(|path: &Path| {
                Connection::open(path)
                    .unwrap()
                    .execute_batch("CREATE TABLE t (x)")
                    .unwrap();
            }) as &dyn Fn(&Path),
        ),
        ("damaged", &|path| {
            std::fs::write(
                path,
                "no database at all, but long enough to be taken for one".repeat(20),
            )
            .unwrap();
        }),
        ("damaged", &|path| {
            std::fs::write(path, "short").unwrap();
        }),
        ("newer", &|path| {
            drop(file::open(path, false, Timestamp::default()).unwrap());
            Connection::open(path)
                .unwrap()
                .pragma_update(None, "user_version", 99)
                .unwrap();
        }),
    ] {
        let rig = Rig::new();
        spoil(&rig.path());
        let store = rig.open();
        assert!(
            store.problems()[0].contains("a new one is begun"),
            "{:?}",
            store.problems()
        );
        rig.write(&store, &rig.series(Resource::LocalMachine, 1), &[(NOW, 7)]);
        store.commit().unwrap();
        assert_eq!(samples(&store).len(), 1);
        assert!(
            names(rig.folder.path())
                .iter()
                .any(|name| name.starts_with(&format!("store.db.{reason}-"))),
            "{reason}"
        );
    }
    let rig = Rig::new();
    let path = filled(&rig);
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length / 2)
        .unwrap();
    let store = rig.open();
    assert!(
        store.problems()[0].contains("was damaged"),
        "{:?}",
        store.problems()
    );
    assert_eq!(samples(&store).len(), 0);
    drop(store);
    let aside = names(rig.folder.path())
        .into_iter()
        .find(|name| name.starts_with("store.db.damaged-"))
        .unwrap();
    let aside = rig.folder.path().join(aside);
    let imported = import(StoreConfig::at(rig.path()), Arc::new(rig.clock.clone()), &aside).unwrap();
    assert!(
        (1000..60_000).contains(&imported.samples) && imported.damaged > 0,
        "{imported:?}"
    );
    assert_eq!(samples(&rig.open()).len() as u64, imported.samples);
}

#[test]
fn whatever_is_wrong_in_the_file_nothing_panics_and_writing_goes_on() {
    let rig = Rig::new();
    let path = filled(&rig);
    let good = std::fs::read(&path).unwrap();
    let series = rig.series(Resource::LocalMachine, 77);
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for _ in 0..60 {
        let mut bad = good.clone();
        for _ in 0..1 + next(20) {
            let at = next(bad.len());
            bad[at] ^= 1 << next(8);
        }
        std::fs::write(&path, &bad).unwrap();
        let _ = check(&path);
        let (store, mut keeper) = rig.quiet(StoreConfig::at(&path));
        rig.write(&store, &series, &[(NOW, 7)]);
        if let Err(error) = store.commit() {
            assert!(error.is_damage(), "{error}");
            store.begin_anew().unwrap();
            rig.write(&store, &series, &[(NOW, 7)]);
            store.commit().unwrap();
            keeper = Keeper::open(&store.shared).unwrap();
        }
        let budget = Budget::new(Limits::default());
        let _ = wait(store.samples(&Selector::default(), Range::ALL, None, &budget));
        rig.clock.advance(Duration::from_secs(3600));
        let _ = (0..100)
            .take_while(|_| keeper.step(&store.shared).unwrap_or(false))
            .count();
        rig.clock.set_wall(Timestamp::from_nanos(NOW));
        let mine = Selector::default().with("consumer_id", "77");
        let found = wait(store.samples(&mine, Range::ALL, Some(1), &Budget::new(Limits::default())));
        if let Ok(found) = found {
            assert_eq!(found.len(), 1, "{:?}", store.problems());
        }
        drop((store, keeper));
        for name in names(rig.folder.path()) {
            std::fs::remove_file(rig.folder.path().join(name)).unwrap();
        }
    }
}

#[test]
fn whoever_reads_while_the_file_is_set_aside_reads_the_new_one_the_next_time() {
    let rig = Rig::new();
    let (store, _keeper) = rig.quiet(StoreConfig::at(rig.path()));
    rig.write(&store, &rig.series(Resource::LocalMachine, 1), &[(NOW, 7)]);
    store.commit().unwrap();
    let budget = Budget::new(Limits::default());
    let reading = store.shared.read(&budget, |_| {
        store.begin_anew().unwrap();
        Ok(())
    });
    reading.unwrap();
    rig.write(&store, &rig.series(Resource::LocalMachine, 1), &[(NOW + 1, 8)]);
    store.commit().unwrap();
    assert_eq!(samples(&store), [(NOW + 1, Value::U64(8))]);
}
