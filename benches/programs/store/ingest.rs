//! What it costs to append, and all that follows from it.

use std::time::{Duration, Instant};

use alumet_core::Catalog;
use alumet_core::measure::measure;

use crate::machine::Machine;
use crate::place::{HOUR, SECOND, now, open, settle_store, size};

/// Appends tick by tick, and commits each.
pub(crate) fn run(series: usize, samples: usize, active: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let catalog = Catalog::new();
    let ticks = samples.div_ceil(series).max(1);
    let mut machine = Machine::new(
        &catalog,
        series.div_ceil(8),
        now() - 3 * HOUR - ticks as i64 * SECOND,
    );
    let mut making = Duration::ZERO;
    let mut writing = Duration::ZERO;
    let mut count = 0;
    let mut first = Duration::ZERO;
    let all = measure(|| {
        let start = Instant::now();
        for tick in 0..ticks {
            let made = measure(|| machine.batch(&catalog, active));
            making += made.usage.cpu_time;
            let batch = made.value;
            count += batch.len();
            let written = measure(|| {
                store.append(&catalog, batch.samples()).expect("room");
                store.commit().expect("room");
            });
            match tick {
                0 => first = written.usage.cpu_time,
                _ => writing += written.usage.cpu_time,
            }
        }
        println!(
            "{count} samples of {series} series in {:.1} s",
            start.elapsed().as_secs_f64()
        );
        settle_store(&store, folder.path());
    });
    let per = |time: Duration| time.as_nanos() as f64 / count as f64;
    println!(
        "first sight of a series: {:.0} ns",
        first.as_nanos() as f64 / series as f64
    );
    println!("append and commit: {:.1} ns of CPU per sample", per(writing));
    println!(
        "with all that follows: {:.1} ns of CPU per sample",
        per(all.usage.process_cpu_time - making - first)
    );
    drop(store);
    println!(
        "{:.3} bytes per sample in the files",
        size(folder.path()) as f64 / count as f64
    );
    let started = Instant::now();
    let store = open(folder.path());
    println!("opened in {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    drop(store);
}
