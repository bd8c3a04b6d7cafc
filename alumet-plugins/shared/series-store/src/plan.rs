//! What is to be done next with the runs of a store.
//!
//! Each window has runs of levels, and never a run of a higher level after one of a lower: what comes is of level 0, and all runs
//! of a level together become one of the next. So those that are merged follow each other in their sequence, and what was written
//! later stays later. Once a window is over, it becomes one run.

use crate::config::StoreConfig;
use crate::rows::{MINUTE, Resolution};
use crate::run::{Dropped, Run, TOP};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// These runs of a window become one of that level.
    Merge { runs: Vec<Run>, level: i64 },
    /// These samples of a window of which the samples were dropped are added to what those came to.
    Add { runs: Vec<Run> },
    /// These runs are dropped, and nothing of their resolution is kept before that instant.
    Drop {
        runs: Vec<Run>,
        resolution: Resolution,
        before: i64,
    },
}

/// So many runs of a level become one.
const SMALLEST: usize = 16;
const FEW: usize = 8;
/// A window is over when nothing usual comes any more.
const GRACE: i64 = 5 * MINUTE;
/// What comes late to a window that was over is merged when it has waited so long, or is half of what is there.
const LATE: i64 = 60 * MINUTE;

/// What to do next; nothing if all is as it should be. `bytes`: how large the file is.
pub(crate) fn next(
    runs: &[Run],
    dropped: Dropped,
    config: &StoreConfig,
    now: i64,
    bytes: u64,
) -> Option<Job> {
    let mut sorted: Vec<Run> = runs.to_vec();
    sorted.sort_by_key(|run| (run.resolution, run.window, run.sequence));
    let windows =
        || sorted.chunk_by(|one, next| (one.resolution, one.window) == (next.resolution, next.window));
    let dropped_raw = dropped.before(Resolution::Raw);
    let is_gone = |runs: &[Run]| runs[0].resolution == Resolution::Raw && runs[0].window < dropped_raw;
    windows()
        .find_map(|runs| {
            if is_gone(runs) {
                add(runs, now)
            } else {
                merge(runs, now)
            }
        })
        .or_else(|| age(&sorted, config, dropped, now))
        .or_else(|| size(&sorted, config, bytes))
}

fn add(runs: &[Run], now: i64) -> Option<Job> {
    // More may come.
    let waited = runs.iter().any(|run| run.created <= now - GRACE) || runs.len() >= FEW * SMALLEST;
    waited.then(|| Job::Add { runs: runs.to_vec() })
}

fn merge(runs: &[Run], now: i64) -> Option<Job> {
    let whole = || {
        Some(Job::Merge {
            runs: runs.to_vec(),
            level: TOP,
        })
    };
    let resolution = runs[0].resolution;
    let end = runs[0].window.saturating_add(resolution.window());
    let is_over = end <= now.saturating_sub(GRACE);
    match runs {
        [one] if one.level == TOP => return None,
        [top, late @ ..] if top.level == TOP => {
            let bytes: u64 = late.iter().map(|run| run.bytes).sum();
            let has_waited = late.iter().any(|run| run.created <= now - LATE);
            if is_over && (has_waited || bytes >= top.bytes / 2) {
                return whole();
            }
        }
        // The hours of a window are rolled up one after another, all after they are over.
        _ if is_over
            && (resolution == Resolution::Raw || runs.iter().any(|run| run.created <= now - LATE)) =>
        {
            return whole();
        }
        _ => {}
    }
    let mut levels = runs.chunk_by(|one, next| one.level == next.level);
    let full = levels.find(|runs| {
        let most = if runs[0].level == 0 && resolution == Resolution::Raw {
            SMALLEST
        } else {
            FEW
        };
        runs[0].level != TOP && runs.len() >= most
    })?;
    Some(Job::Merge {
        runs: full.to_vec(),
        level: full[0].level + 1,
    })
}

/// What is older than it is to be.
fn age(sorted: &[Run], config: &StoreConfig, dropped: Dropped, now: i64) -> Option<Job> {
    Resolution::ALL.into_iter().find_map(|resolution| {
        let kept = match resolution {
            Resolution::Raw => config.raw,
            Resolution::Minute => config.minute,
            Resolution::Hour => config.hour,
        };
        let kept = i64::try_from(kept.as_nanos()).unwrap_or(i64::MAX);
        let before = resolution.window_of(now.saturating_sub(kept));
        drop_before(sorted, resolution, before, dropped)
    })
}

/// The oldest window of samples, or if there are none of a window that is over, of what they came to.
fn size(sorted: &[Run], config: &StoreConfig, bytes: u64) -> Option<Job> {
    if bytes <= config.max_bytes? {
        return None;
    }
    Resolution::ALL.into_iter().find_map(|resolution| {
        let oldest = sorted
            .iter()
            .find(|run| run.resolution == resolution && run.level == TOP)?;
        let before = oldest.window.saturating_add(resolution.window());
        drop_before(sorted, resolution, before, Dropped([before; 3]))
    })
}

/// Drops the windows before that instant, if they are rolled up and nothing finer is left of them.
fn drop_before(sorted: &[Run], resolution: Resolution, before: i64, dropped: Dropped) -> Option<Job> {
    let of_resolution = || sorted.iter().filter(|run| run.resolution == resolution);
    let before = match resolution {
        Resolution::Raw => before,
        Resolution::Minute => before.min(resolution.window_of(dropped.before(Resolution::Raw))),
        Resolution::Hour => before.min(resolution.window_of(dropped.before(Resolution::Minute))),
    };
    let runs: Vec<Run> = of_resolution()
        .filter(|run| run.window < before)
        .copied()
        .collect();
    let is_rolled_up = |run: &Run| {
        resolution != Resolution::Raw
            || run.level == TOP && of_resolution().filter(|other| other.window == run.window).count() == 1
    };
    (!runs.is_empty() && runs.iter().all(is_rolled_up)).then_some(Job::Drop {
        runs,
        resolution,
        before,
    })
}
