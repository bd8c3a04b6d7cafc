//! Text for scripts, again and again.

use crate::exit::Failed;
use crate::terminal;

use super::Top;
use super::arrange::arrange;
use super::choices::Choices;
use super::details::Details;
use super::model::Snapshot;
use super::output::Feed;
use super::view::{Columns, head};

/// Rates need two measurements, and the energy of the second one may come later: after so many, what is not known stays unknown.
const PATIENCE: u32 = 4;

/// Prints as often as asked, once each interval.
pub(super) async fn print(top: &Top, feed: &Feed, details: &mut Details) -> Result<(), Failed> {
    let choices = Choices::from(top);
    let wait = tokio::time::timeout(*top.interval * PATIENCE, until_known(feed, &choices));
    // In time or not, what is known is printed.
    let _ = wait.await;
    let mut rest = match top.once {
        true => Some(1),
        false => top.count,
    };
    let mut ticks = tokio::time::interval(*top.interval);
    while rest != Some(0) {
        ticks.tick().await;
        let mut snapshot = feed.model.lock().look();
        details.fill(&mut snapshot);
        terminal::print(&text(&snapshot, &choices))?;
        rest = rest.map(|rest| rest - 1);
    }
    Ok(())
}

/// Waits until rates and powers are known.
async fn until_known(feed: &Feed, choices: &Choices) {
    loop {
        feed.came.notified().await;
        let snapshot = feed.model.lock().look();
        let mut rows = snapshot.rows(choices.shows_groups).iter();
        if rows.any(|row| row.cpu.is_some() && row.power.is_some()) {
            return;
        }
    }
}

/// Everything at one time, and an empty line.
fn text(snapshot: &Snapshot, choices: &Choices) -> String {
    let rows = snapshot.rows(choices.shows_groups);
    let rows = arrange(rows, choices.sort, choices.search.as_ref(), choices.is_tree);
    let mut lines = head(&snapshot.machine, rows.len(), choices);
    let columns = Columns::all(choices.shows_groups);
    lines.push(columns.heading(choices.units, choices.shows_groups));
    lines.extend(rows.iter().map(|row| columns.line(row, choices.units)));
    lines.join("\n") + "\n\n"
}
