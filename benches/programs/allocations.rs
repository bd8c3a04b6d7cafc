//! Counts allocations per poll in a steady state: `cargo run --release -p alumet-benches --bin allocations`.
//!
//! Ends with an error when they grow with the number of samples.

#![expect(unsafe_code, reason = "a global allocator is unsafe by its nature")]
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alumet_benches::PushAll;
use alumet_core::output::NullOutput;
use alumet_core::pipeline::{ElementKind, Pattern, PipelineBuilder};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const POLLS: u64 = 1000;

fn main() -> ExitCode {
    let per_poll: Vec<f64> = [10, 1000, 8000].map(measure).into();
    let grows = per_poll
        .iter()
        .any(|allocations| *allocations > per_poll[0] + 1.0);
    if grows {
        println!("the number of allocations grows with the number of samples");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Allocations per poll of `samples` samples on their way to the null output, those of the requests included.
fn measure(samples: u32) -> f64 {
    let mut builder = PipelineBuilder::new();
    let source = PushAll::new(builder.catalog(), samples);
    builder.source("push", source).every(Duration::from_secs(3600));
    builder.output("null", NullOutput);
    let pipeline = builder.start().expect("a pipeline");
    let sources = Pattern::kind(ElementKind::Source);
    let poll = || {
        pipeline.control().trigger(&sources).expect("a poll");
        pipeline.control().flush().expect("a flush");
    };
    (0..100).for_each(|_| poll());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..POLLS).for_each(|_| poll());
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    let per_poll = allocations as f64 / POLLS as f64;
    println!(
        "{samples:>5} samples per poll: {per_poll:.2} allocations per poll and request, {:.4} per sample",
        per_poll / f64::from(samples)
    );
    per_poll
}
