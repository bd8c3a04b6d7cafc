//! What keeps a pipeline from measuring and delivering all that it should, in words: the one list of that.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::duration::HumanDuration;
use crate::time::{Moment, Monotonic, Timestamp, asleep};

use super::control::{Control, PipelineStatus};
use super::element::{ElementKind, ElementState, ElementStatus};
use super::self_metrics;

/// A certificate that is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateStatus {
    /// Its file.
    pub path: PathBuf,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl CertificateStatus {
    /// That it is, or soon will be, of no use to new connections: less than a week is left at `now`.
    pub fn expires(&self, now: Timestamp) -> Option<String> {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        let (path, until) = (self.path.display(), self.not_after);
        let Some(left) = until.checked_since(now) else {
            return Some(format!(
                "the certificate in {path} expired at {until}, so that no connection can be made with it; replace it"
            ));
        };
        (left < WEEK).then(|| {
            let left = match left.as_secs() / 3600 {
                hours @ 0..48 => format!("{hours} h"),
                hours => format!("{} days", hours / 24),
            };
            format!(
                "the certificate in {path} expires in {left}, at {until}; replace it, or no connection can be made with it then"
            )
        })
    }
}

/// Notices that the wall clock was set by an hour or more.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    last: Option<(Moment, Duration)>,
    step: Option<(Monotonic, Step)>,
}

/// What the wall clock was set by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Forwards(Duration),
    Back(Duration),
}

/// A step that is told.
const STEP: Duration = Duration::from_secs(60 * 60);
/// For how long it is told.
const STEP_IS_TOLD: Duration = Duration::from_secs(60 * 60);
/// A source that is polled seldom may make no sample in so many intervals.
const INTERVALS: u32 = 3;

impl WallClock {
    /// Looks at the clocks; gives the last step, if it was not long ago.
    pub(crate) fn look(&mut self, now: Moment) -> Option<Step> {
        self.look_after_sleep(now, asleep())
    }

    /// `asleep` is how long the machine has been suspended so far, during which only the wall clock goes on.
    fn look_after_sleep(&mut self, now: Moment, asleep: Duration) -> Option<Step> {
        if let Some((last, before)) = self.last.replace((now, asleep)) {
            let passed = now.monotonic.since(last.monotonic) + asleep.saturating_sub(before);
            let expected = last.wall.saturating_add(passed);
            let step = match now.wall.checked_since(expected) {
                Some(forwards) => Step::Forwards(forwards),
                None => Step::Back(expected.checked_since(now.wall).unwrap_or_default()),
            };
            let (Step::Forwards(by) | Step::Back(by)) = step;
            if by >= STEP {
                self.step = Some((now.monotonic, step));
            }
        }
        self.step
            .take_if(|(at, _)| now.monotonic.since(*at) >= STEP_IS_TOLD);
        self.step.map(|(_, step)| step)
    }
}

/// Adds to the obstacles of a status those that it shows itself.
pub(crate) fn judge(status: &mut PipelineStatus, now: Timestamp, step: Option<Step>) {
    let mut obstacles = std::mem::take(&mut status.obstacles);
    // Several plugins may use one.
    status
        .certificates
        .sort_by(|one, other| (&one.path, one.not_after).cmp(&(&other.path, other.not_after)));
    status
        .certificates
        .dedup_by(|one, before| one.path == before.path);
    for element in &status.elements {
        if element.polling >= Some(Control::PATIENCE) {
            obstacles.extend(element.holds_up());
        }
        obstacles.extend(element.stands_still());
        if !element.is_healthy() {
            let error = element.last_error.as_deref().unwrap_or("no error was given");
            obstacles.push(format!("{} is {}: {error}", element.key, element.state));
        }
        if element.key.kind == ElementKind::Output
            && let Some(in_vain) = element.in_vain.filter(|time| *time >= ElementStatus::PATIENCE)
        {
            let reasons = status.ledger.outputs.get(&element.key).map(|account| {
                let reasons = account.dropped.iter();
                let reasons = reasons.map(|(reason, samples)| format!("{samples} {reason}"));
                reasons.collect::<Vec<_>>().join(", ")
            });
            obstacles.push(format!(
                "{} has written nothing for {} s, and what it should have written is lost: {}",
                element.key,
                in_vain.as_secs(),
                reasons.unwrap_or_default()
            ));
        }
    }
    if let Some(spool) = &status.spool {
        let fault = spool.fault.as_ref();
        obstacles.extend(fault.map(|fault| format!("the spool works in memory only: {fault}")));
        obstacles.extend(spool.lost.clone());
    }
    if !status.shows_others || working(status, ElementKind::Source).next().is_some() {
        obstacles.extend(idle(status, ElementKind::Source, "source", "nothing is measured"));
    }
    obstacles.extend(idle(status, ElementKind::Output, "output", "nothing is written"));
    obstacles.extend(silence(status));
    obstacles.extend(step.map(|step| {
        let (by, direction) = match step {
            Step::Forwards(by) => (by, "forwards"),
            Step::Back(by) => (by, "back"),
        };
        let by = HumanDuration(Duration::from_secs(by.as_secs()));
        format!(
            "the wall clock was set {direction} by {by} within the last hour, so timestamps from before and after do not fit \
             together; check what sets the clock of this machine"
        )
    }));
    let certificates = status.certificates.iter();
    obstacles.extend(certificates.filter_map(|certificate| certificate.expires(now)));
    status.obstacles = obstacles;
}

/// Those that work for others than the pipeline itself.
fn working(status: &PipelineStatus, kind: ElementKind) -> impl Iterator<Item = &ElementStatus> {
    let elements = status.elements.iter();
    elements.filter(move |element| element.key.kind == kind && element.key.plugin != self_metrics::PLUGIN)
}

/// What is wrong if no element of this kind works.
fn idle(status: &PipelineStatus, kind: ElementKind, one: &str, consequence: &str) -> Option<String> {
    let mut states = working(status, kind).map(|element| element.state).peekable();
    if states.peek().is_none() {
        return Some(format!("there is no {one}, so {consequence}"));
    }
    let are_paused = states.all(|state| state == ElementState::Paused);
    are_paused.then(|| format!("every {one} is paused, so {consequence}"))
}

/// That no source makes samples, although all are polled.
fn silence(status: &PipelineStatus) -> Option<String> {
    let silent = |source: &ElementStatus| {
        let interval = source.schedule?.interval?;
        let bound = ElementStatus::PATIENCE.max(interval * INTERVALS);
        source.in_vain.filter(|in_vain| *in_vain >= bound)
    };
    let shortest = working(status, ElementKind::Source)
        .map(silent)
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .min()?;
    Some(format!(
        "no source has made a sample for {} s although all are polled, so nothing is measured; `doctor` tells what each finds",
        shortest.as_secs()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn at(wall: u64, monotonic: u64) -> Moment {
        let nanos = |seconds: u64| seconds * 1_000_000_000;
        Moment {
            wall: Timestamp::from_nanos(nanos(wall).cast_signed()),
            monotonic: Monotonic::from_nanos(nanos(monotonic)),
        }
    }

    #[test]
    fn a_clock_that_is_set_by_hours_is_told_for_an_hour_and_one_that_is_corrected_is_not() {
        let mut clock = WallClock::default();
        let mut look = |wall, monotonic| clock.look_after_sleep(at(wall, monotonic), Duration::ZERO);
        assert_eq!(look(100 * HOUR, 0), None);
        assert_eq!(look(100 * HOUR + 70, 10), None);
        let forwards = Step::Forwards(Duration::from_secs(3 * HOUR));
        assert_eq!(look(103 * HOUR + 80, 20), Some(forwards));
        assert_eq!(look(104 * HOUR + 60, HOUR), Some(forwards));
        assert_eq!(look(104 * HOUR + 80, HOUR + 20), None);
        let back = Step::Back(Duration::from_secs(104 * HOUR));
        assert_eq!(look(90, HOUR + 30), Some(back));
    }

    #[test]
    fn a_machine_that_has_slept_for_hours_has_set_no_clock() {
        let mut clock = WallClock::default();
        clock.look_after_sleep(at(100 * HOUR, 0), Duration::ZERO);
        let slept = Duration::from_secs(8 * HOUR);
        assert_eq!(clock.look_after_sleep(at(108 * HOUR + 1, 1), slept), None);
        assert_eq!(
            clock.look_after_sleep(at(116 * HOUR + 2, 2), slept),
            Some(Step::Forwards(slept))
        );
    }

    #[test]
    fn a_certificate_is_told_in_its_last_week_and_afterwards() {
        let certificate = CertificateStatus {
            path: "/etc/node.pem".into(),
            not_after: at(1000 * HOUR, 0).wall,
        };
        let said = |hour: u64| certificate.expires(at(hour * HOUR, 0).wall);
        assert_eq!(said(1000 - 7 * 24), None);
        let soon = said(1000 - 7 * 24 + 1).unwrap();
        assert!(
            soon.contains("/etc/node.pem expires in 6 days, at 1970-02-11"),
            "{soon}"
        );
        assert!(said(999).unwrap().contains("expires in 1 h"));
        assert!(
            said(1001)
                .unwrap()
                .contains("/etc/node.pem expired at 1970-02-11")
        );
    }
}
