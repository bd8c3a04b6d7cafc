//! Gives memory back to the system that the allocator keeps.
//!
//! The allocator of glibc gives back what is free at the end of a heap. What is free between small pieces that are in use it keeps:
//! after a burst, such as a backlog that was drained, the program would have as much memory for ever as it once needed.
#![expect(unsafe_code, reason = "no library gives access to `malloc_trim`")]

use std::fs;
use std::time::Duration;

use alumet_reader_procfs::process::statm;
use nix::libc;
use nix::unistd::{SysconfVar, sysconf};
use tokio::time::{Instant, interval};

/// How often it is looked whether the program has grown; a pause after growth in vain doubles from there.
const LOOK: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Growth that is worth the while.
const MUCH: u64 = 2 << 20;

/// Gives back what is free whenever the program has grown; never ends.
pub(crate) async fn keep_small() -> ! {
    let mut looks = interval(LOOK);
    let mut least = u64::MAX;
    let (mut next, mut pause) = (Instant::now(), LOOK);
    loop {
        looks.tick().await;
        let now = resident();
        if now < least.saturating_add(MUCH) {
            least = least.min(now);
            pause = LOOK;
        } else if Instant::now() >= next {
            // It takes some milliseconds where there is much.
            let _ = tokio::task::spawn_blocking(give_back).await;
            next = Instant::now() + pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn give_back() {
    // SAFETY: it takes the locks of the allocator and moves nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// How much memory the program has, in bytes.
fn resident() -> u64 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    let content = fs::read("/proc/self/statm").unwrap_or_default();
    let statm = statm::parse(&content, page.unsigned_abs()).unwrap_or_default();
    statm.resident.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_freed_between_what_stays_goes_back_to_the_system() {
        let keeping = tokio::spawn(async { keep_small().await });
        // It has looked for the first time.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let before = resident();
        let mut pieces: Vec<_> = (0..100_000).map(|_| vec![1_u8; 1000]).collect();
        let mut number = 0;
        pieces.retain(|_| {
            number += 1;
            number % 100 == 0
        });
        let after_the_burst = resident();
        assert!(
            after_the_burst > before + (50 << 20),
            "{before}, then {after_the_burst}"
        );
        tokio::time::sleep(2 * LOOK).await;
        let later = resident();
        assert!(
            later < before + (20 << 20),
            "{before}, {after_the_burst}, then {later}"
        );
        keeping.abort();
        assert_eq!(pieces.len(), 1000);
    }
}
