//! Many cases at once, and which there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does a piece of work for each case, as many at once as there are processors, and fails with all that was found.
pub(crate) fn each<T: Sync>(cases: &[T], work: impl Fn(&T) -> Vec<String> + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut found = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.extend(work(case));
        }
        found
    };
    let count = thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(worker)).collect();
        let found = workers.into_iter().flat_map(|worker| worker.join().unwrap());
        found.collect()
    });
    assert!(
        !cases.is_empty() && found.is_empty(),
        "{} found:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Nothing, each one alone, and all pairs, as arguments.
pub(crate) fn pairs(switches: &[&str]) -> Vec<String> {
    let mut all = vec![String::new()];
    for (at, one) in switches.iter().enumerate() {
        all.push((*one).to_owned());
        all.extend(switches[..at].iter().map(|other| format!("{other} {one}")));
    }
    all
}
