//! A counter of which everything is known: what is emitted must be what was counted, to the last step.

#![expect(clippy::print_stdout, reason = "says what was simulated")]

use std::time::Duration;

use alumet_core::Timestamp;
use alumet_core::counter::CounterRange;
use alumet_core::source::Tick;
use alumet_core::time::{Moment, Monotonic};
use alumet_shared_energy_counter::{EnergyCounter, Interval, ReadAt, Refusal};

const STEPS_PER_JOULE: f64 = 16_384.0;
const MAX_RATE: f64 = 1000.0 * STEPS_PER_JOULE;
const RANGE: u64 = 1 << 32;

/// Marsaglia's xorshift with the multiplier of Vigna.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn is_one_in(&mut self, number: u64) -> bool {
        self.below(number) == 0
    }
}

/// What happens to the machine within an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Nothing,
    Reset,
    /// The machine sleeps, and the counter is set to zero or not.
    Suspension {
        resets: bool,
    },
    /// The reading shows something else than the counter.
    Nonsense(u64),
    /// There is no reading.
    Unreadable,
    /// The processor is taken offline for a while, and the counter is set to zero or not.
    Unplugged {
        resets: bool,
    },
}

struct World {
    random: Random,
    now: Moment,
    /// What was counted since the beginning of time.
    truth: u64,
    register: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            now: Moment {
                wall: Timestamp::from_nanos(1_700_000_000_000_000_000),
                monotonic: Monotonic::from_nanos(1),
            },
            truth: 0,
            register: 12_345,
        }
    }

    /// Lets time pass and energy be counted; at most the power that the bound allows. Says how much it was.
    fn run(&mut self, interval: Duration) -> u64 {
        self.now.monotonic = self.now.monotonic + interval;
        // The wall clock is slewed, and corrected by some milliseconds now and then.
        let slew = interval / 2000 + Duration::from_millis(self.random.below(200));
        self.now.wall = self.now.wall.saturating_add(interval + slew);
        let most = (MAX_RATE * interval.as_secs_f64()) as u64;
        let counted = match self.random.below(4) {
            0 => 0,
            1 => most,
            _ => self.random.below(most + 1),
        };
        self.truth += counted;
        self.register = (self.register + counted) % RANGE;
        counted
    }

    fn interval(&mut self) -> Duration {
        Duration::from_nanos(match self.random.below(1000) {
            // Up to a quarter of an hour: several wraps.
            0 => self.random.below(900_000_000_000),
            1..500 => self.random.below(2_000_000),
            _ => self.random.below(2_000_000_000),
        })
    }

    fn read_at(&mut self) -> ReadAt {
        let before = self.now;
        let took = Duration::from_nanos(self.random.below(50_000));
        self.now.monotonic = self.now.monotonic + took;
        self.now.wall = self.now.wall.saturating_add(took);
        let tick = Tick {
            timestamp: before.wall,
            monotonic: before.monotonic,
            missed: 0,
        };
        ReadAt::between(tick, before, self.now)
    }

    /// An event that leaves a trace: what cannot be told from counting, no reader can tell.
    fn event(&mut self, shown: u64, interval: Duration) -> Event {
        let possible = (MAX_RATE * (interval.as_secs_f64() + 0.011)) as u64;
        let looks_like_counting = |value: u64| {
            let from = |start: u64| (value + RANGE - start) % RANGE;
            from(shown) <= possible || from(self.register) <= possible || possible >= RANGE
        };
        let after_reset = (MAX_RATE * interval.as_secs_f64()) as u64;
        match self.random.below(200) {
            0 if shown > after_reset && !looks_like_counting(0) && !looks_like_counting(after_reset) => {
                Event::Reset
            }
            1 => Event::Suspension {
                resets: self.random.is_one_in(2),
            },
            2 => {
                let values = [0, u64::from(u32::MAX), RANGE, u64::MAX, self.random.below(RANGE)];
                let value = values[self.random.below(5) as usize];
                match looks_like_counting(value % RANGE) {
                    true => Event::Nothing,
                    false => Event::Nonsense(value),
                }
            }
            3 => Event::Unreadable,
            4 => Event::Unplugged {
                resets: self.random.is_one_in(2),
            },
            _ => Event::Nothing,
        }
    }
}

fn simulate(reads: u64, seed: u64) {
    let mut world = World::new(seed);
    let mut counter = EnergyCounter::new(CounterRange::Bits32, MAX_RATE);
    // The truth at the last reading, if that was one of the counter; and what it showed.
    let (mut truth_then, mut shown) = (0, 0);
    let (mut is_certain, mut is_broken, mut was_refused) = (false, true, false);
    let mut since_reading = Duration::ZERO;
    let (mut emitted, mut refused, mut lost_needlessly) = (0_u64, 0_u64, 0_u64);
    for read in 0..reads {
        let interval = world.interval();
        since_reading += interval;
        let event = world.event(shown, since_reading);
        match event {
            Event::Reset => {
                let (first, second) = (interval / 3, interval - interval / 3);
                world.run(first);
                world.register = 0;
                world.run(second);
                is_broken = true;
            }
            Event::Suspension { resets } => {
                world.run(interval);
                let slept = Duration::from_millis(1100 + world.random.below(10_000_000)) + interval / 999;
                world.now.wall = world.now.wall.saturating_add(slept);
                if resets {
                    world.register = 0;
                }
                is_broken = true;
            }
            Event::Unplugged { resets } => {
                world.run(interval);
                if resets {
                    world.register = 0;
                }
                counter.reset();
                is_broken = true;
            }
            Event::Nothing | Event::Nonsense(_) | Event::Unreadable => {
                world.run(interval);
            }
        }
        if event == Event::Unreadable {
            continue;
        }
        let at = world.read_at();
        let value = match event {
            Event::Nonsense(value) => value,
            _ => world.register,
        };
        let result = counter.update(value, at);
        let truth = world.truth - truth_then;
        match result {
            Interval::Counted(counted) => {
                assert!(
                    !is_broken && event_is_none(event),
                    "read {read}: {event:?} was not noticed"
                );
                assert!(is_certain, "read {read}: the reading before was nonsense");
                assert_eq!(counted, truth, "read {read}, {since_reading:?}");
                emitted += counted;
            }
            Interval::Begins | Interval::Refused(_) => {
                refused += u64::from(result != Interval::Begins);
                let may_have_wrapped = (MAX_RATE * (since_reading.as_secs_f64() + 0.02)) as u64 >= RANGE;
                let is_doubtful =
                    is_broken || !is_certain || was_refused || !event_is_none(event) || may_have_wrapped;
                // Where a count passes what it showed before a fall, it is doubted once more.
                if !is_doubtful {
                    assert_eq!(
                        result,
                        Interval::Refused(Refusal::Reset),
                        "read {read}, {since_reading:?}"
                    );
                    lost_needlessly += 1;
                }
            }
        }
        was_refused = matches!(result, Interval::Refused(_));
        is_certain = !matches!(event, Event::Nonsense(_));
        (is_broken, shown, truth_then) = (false, value % RANGE, world.truth);
        since_reading = Duration::ZERO;
    }
    assert!(
        emitted > reads && refused > reads / 200,
        "{emitted} emitted, {refused} refused"
    );
    assert!(
        lost_needlessly < refused,
        "{lost_needlessly} of {refused} were refused without a reason"
    );
    println!(
        "{reads} readings: {emitted} steps emitted, {refused} intervals refused, {lost_needlessly} of them only after falls"
    );
}

fn event_is_none(event: Event) -> bool {
    event == Event::Nothing
}

#[test]
fn what_is_emitted_of_a_million_readings_is_what_was_counted() {
    simulate(1_000_000, 0x9E37_79B9_7F4A_7C15);
}

#[test]
#[ignore = "takes a minute; run it after a change of the counter"]
fn what_is_emitted_of_a_hundred_million_readings_is_what_was_counted() {
    for seed in 1..=100 {
        simulate(1_000_000, seed);
    }
}

/// A counter that is brought up to date each millisecond, polled each millisecond at times that vary.
#[test]
fn at_a_kilohertz_intervals_show_nothing_or_twice_the_energy_and_their_sum_is_right() {
    let mut random = Random(7);
    let mut counter = EnergyCounter::new(CounterRange::Bits32, MAX_RATE);
    let per_update = (900.0 * STEPS_PER_JOULE / 1000.0) as u64;
    let (mut counts, mut first, mut last) = (Vec::new(), None, 0);
    for poll in 0..10_000_u64 {
        let nanos = poll * 1_000_000 + random.below(400_000);
        let now = Moment {
            wall: Timestamp::from_nanos(nanos.cast_signed()),
            monotonic: Monotonic::from_nanos(nanos),
        };
        let tick = Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        };
        // Its millisecond begins where the polls vary.
        last = (nanos + 800_000) / 1_000_000 * per_update;
        first.get_or_insert(last);
        match counter.update(last, ReadAt::between(tick, now, now)) {
            Interval::Counted(count) => counts.push(count),
            other => assert_eq!(other, Interval::Begins),
        }
    }
    assert_eq!(Some(last - counts.iter().sum::<u64>()), first);
    for updates in 0..=2 {
        assert!(counts.contains(&(updates * per_update)), "{updates}");
    }
    assert!(counts.iter().all(|count| *count <= 2 * per_update));
}

/// A counter that fell to nothing for several readings, after it had once shown much more than it should.
#[test]
fn the_way_back_from_nothing_is_not_counted_whatever_was_shown_before() {
    let mut counter = EnergyCounter::new(CounterRange::Unknown, MAX_RATE);
    let joules = |joules: u64| joules * STEPS_PER_JOULE as u64;
    let mut counted = Vec::new();
    for (second, shown) in [500, 1_000_000, 501, 502, 503, 0, 0, 0, 504, 505, 506]
        .into_iter()
        .enumerate()
    {
        let now = Moment {
            wall: Timestamp::from_nanos(second as i64 * 1_000_000_000),
            monotonic: Monotonic::from_nanos(second as u64 * 1_000_000_000),
        };
        let tick = Tick {
            timestamp: now.wall,
            monotonic: now.monotonic,
            missed: 0,
        };
        if let Interval::Counted(count) = counter.update(joules(shown), ReadAt::between(tick, now, now)) {
            counted.push(count);
        }
    }
    assert_eq!(counted, [joules(1), 0, joules(1)]);
}
