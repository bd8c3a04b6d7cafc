//! How long a new process takes to open a large store, and its memory.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use alumet_benches::counted::Counted;
use alumet_core::Catalog;
use alumet_shared_query::{Range, Selector};
use tokio::runtime::Runtime;

use crate::machine::Machine;
use crate::place::{DAY, HOUR, KEPT_DAYS, MINUTE, SECOND, now, open, settle_store, size};
use crate::question::{Asker, all_of, memory_of, ms, steps};

/// From one sample of a series to the next.
const INTERVAL: i64 = 10 * SECOND;

const GIB: f64 = (1 << 30) as f64;

/// Makes a store of about so many GiB, and opens it: from the disk, and from the page cache.
pub(crate) fn run(gib: f64, series: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let until = make(folder.path(), (gib * GIB) as u64, series.div_ceil(8));
    for is_cached in [false, true] {
        if !is_cached {
            forget(folder.path());
        }
        let cached = if is_cached { "in" } else { "not in" };
        println!("its file is {cached} the page cache:");
        let program = std::env::current_exe().expect("a path");
        let mut command = Command::new(program);
        let command = command.arg("opened").arg(folder.path()).arg(until.to_string());
        let ended = command.status();
        assert!(ended.is_ok_and(|status| status.success()), "it cannot be opened");
    }
}

/// Appends an hour after another until the file is large enough when all is merged, and gives the instant of the last sample.
fn make(folder: &Path, bytes: u64, groups: usize) -> i64 {
    let begin = Instant::now();
    let (store, catalog) = (open(folder), Catalog::new());
    let end = now();
    let first = end - (KEPT_DAYS as i64 - 1) * DAY;
    let mut machine = Machine::new(&catalog, groups, first);
    let mut samples = 0;
    while size(folder) < bytes && machine.now() < end {
        while size(folder) < bytes && machine.now() < end {
            for _ in 0..HOUR / INTERVAL {
                let mut batch = catalog.batch();
                machine.tick(&mut batch, INTERVAL, 100);
                samples += batch.len();
                store.append(&catalog, batch.samples()).expect("room");
            }
            store.commit().expect("room");
        }
        settle_store(&store, folder);
    }
    drop(store);
    println!(
        "{:.2} GiB: {:.1} days of {} series every 10 s, {samples} samples; made in {:.0} s",
        size(folder) as f64 / GIB,
        (machine.now() - first) as f64 / DAY as f64,
        groups * 8,
        begin.elapsed().as_secs_f64()
    );
    machine.now()
}

/// Lets the kernel forget what it has read of the files: `dd` says how.
fn forget(folder: &Path) {
    for entry in folder.read_dir().expect("a folder").flatten() {
        let dd = Command::new("dd")
            .arg(format!("if={}", entry.path().display()))
            .args(["iflag=nocache", "count=0", "status=none"])
            .status();
        assert!(dd.is_ok_and(|status| status.success()), "dd of coreutils fails");
    }
}

/// Opens the store in that folder, asks it about the time until then, and says how long each took.
pub(crate) fn opened(folder: &str, until: i64) {
    let memory = |when: &str| {
        let counted = Counted::read(std::process::id());
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!(
            "  {when}: {:.1} MiB, {:.1} MiB at most",
            mib(counted.resident_kib),
            mib(counted.peak_kib)
        );
    };
    let timed = |what: &str, work: &dyn Fn() -> usize| {
        let start = Instant::now();
        let answer = work();
        println!("  {what}: {:.2} ms ({answer} in the answer)", ms(start.elapsed()));
    };
    let runtime = Runtime::new().expect("a runtime");
    memory("before");
    let start = Instant::now();
    let store = open(Path::new(folder));
    println!("  opened in {:.2} ms", ms(start.elapsed()));
    memory("open");
    let asker = Asker {
        store: &store,
        runtime: runtime.handle(),
    };
    timed("the latest of 8 series", &|| {
        asker.samples(&all_of(0), Range::ALL, Some(1))
    });
    timed("one series, the last day by the minute", &|| {
        asker.buckets(&memory_of(0), steps(DAY, until, MINUTE))
    });
    memory("asked");
    timed("the latest of all series of a metric", &|| {
        let metric = Selector::default().with("metric", "memory_usage");
        asker.samples(&metric, Range::ALL, Some(1))
    });
    timed("one series, all days by the hour", &|| {
        let days = steps(KEPT_DAYS as i64 * DAY, until, HOUR);
        asker.buckets(&memory_of(0), days)
    });
    memory("asked for more");
}
