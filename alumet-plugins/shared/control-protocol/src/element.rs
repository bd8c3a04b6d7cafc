//! Elements in a table for people.

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::ElementStatus;

use crate::table::Table;

/// One line per element.
pub(crate) fn table(elements: &[ElementStatus]) -> String {
    let mut table = Table::new([
        "ELEMENT",
        "STATE",
        ">INTERVAL",
        ">CALLS",
        ">SAMPLES",
        ">FAILURES",
        ">MISSED",
        "LAST ERROR",
    ]);
    for element in elements {
        let interval = match element.schedule.map(|schedule| schedule.interval) {
            Some(Some(interval)) => HumanDuration(interval).to_string(),
            Some(None) => "request".to_owned(),
            None => "-".to_owned(),
        };
        table.row([
            element.key.to_string(),
            element.state.to_string(),
            interval,
            element.calls.to_string(),
            element.samples.to_string(),
            element.failures.to_string(),
            element.missed_ticks.to_string(),
            element.last_error.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.render()
}
