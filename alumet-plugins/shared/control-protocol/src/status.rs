//! Where every sample is and how punctual the agent is, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::{DropReason, ElementStatus, PipelineStatus};

use crate::reply::Reply;
use crate::table::Table;

/// Whether all is well, what was measured, what became of it at each output, how late each thread was.
pub(crate) fn text(status: &PipelineStatus) -> String {
    let mut text = match status.obstacles.as_slice() {
        [] => "ready\n".to_owned(),
        obstacles => format!("{}\n- {}\n", Reply::NOT_READY, obstacles.join("\n- ")),
    };
    for note in &status.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let uptime = HumanDuration(Duration::from_secs(status.uptime.as_secs()));
    let mut states = BTreeMap::<_, usize>::new();
    for element in &status.elements {
        *states.entry(element.state.name()).or_default() += 1;
    }
    let states = states.iter().map(|(state, count)| format!("{count} {state}"));
    let states = states.collect::<Vec<_>>().join(", ");
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "running for {uptime}; elements: {states}; live series: {}",
        status.live_series
    );
    let ledger = &status.ledger;
    let _ = writeln!(
        text,
        "samples: {} produced, {} pending, {} queued, {} added and {} removed by transforms, {} routed, {}",
        ledger.produced,
        ledger.pending,
        ledger.queued,
        ledger.added,
        ledger.removed,
        ledger.routed,
        dropped(&ledger.dropped),
    );
    if !ledger.is_balanced() {
        text.push_str("the accounts do not balance: this is a defect of the program, please report it\n");
    }
    if let Some(spool) = &status.spool {
        let path = spool.path.as_ref().map(|path| path.display().to_string());
        let place = path.as_deref().unwrap_or("in memory");
        let _ = writeln!(
            text,
            "spool: {} samples in {} bytes, {} not on disk yet, {place}",
            spool.samples, spool.bytes, spool.uncommitted_samples
        );
    }
    let mut outputs = Table::new([
        "OUTPUT",
        ">OFFERED",
        ">DELIVERED",
        ">BUFFERED",
        ">SPOOLED",
        "DROPPED",
    ]);
    for (output, account) in &ledger.outputs {
        outputs.row([
            output.to_string(),
            account.offered.to_string(),
            account.delivered.to_string(),
            account.buffered.to_string(),
            account.spooled.to_string(),
            dropped(&account.dropped),
        ]);
    }
    let mut threads = Table::new(["THREAD", ">TICKS", ">MISSED", ">LATE P50", ">P99", ">MAX"]);
    for thread in &status.punctuality {
        threads.row([
            thread.thread.clone(),
            thread.lateness.count().to_string(),
            thread.missed_ticks.to_string(),
            short(thread.lateness.quantile(0.5)),
            short(thread.lateness.quantile(0.99)),
            short(thread.lateness.max()),
        ]);
    }
    let slow = status.elements.iter().filter_map(ElementStatus::holds_up);
    for slow in slow.filter(|slow| !status.obstacles.contains(slow)) {
        let _ = writeln!(text, "{slow}");
    }
    text + "\n" + &outputs.render() + "\n" + &threads.render()
}

/// `0 dropped`, or `7 dropped (4 queue_full, 3 rejected)`.
fn dropped(by_reason: &BTreeMap<DropReason, u64>) -> String {
    let total: u64 = by_reason.values().sum();
    if total == 0 {
        return "0 dropped".to_owned();
    }
    let reasons = by_reason
        .iter()
        .map(|(reason, samples)| format!("{samples} {reason}"));
    format!("{total} dropped ({})", reasons.collect::<Vec<_>>().join(", "))
}

/// With three digits and one unit.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}
