#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its signature; this one only counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator of the system, which counts for each thread. A test program makes it its own:
///
/// ```
/// use alumet_core::testkit::{Allocations, CountingAllocator};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator;
///
/// let (_text, cost) = Allocations::of(|| String::from("text"));
/// assert_eq!((cost.count, cost.kept), (1, 4));
/// ```
#[derive(Debug)]
pub struct CountingAllocator;

/// What some work of this thread asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allocations {
    /// How often.
    pub count: usize,
    /// How many bytes at most at a time.
    pub peak: isize,
    /// How many bytes are not given back; those that others have asked for count less than nothing.
    pub kept: isize,
}

thread_local! {
    static NOW: Cell<Allocations> = const { Cell::new(Allocations { count: 0, peak: 0, kept: 0 }) };
}

impl Allocations {
    /// Does some work, and tells what it costs.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let before = NOW.get();
        NOW.set(Self {
            peak: before.kept,
            ..before
        });
        let result = work();
        let after = NOW.get();
        let cost = Self {
            count: after.count - before.count,
            peak: after.peak - before.kept,
            kept: after.kept - before.kept,
        };
        (result, cost)
    }
}

// SAFETY: every call goes to the allocator of the system unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending counts no more.
        let _ = NOW.try_with(|now| {
            let Allocations { count, peak, kept } = now.get();
            let kept = kept + layout.size().cast_signed();
            now.set(Allocations {
                count: count + 1,
                peak: peak.max(kept),
                kept,
            });
        });
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = NOW.try_with(|now| {
            let before = now.get();
            now.set(Allocations {
                kept: before.kept - layout.size().cast_signed(),
                ..before
            });
        });
        // SAFETY: as promised by the caller; `alloc` got it from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}
