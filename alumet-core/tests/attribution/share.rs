//! The transform: shares the energy of each interval over the consumers, by what each of them used in it.

use std::collections::VecDeque;
use std::time::Duration;

use alumet_core::catalog::MetricHandle;
use alumet_core::failure::Failure;
use alumet_core::progress::StreamId;
use alumet_core::series::SeriesId;
use alumet_core::time::Monotonic;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::unit::Unit;
use alumet_core::value::Value;
use alumet_core::{Batch, Catalog, Consumer, Resource, Series, SeriesMap, Timestamp};

alumet_core::metrics! {
    pub ENERGY = Delta<u64> {
        name: "energy", unit: Unit::JOULE.nano(), description: "Energy of a processor.",
        resources: ["cpu_package"], consumers: ["local_machine"], attributes: [],
    };
    pub CPU_TIME = Delta<u64> {
        name: "cpu_time", unit: Unit::SECOND.nano(), description: "CPU time of a process.",
        resources: ["local_machine"], consumers: ["process"], attributes: [],
    };
    pub ATTRIBUTED = Delta<u64> {
        name: "attributed_energy", unit: Unit::JOULE.nano(), description: "Energy that a process used.",
        resources: ["cpu_package"], consumers: ["process"], attributes: [],
    };
    pub UNATTRIBUTED = Delta<u64> {
        name: "unattributed_energy", unit: Unit::JOULE.nano(), description: "Energy that no process used.",
        resources: ["cpu_package"], consumers: ["local_machine"], attributes: [],
    };
}

/// Shares energy over consumers.
pub(crate) struct Attribution {
    attributed: MetricHandle<u64>,
    unattributed: MetricHandle<u64>,
    roles: SeriesMap<Option<Role>>,
    packages: Vec<Package>,
    /// In slots that are used again.
    consumers: Vec<Option<User>>,
    /// How far the streams of the consumers have come; one that has kept energy waiting for too long is forgotten until it
    /// comes again.
    streams: Vec<(StreamId, Monotonic)>,
    /// Energy that is not shared yet, oldest first.
    waiting: VecDeque<Energy>,
    patience: Duration,
}

#[derive(Clone, Copy)]
enum Role {
    Energy { package: usize },
    Use { consumer: usize },
}

struct Package {
    resource: Resource,
    unattributed: Series<u64>,
    /// When the latest interval ended.
    until: Monotonic,
}

struct User {
    consumer: Consumer,
    shares: Vec<Series<u64>>,
    /// When the latest interval ended; `None` before the first.
    until: Option<Monotonic>,
    /// What it used, oldest first.
    used: VecDeque<Interval>,
    gone: bool,
}

/// What was counted between two instants.
#[derive(Clone, Copy)]
struct Interval {
    from: Monotonic,
    to: Monotonic,
    amount: u64,
}

struct Energy {
    package: usize,
    interval: Interval,
    timestamp: Timestamp,
    /// When it is shared in any case.
    at_the_latest: Monotonic,
}

impl Interval {
    /// How much of the amount falls between two instants, if it is spread evenly.
    fn within(&self, from: Monotonic, to: Monotonic) -> f64 {
        let length = self.to.since(self.from).as_nanos() as f64;
        let shared = self.to.min(to).since(self.from.max(from)).as_nanos() as f64;
        if length > 0.0 {
            self.amount as f64 * shared / length
        } else {
            0.0
        }
    }
}

impl Attribution {
    pub(crate) fn new(catalog: &Catalog, patience: Duration) -> Result<Self, Failure> {
        Ok(Self {
            attributed: catalog.metric(&ATTRIBUTED)?,
            unattributed: catalog.metric(&UNATTRIBUTED)?,
            roles: SeriesMap::new(),
            packages: Vec::new(),
            consumers: Vec::new(),
            streams: Vec::new(),
            waiting: VecDeque::new(),
            patience,
        })
    }

    /// What a series is in the sharing; `None` if it is nothing.
    fn role(&mut self, series: SeriesId, catalog: &Catalog) -> Option<Role> {
        if let Some(role) = self.roles.get(series) {
            return *role;
        }
        let info = catalog.describe(series)?;
        let role = if info.metric.name == ENERGY.name() {
            let unattributed = catalog
                .series(self.unattributed, info.resource().clone(), Consumer::LocalMachine)
                .register();
            self.packages.push(Package {
                resource: info.resource().clone(),
                unattributed,
                until: Monotonic::default(),
            });
            let package = self.packages.len() - 1;
            Some(Role::Energy { package })
        } else if info.metric.name == CPU_TIME.name() {
            let user = User {
                consumer: info.consumer().clone(),
                shares: Vec::new(),
                until: None,
                used: VecDeque::new(),
                gone: false,
            };
            let consumer = match self.consumers.iter().position(Option::is_none) {
                Some(free) => free,
                None => {
                    self.consumers.push(None);
                    self.consumers.len() - 1
                }
            };
            self.consumers[consumer] = Some(user);
            Some(Role::Use { consumer })
        } else {
            None
        };
        self.roles.insert(series, role);
        role
    }

    /// Whether all that was used up to `instant` is known.
    fn is_known(&self, instant: Monotonic) -> bool {
        self.streams.iter().all(|(_, until)| *until >= instant)
    }

    /// Shares what is ready: its consumers are known up to its end, or it has waited for too long.
    fn share_ready(&mut self, out: &mut Batch, now: Monotonic) {
        while let Some(energy) = self.waiting.front() {
            let (end, late) = (energy.interval.to, energy.at_the_latest <= now);
            if late {
                self.streams.retain(|(_, until)| *until >= end);
            } else if !self.is_known(end) {
                return;
            }
            if let Some(energy) = self.waiting.pop_front() {
                self.share(&energy, out);
            }
        }
    }

    fn share(&mut self, energy: &Energy, out: &mut Batch) {
        let Interval { from, to, amount } = energy.interval;
        let used = |user: &User| {
            user.used
                .iter()
                .map(|interval| interval.within(from, to))
                .sum::<f64>()
        };
        let total: f64 = self.consumers.iter().flatten().map(used).sum();
        let mut left = amount;
        // All packages have the same intervals but for the order in which they are read.
        let still_needed = self.waiting.iter().map(|other| other.interval.from).min();
        let still_needed = still_needed.unwrap_or(to).min(to);
        for slot in &mut self.consumers {
            let Some(user) = slot else { continue };
            let share = (amount as f64 * used(user) / total) as u64;
            // At most one nanojoule too much, by rounding; the rest is not attributed.
            let share = share.min(left);
            left -= share;
            while user.shares.len() <= energy.package {
                let resource = self.packages[user.shares.len()].resource.clone();
                let series = out
                    .catalog()
                    .series(self.attributed, resource, user.consumer.clone());
                user.shares.push(series.register());
            }
            out.push(&user.shares[energy.package], energy.timestamp, share);
            while user
                .used
                .front()
                .is_some_and(|interval| interval.to <= still_needed)
            {
                user.used.pop_front();
            }
            if user.gone && user.used.is_empty() {
                *slot = None;
            }
        }
        out.push(
            &self.packages[energy.package].unattributed,
            energy.timestamp,
            left,
        );
    }
}

impl Transform for Attribution {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let Some(progress) = batch.progress() else {
            return Ok(());
        };
        let mut has_consumers = false;
        for index in 0..batch.len() {
            let Some(sample) = batch.get(index) else { break };
            let (Some(role), Value::U64(amount)) =
                (self.role(sample.series, context.catalog), sample.value())
            else {
                continue;
            };
            let to = progress.monotonic_of(sample.timestamp);
            match role {
                Role::Energy { package } => {
                    let from = std::mem::replace(&mut self.packages[package].until, to);
                    // The series begins, or begins anew, with a 0.
                    if amount > 0 {
                        self.waiting.push_back(Energy {
                            package,
                            interval: Interval { from, to, amount },
                            timestamp: sample.timestamp,
                            at_the_latest: context.now.monotonic + self.patience,
                        });
                    }
                }
                Role::Use { consumer } => {
                    has_consumers = true;
                    let Some(user) = &mut self.consumers[consumer] else {
                        continue;
                    };
                    if let Some(from) = user.until.replace(to)
                        && amount > 0
                    {
                        user.used.push_back(Interval { from, to, amount });
                    }
                }
            }
        }
        let until = progress.until.monotonic;
        match self
            .streams
            .iter_mut()
            .find(|(stream, _)| *stream == progress.stream)
        {
            Some((_, before)) => *before = until,
            None if has_consumers => self.streams.push((progress.stream, until)),
            None => {}
        }
        self.share_ready(batch, context.now.monotonic);
        Ok(())
    }

    fn waits(&self) -> bool {
        true
    }

    fn wake_at(&self) -> Option<Monotonic> {
        Some(self.waiting.front()?.at_the_latest)
    }

    fn tick(&mut self, out: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        self.share_ready(out, context.now.monotonic);
        Ok(())
    }

    fn retired(&mut self, series: SeriesId) {
        if let Some(Some(Role::Use { consumer })) = self.roles.remove(series)
            && let Some(user) = &mut self.consumers[consumer]
        {
            // What it used is needed until the energy of that time is shared.
            user.gone = true;
            if user.used.is_empty() {
                self.consumers[consumer] = None;
            }
        }
    }

    fn finish(&mut self, out: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        while let Some(energy) = self.waiting.pop_front() {
            self.share(&energy, out);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.roles.clear();
        self.packages.clear();
        self.consumers.clear();
        self.streams.clear();
        self.waiting.clear();
    }
}
