//! How long it takes to answer.

use std::time::Instant;

use alumet_core::measure::measure;
use alumet_core::{Catalog, Timestamp};
use alumet_shared_query::{Range, Selector, Steps};
use tokio::runtime::Runtime;

use crate::machine::{Machine, Pods};
use crate::place::{DAY, MINUTE, SECOND, now, open, settle_store, size};
use crate::question::{Asker, energy_of, memory_of, ms, steps, times};

const MONTH: i64 = 30 * DAY;

/// A day of a machine and a month of pods, each question twenty times.
pub(crate) fn run(series: usize, pods: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let catalog = Catalog::new();
    let until = now();
    let begin = Instant::now();
    // A day at 1 Hz up to now, and a month with a sample each ten minutes.
    let mut machine = Machine::new(&catalog, series.div_ceil(8), until - DAY);
    for _ in 0..DAY / SECOND {
        let batch = machine.batch(&catalog, 100);
        store.append(&catalog, batch.samples()).expect("room");
    }
    let mut month = Pods::new(&catalog, pods);
    for at in (until - MONTH..until).step_by(600 * SECOND as usize) {
        let batch = month.batch(&catalog, at);
        store.append(&catalog, batch.samples()).expect("room");
    }
    store.commit().expect("room");
    settle_store(&store, folder.path());
    println!(
        "{} MiB, made in {:.0} s",
        size(folder.path()) >> 20,
        begin.elapsed().as_secs_f64()
    );
    let runtime = Runtime::new().expect("a runtime");
    let asker = Asker {
        store: &store,
        runtime: runtime.handle(),
    };
    let timed = |name: &str, work: &dyn Fn() -> usize| {
        let all = measure(|| times(20, work));
        let (times, answer) = all.value;
        println!(
            "{name}: {:.2} ms, at worst {:.2} ms, {:.2} ms of CPU ({answer} in the answer)",
            ms(times[10]),
            ms(times[19]),
            ms(all.usage.process_cpu_time / 20)
        );
    };
    let group = memory_of(0);
    let day = steps(DAY, until, MINUTE);
    timed("one series, a day at 1 Hz, by the minute", &|| {
        asker.buckets(&group, day)
    });
    let all = Selector::default().with("resource_kind", "local_machine");
    let count = series.next_multiple_of(8);
    timed(&format!("{count} series, a day at 1 Hz, by the minute"), &|| {
        asker.buckets(&all, day)
    });
    let pod = energy_of(pods / 2);
    let month = steps(MONTH, until, DAY);
    timed(
        &format!("energy of one of {pods} over 30 days, by the day"),
        &|| asker.buckets(&pod, month),
    );
    let unaligned = Steps::whole(
        Timestamp::from_nanos(until - MONTH + 1),
        Timestamp::from_nanos(until),
    );
    timed(
        &format!("energy of one of {pods} over 30 days, to the nanosecond"),
        &|| asker.buckets(&pod, unaligned),
    );
    timed("one series, a day at 1 Hz, each sample", &|| {
        let range = Range {
            from: until - DAY,
            until,
        };
        asker.samples(&group, range, None)
    });
    timed(&format!("the latest of {count} series"), &|| {
        asker.samples(&all, Range::ALL, Some(1))
    });
}
