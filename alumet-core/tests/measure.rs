//! What a piece of work costs this process. No other test shares it, because they would change its memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use std::time::Duration;

use alumet_core::{measure, measure_future};
use nix::time::{ClockId, clock_gettime};

/// Uses CPU time of this thread.
fn spin(time: Duration) {
    let used = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let begin = used();
    while used() - begin < time {
        std::hint::black_box(0);
    }
}

const SOME: Duration = Duration::from_millis(20);

#[test]
fn cpu_time_is_that_of_the_work_on_this_thread_and_of_the_process_with_all_others() {
    let measured = measure(|| {
        spin(SOME);
        std::thread::scope(|scope| {
            scope.spawn(|| spin(10 * SOME));
        });
        7
    });
    let usage = measured.usage;
    assert_eq!(measured.value, 7);
    assert!(usage.cpu_time >= SOME && usage.cpu_time < 10 * SOME, "{usage:?}");
    assert!(usage.process_cpu_time >= 11 * SOME, "{usage:?}");
    assert!(usage.elapsed >= 10 * SOME, "{usage:?}");
}

#[test]
fn memory_that_is_kept_is_a_change_and_a_peak_and_memory_that_is_freed_is_a_change_back() {
    const SIZE: usize = 64 << 20;
    // Not zero: the kernel gives pages when they are written.
    let measured = measure(|| vec![1_u8; SIZE]);
    let memory = measured.usage.memory.unwrap();
    let most = SIZE as i64 * 3 / 4;
    assert!(memory.resident >= most, "{memory:?}");
    assert!(memory.peak >= most.cast_unsigned(), "{memory:?}");
    let freed = measure(|| drop(measured.value)).usage.memory.unwrap();
    assert!(freed.resident <= -most, "{freed:?}");
    assert!(freed.peak < most.cast_unsigned(), "{freed:?}");
}

#[tokio::test]
async fn cpu_time_of_a_future_is_that_of_its_polls_and_not_that_of_others_on_the_thread() {
    let others = async {
        tokio::task::yield_now().await;
        spin(10 * SOME);
    };
    let measured = measure_future(async {
        spin(SOME);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        spin(SOME);
    });
    let (measured, ()) = tokio::join!(measured, others);
    let usage = measured.usage;
    assert!(
        usage.cpu_time >= 2 * SOME && usage.cpu_time < 10 * SOME,
        "{usage:?}"
    );
    assert!(usage.elapsed >= 12 * SOME, "{usage:?}");
}
