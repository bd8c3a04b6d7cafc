//! Text for scripts, again and again.

use tokio::time::{Instant, timeout};

use crate::exit::Failed;
use crate::terminal;

use super::arrange::arrange;
use super::choices::Choices;
use super::model::{Row, Snapshot};
use super::view::{Columns, head};
use super::{Observer, Top};

/// Rates need two measurements, and the energy of the second one may come later: after so many, what is not known stays unknown.
const PATIENCE: u32 = 4;

/// Prints as often as asked, once each interval, or as long as somebody reads.
pub(super) async fn print(top: &Top, observer: &mut Observer) -> Result<(), Failed> {
    let choices = Choices::from(top);
    let mut rest = match top.once {
        true => Some(1),
        false => top.count,
    };
    let latest = Instant::now() + *top.interval * PATIENCE;
    let mut next = None;
    while rest != Some(0) {
        // Without measurements, what was known is printed.
        let _ = timeout(*top.interval * PATIENCE, observer.feed.came.notified()).await;
        // Looked at even if it is not printed: a process that ends soon can still be read now.
        let snapshot = observer.look();
        let now = Instant::now();
        let is_due = match next {
            // One round comes a little earlier or later than another.
            Some(next) => now + *top.interval / 2 >= next,
            None => now >= latest || snapshot.rows(choices.shows_groups).iter().any(is_known),
        };
        if !is_due {
            continue;
        }
        if !terminal::print_part(&text(&snapshot, &choices))? {
            break;
        }
        next = Some(next.unwrap_or(now) + *top.interval);
        rest = rest.map(|rest| rest - 1);
    }
    Ok(())
}

const fn is_known(row: &Row) -> bool {
    row.cpu.is_some() && row.power.is_some()
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
