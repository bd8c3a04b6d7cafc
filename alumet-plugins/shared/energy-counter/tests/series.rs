//! Series of joules, and the intervals that they lack.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::io;
use std::path::Path;
use std::time::Duration;

use alumet_core::catalog::Catalog;
use alumet_core::counter::CounterRange;
use alumet_core::output::RecordedSample;
use alumet_core::source::{Accumulator, Tick};
use alumet_core::testkit::ManualClock;
use alumet_core::time::Clock;
use alumet_core::unit::Unit;
use alumet_core::{Consumer, Resource};
use alumet_reader_kernel_file::ReadError;
use alumet_shared_energy_counter::{EnergyCounter, EnergySeries, Outcome, ReadAt, Refusal, Refusals};

alumet_core::metrics! {
    ENERGY = Delta<f64> {
        name: "energy", unit: Unit::JOULE, description: "For tests.",
    };
    REFUSED = Delta<u64> {
        name: "refused", unit: Unit::ONE, description: "For tests.", attributes: ["reason"],
    };
}

const EIO: i32 = 5;
const ENOENT: i32 = 2;

struct Desk {
    clock: ManualClock,
    catalog: Catalog,
    energy: EnergySeries,
    refusals: Refusals,
}

impl Desk {
    fn new() -> Self {
        let catalog = Catalog::new();
        let metric = catalog.metric(&ENERGY).unwrap();
        let series = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let counter = EnergyCounter::new(CounterRange::Unknown, 1000.0 * 1e6);
        let refusals = Refusals::register(&catalog, catalog.metric(&REFUSED).unwrap());
        Self {
            clock: ManualClock::new(),
            energy: EnergySeries::new(series, counter, 1e6),
            refusals,
            catalog,
        }
    }

    /// What becomes of a reading, or of an error, one second after the one before; and the samples of that.
    fn read(&mut self, reading: Result<u64, i32>, took: Duration) -> (Option<Outcome>, Vec<RecordedSample>) {
        self.clock.advance(Duration::from_secs(1));
        let before = self.clock.now();
        let tick = Tick {
            timestamp: before.wall,
            monotonic: before.monotonic,
            missed: 0,
        };
        self.clock.advance(took);
        let mut batch = self.catalog.batch();
        let mut out = Accumulator::new(&mut batch, tick, &self.clock);
        let outcome = self.energy.is_due(tick.monotonic).then(|| {
            let of_errno =
                |number| ReadError::of_file(Path::new("energy_uj"), io::Error::from_raw_os_error(number), "");
            let at = ReadAt::between(tick, before, out.now());
            self.energy.push(
                reading.map_err(of_errno),
                at,
                &"a counter",
                &mut self.refusals,
                &mut out,
            )
        });
        self.refusals.push(&mut out);
        (outcome, RecordedSample::of_batch(&batch))
    }

    fn outcome(&mut self, reading: Result<u64, i32>) -> Option<Outcome> {
        self.read(reading, Duration::ZERO).0
    }
}

#[test]
fn an_error_once_is_no_gap_and_twice_is_one() {
    let mut desk = Desk::new();
    assert_eq!(desk.outcome(Ok(5_000_000)), Some(Outcome::Begun));
    assert_eq!(desk.outcome(Err(EIO)), Some(Outcome::Missing));
    assert_eq!(desk.outcome(Ok(1_905_000_000)), Some(Outcome::Counted(1900.0)));
    assert_eq!(desk.outcome(Err(EIO)), Some(Outcome::Missing));
    assert_eq!(desk.outcome(Err(EIO)), Some(Outcome::Gone));
    assert_eq!(desk.outcome(Err(EIO)), Some(Outcome::Absent));
    assert_eq!(desk.outcome(Ok(1_906_000_000)), Some(Outcome::Begun));
}

#[test]
fn what_is_gone_is_a_gap_at_once() {
    let mut desk = Desk::new();
    desk.outcome(Ok(5));
    assert_eq!(desk.outcome(Err(ENOENT)), Some(Outcome::Gone));
    assert_eq!(desk.outcome(Ok(9)), Some(Outcome::Begun));
}

#[test]
fn refusals_begin_with_zeros_and_are_shown_only_where_there_are_some() {
    let mut desk = Desk::new();
    let texts = |samples: Vec<RecordedSample>| samples.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (_, first) = desk.read(Err(ENOENT), Duration::ZERO);
    assert_eq!(first.len(), 5);
    assert!(texts(first).iter().all(|text| text.ends_with(" = 0")));
    // What was refused before the series began.
    let (_, second) = desk.read(Ok(7_000_000), Duration::ZERO);
    assert_eq!(
        texts(second),
        [
            "energy local_machine local_machine {} = 0",
            "refused local_machine local_machine {reason=unreadable} = 1"
        ]
    );
    assert_eq!(
        texts(desk.read(Ok(7_000_000), Duration::ZERO).1),
        ["energy local_machine local_machine {} = 0"]
    );
    desk.refusals.count(Refusal::Excess);
    assert_eq!(texts(desk.read(Ok(7_000_000), Duration::ZERO).1).len(), 2);
}

#[test]
fn a_reading_that_takes_long_has_the_time_of_its_middle() {
    let mut desk = Desk::new();
    let (_, samples) = desk.read(Ok(0), Duration::from_millis(1));
    assert_eq!(samples[0].timestamp, samples[1].timestamp);
    let (_, samples) = desk.read(Ok(0), Duration::from_millis(10));
    assert_eq!(
        samples[0].timestamp,
        ManualClock::START.saturating_add(Duration::from_millis(2006))
    );
}
