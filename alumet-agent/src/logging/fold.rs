use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use alumet_core::time::{Clock, Monotonic};
use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats lines of the log, and folds those that come from the same place in the code and too often: whoever can make the
/// program say something must not be able to fill its disk, nor to hide what is said elsewhere.
pub(super) struct Folded<F> {
    format: F,
    clock: Arc<dyn Clock>,
    /// The places that said something, each since no longer than [`PERIOD`]; as many as the program has at most.
    places: Mutex<HashMap<Identifier, Place>>,
}

struct Place {
    since: Monotonic,
    count: u64,
    metadata: &'static Metadata<'static>,
    /// What was said first.
    message: String,
}

/// What was said already, once [`say_once`] was called.
static SAID: Mutex<Option<HashSet<(Identifier, String)>>> = Mutex::new(None);

/// Lets nothing be said again from now on: for a program that starts the same several times.
pub(crate) fn say_once() {
    SAID.lock().get_or_insert_default();
}

fn is_said(event: &Event<'_>) -> bool {
    let mut said = SAID.lock();
    let said = said.as_mut();
    said.is_some_and(|said| !said.insert((event.metadata().callsite(), message(event))))
}

/// How long the lines of a place are counted together.
const PERIOD: Duration = Duration::from_secs(60);
/// How many of them are written.
const SHOWN: u64 = 20;
/// How much of a message is repeated.
const EXCERPT: usize = 200;

impl<F> Folded<F> {
    pub(super) fn new(format: F, clock: Arc<dyn Clock>) -> Self {
        Self {
            format,
            clock,
            places: Mutex::default(),
        }
    }

    /// Counts a line. Says whether it is written, and what is to be said about folded ones before.
    fn count(&self, event: &Event<'_>) -> (bool, Vec<(&'static Metadata<'static>, String)>) {
        let now = self.clock.now().monotonic;
        let mut said = Vec::new();
        let mut places = self.places.lock();
        places.retain(|_, place| {
            let is_over = now.since(place.since) >= PERIOD;
            if is_over && place.count > SHOWN {
                let folded = place.count - SHOWN;
                let seconds = PERIOD.as_secs();
                let message = format!("{} … and {folded} more like it in {seconds} s", place.message);
                said.push((place.metadata, message));
            }
            !is_over
        });
        let metadata = event.metadata();
        let place = places.entry(metadata.callsite()).or_insert_with(|| Place {
            since: now,
            count: 0,
            metadata,
            message: message(event),
        });
        place.count += 1;
        if place.count == SHOWN + 1 {
            let message = format!(
                "{} … comes too often; more is only counted for a while",
                place.message
            );
            said.push((metadata, message));
        }
        (place.count <= SHOWN, said)
    }
}

impl<S, N, F> FormatEvent<S, N> for Folded<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if is_said(event) {
            return Ok(());
        }
        let (is_written, said) = self.count(event);
        for (metadata, message) in said {
            let fields = metadata.fields();
            let Some(field) = fields.field(MESSAGE) else {
                continue;
            };
            let values = [(&field, Some(&message as &dyn tracing::Value))];
            let values = fields.value_set(&values);
            let event = Event::new(metadata, &values);
            self.format.format_event(context, writer.by_ref(), &event)?;
        }
        match is_written {
            true => self.format.format_event(context, writer, event),
            false => Ok(()),
        }
    }
}

/// The field of what a line says.
const MESSAGE: &str = "message";

/// The beginning of what a line says.
fn message(event: &Event<'_>) -> String {
    struct Found(String);

    impl Visit for Found {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == MESSAGE {
                // Writing to a string cannot fail.
                let _ = write!(self.0, "{value:?}");
            }
        }
    }

    let mut found = Found(String::new());
    event.record(&mut found);
    found.0.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use alumet_core::testkit::ManualClock;

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn take(&self) -> Vec<String> {
            let text = String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    fn refuse(peer: u64) {
        tracing::warn!(peer, "refused");
    }

    #[test]
    fn a_flood_is_folded_and_hides_nothing_that_is_said_elsewhere() {
        let (log, clock) = (Log::default(), ManualClock::new());
        let (writer, folding) = (log.clone(), Arc::new(clock.clone()));
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .map_event_format(|format| Folded::new(format, folding))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            (0..1000).for_each(refuse);
            let lines = log.take();
            assert_eq!(lines.len(), 21, "{lines:?}");
            assert_eq!(lines[19], " WARN refused peer=19");
            assert_eq!(
                lines[20],
                " WARN refused … comes too often; more is only counted for a while"
            );

            tracing::error!("something else");
            assert_eq!(log.take(), ["ERROR something else"]);
            clock.advance(Duration::from_secs(59));
            refuse(1000);
            assert_eq!(log.take(), [""; 0]);

            // The next line, whatever it is, tells what was folded.
            clock.advance(Duration::from_secs(1));
            tracing::info!("at last");
            let told = " WARN refused … and 981 more like it in 60 s";
            assert_eq!(log.take(), [told, " INFO at last"]);
            refuse(1001);
            assert_eq!(log.take(), [" WARN refused peer=1001"]);
        });
    }
}
