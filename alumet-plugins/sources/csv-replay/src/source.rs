//! The source: what makes samples of rows.

use std::time::Duration;

use alumet_core::Failure;
use alumet_core::source::{Accumulator, Source, Tick};
use alumet_core::time::Monotonic;

use crate::bad_rows::BadRows;
use crate::device::{Replay, Step};
use crate::pace::Pace;
use crate::series::SeriesOfRows;
use crate::timestamps::Timestamps;

/// Sends the rows of a file when they are due.
#[derive(Debug)]
pub(crate) struct CsvReplaySource {
    replay: Replay,
    pace: Pace,
    timestamps: Timestamps,
    /// How often each row is sent.
    copies: u32,
    /// How often the present one is still to be sent.
    left: u32,
    /// How long it goes on.
    duration: Option<Duration>,
    /// When the first poll was.
    began: Option<Monotonic>,
    /// Why it has ended, if it has.
    end: Option<&'static str>,
    /// How many rows were sent, copies included.
    sent: u64,
    series: SeriesOfRows,
    bad_rows: BadRows,
}

/// So many lines are looked at in one poll, all of which may be of other hosts, and so many samples are made: 3 MiB. The rest
/// waits for the next poll.
const MOST_LINES: u32 = 1 << 16;
const MOST_SAMPLES: u32 = 1 << 17;

impl CsvReplaySource {
    /// Sends each row `copies` times, for `duration` from the first poll on.
    pub(crate) fn new(
        replay: Replay,
        pace: Pace,
        timestamps: Timestamps,
        copies: u32,
        duration: Option<Duration>,
        bad_rows: BadRows,
    ) -> Self {
        Self {
            replay,
            pace,
            timestamps,
            copies,
            left: 0,
            duration,
            began: None,
            end: None,
            sent: 0,
            series: SeriesOfRows::default(),
            bad_rows,
        }
    }

    /// Sends all that is due at `now`, or as much of it as one poll may.
    fn send(&mut self, out: &mut Accumulator<'_>, now: Monotonic, tick: Tick) -> Result<(), Failure> {
        // A row of which copies are left belongs to the file that is open.
        let mut has_followed = self.left == 0;
        if has_followed {
            self.replay.follow()?;
        }
        let (mut lines, mut samples) = (0, 0);
        while let Some(overdue) = self.pace.overdue(now) {
            if samples >= MOST_SAMPLES || self.left == 0 && lines >= MOST_LINES {
                break;
            }
            if self.left == 0 {
                if !std::mem::replace(&mut has_followed, true) {
                    self.replay.follow()?;
                }
                lines += 1;
                match self.replay.step()? {
                    Step::Row(wrong) => {
                        if let Some(reason) = wrong {
                            self.bad_rows.note(&self.replay, &reason);
                        }
                        self.left = self.copies;
                    }
                    Step::Bad(reason) => self.bad_rows.note(&self.replay, &reason),
                    Step::Nothing => {}
                    Step::Unfinished => break,
                    Step::Idle => {
                        self.pace.restart();
                        break;
                    }
                    Step::End => {
                        self.end = Some("the file was replayed");
                        break;
                    }
                }
                continue;
            }
            let row = self.replay.row();
            let late = tick.monotonic.since(now) + overdue;
            let due = tick.timestamp.saturating_sub(late);
            let timestamp = self.timestamps.of_row(due, row.contents.time, row.pass);
            for (name, number) in row.numbers() {
                let series = self.series.get(row, name, out.catalog())?;
                out.push_at(series, timestamp, number);
                samples += 1;
            }
            self.left -= 1;
            self.sent += 1;
            self.pace.sent();
        }
        Ok(())
    }
}

impl Source for CsvReplaySource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let tick = out.tick();
        if let Some(reason) = self.end {
            let (path, sent) = (self.replay.path().display(), self.sent);
            return Err(Failure::end(format!(
                "{reason}: {sent} rows of `{path}` were sent"
            )));
        }
        let began = *self.began.get_or_insert(tick.monotonic);
        let end = self.duration.map(|duration| began + duration);
        let now = end.map_or(tick.monotonic, |end| end.min(tick.monotonic));
        let sent = self.send(out, now, tick);
        self.bad_rows.push(out);
        if sent.is_err() {
            // What cannot be sent meanwhile is not made up for.
            self.pace.restart();
        }
        if end.is_some_and(|end| tick.monotonic >= end) && self.pace.overdue(now).is_none() {
            self.end = Some("its `duration` is over");
        }
        sent
    }

    fn reset(&mut self) {
        self.pace.restart();
    }
}
