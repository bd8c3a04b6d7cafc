//! What the samples of a run tell of the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::metric::{MetricKind, Quality};
use alumet_core::series::SeriesInfo;
use alumet_core::time::Timestamp;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::unit::Unit;
use alumet_core::{AttributeValue, Batch, Consumer, Failure, Resource, SeriesMap};
use parking_lot::Mutex;

/// Looks at all samples, and changes none.
pub(crate) struct MachineWatch {
    roles: SeriesMap<Option<Role>>,
    machine: Machine,
}

/// What the last samples told.
#[derive(Clone, Default)]
pub(super) struct Machine(Arc<Mutex<Readings>>);

#[derive(Default)]
struct Readings {
    energies: Vec<Energy>,
    /// Time that CPUs were busy in this batch, and all their time.
    cpu_time: [f64; 2],
    cpu_percent: Latest,
    memory_total: Latest,
    memory_available: Latest,
}

/// Of what a series tells.
#[derive(Clone, Copy)]
enum Role {
    /// Of the energy at this index.
    Energy(usize),
    CpuTime {
        is_busy: bool,
    },
    MemoryTotal,
    MemoryAvailable,
}

/// What one series tells of the energy of the machine.
struct Energy {
    /// Whether it is that of the whole machine, as far as the series knows it.
    is_whole: bool,
    quality: Quality,
    /// From when to when `joules` were used.
    since: Option<Timestamp>,
    until: Timestamp,
    joules: f64,
    watts: Latest,
}

/// A value, as long as it is renewed about as often as it was.
#[derive(Default)]
struct Latest(Option<(f64, Instant, Duration)>);

impl Latest {
    /// Samples may wait so long before they are handed on.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn set(&mut self, value: f64) {
        let pause = self.0.map_or(Duration::ZERO, |(_, at, _)| at.elapsed());
        self.0 = Some((value, Instant::now(), pause));
    }

    fn get(&self) -> Option<f64> {
        let (value, at, pause) = self.0?;
        (at.elapsed() <= pause * 3 + Self::PATIENCE).then_some(value)
    }
}

impl MachineWatch {
    pub(super) fn for_line(machine: Machine) -> Self {
        let roles = SeriesMap::default();
        Self { roles, machine }
    }
}

impl Transform for MachineWatch {
    fn apply(&mut self, batch: &mut Batch, context: &TransformContext<'_>) -> Result<(), Failure> {
        let mut readings = self.machine.0.lock();
        for sample in batch.samples() {
            let role = self.roles.get_or_insert_with(sample.series, || {
                let series = context.catalog.describe(sample.series)?;
                readings.role_of(&series)
            });
            if let Some(role) = *role {
                readings.take(role, sample.value().as_f64(), sample.timestamp);
            }
        }
        readings.end_of_batch();
        Ok(())
    }
}

impl Readings {
    /// None for what is not about this machine as a whole.
    fn role_of(&mut self, series: &SeriesInfo) -> Option<Role> {
        let attributes = series.attributes();
        let is_of_machine =
            *series.consumer() == Consumer::LocalMachine && *series.resource() == Resource::LocalMachine;
        // A relay server tells so which other machine it is, a transform which part of the machine's.
        if !is_of_machine || ["node", "part"].iter().any(|key| attributes.get(key).is_some()) {
            return None;
        }
        let word = |key: &str| attributes.get(key).map(AttributeValue::to_string);
        match &*series.metric.name {
            "kernel_cpu_time" => match word("cpu_state")?.as_str() {
                "guest" | "guest_nice" => None,
                state => Some(Role::CpuTime {
                    is_busy: !["idle", "iowait"].contains(&state),
                }),
            },
            "mem_total" => Some(Role::MemoryTotal),
            "mem_available" => Some(Role::MemoryAvailable),
            _ => {
                let is_energy = Unit::convert(1.0, &series.metric.unit, &Unit::JOULE) == Some(1.0);
                let is_whole = match word("domain").as_deref() {
                    Some("platform_total") => true,
                    Some("package_total" | "dram_total") => false,
                    None if attributes.iter().next().is_none() => true,
                    _ => return None,
                };
                (is_energy && series.metric.kind == MetricKind::Delta).then(|| {
                    self.energies.push(Energy {
                        is_whole,
                        quality: series.metric.quality,
                        since: None,
                        until: Timestamp::from_nanos(0),
                        joules: 0.0,
                        watts: Latest::default(),
                    });
                    Role::Energy(self.energies.len() - 1)
                })
            }
        }
    }

    fn take(&mut self, role: Role, value: f64, at: Timestamp) {
        match role {
            Role::Energy(index) => {
                let Some(energy) = self.energies.get_mut(index) else {
                    return;
                };
                energy.until = at;
                match energy.since {
                    Some(_) => energy.joules += value,
                    None => energy.since = Some(at),
                }
            }
            Role::CpuTime { is_busy } => {
                self.cpu_time[0] += if is_busy { value } else { 0.0 };
                self.cpu_time[1] += value;
            }
            Role::MemoryTotal => self.memory_total.set(value),
            Role::MemoryAvailable => self.memory_available.set(value),
        }
    }

    fn end_of_batch(&mut self) {
        let [busy, all] = std::mem::take(&mut self.cpu_time);
        if all > 0.0 {
            self.cpu_percent.set(100.0 * busy / all);
        }
        for energy in &mut self.energies {
            let Some(since) = energy.since else { continue };
            let seconds = energy.until.checked_since(since).map(|time| time.as_secs_f64());
            if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) {
                energy.watts.set(std::mem::take(&mut energy.joules) / seconds);
                energy.since = Some(energy.until);
            }
        }
    }

    /// In watts: that of the whole machine, measured rather than not, or else that of its parts together.
    fn power(&self) -> Option<(f64, Quality)> {
        let known =
            |energy: &Energy| Some((energy.watts.get().filter(|watts| *watts > 0.0)?, energy.quality));
        let of = |is_whole: bool| {
            let energies = self.energies.iter();
            energies
                .filter(move |energy| energy.is_whole == is_whole)
                .filter_map(known)
        };
        let is_measured = |(_, quality): &(f64, Quality)| *quality == Quality::Measured;
        let parts = of(false).reduce(|(sum, quality), (watts, _)| (sum + watts, quality));
        of(true).find(is_measured).or(parts).or_else(|| of(true).next())
    }
}

impl Machine {
    /// Power, use of the CPUs and memory, as far as they are measured.
    pub(super) fn describe(&self) -> Vec<String> {
        let readings = self.0.lock();
        let mut parts = Vec::new();
        if let Some((watts, quality)) = readings.power() {
            parts.push(match quality {
                Quality::Measured => format!("{watts:.1} W"),
                quality => format!("{watts:.1} W ({})", quality.name()),
            });
        }
        if let Some(percent) = readings.cpu_percent.get() {
            parts.push(format!("CPU {percent:.0} %"));
        }
        if let (Some(total), Some(available)) = (readings.memory_total.get(), readings.memory_available.get())
        {
            let [used, total] = [total - available, total].map(|bytes| bytes / f64::from(1 << 30));
            parts.push(format!("memory {used:.1} of {total:.1} GiB"));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::Metric;
    use alumet_core::series::{SeriesHandle, SeriesKey};
    use alumet_core::time::{Clock, SystemClock};
    use alumet_core::value::ValueType;
    use alumet_core::{Attributes, Catalog};

    use super::*;

    /// A machine that is looked at.
    struct Scene {
        catalog: Catalog,
        watch: MachineWatch,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                catalog: Catalog::new(),
                watch: MachineWatch::for_line(Machine::default()),
            }
        }

        /// A series of the whole machine.
        fn series(
            &self,
            name: &'static str,
            quality: Quality,
            attributes: &[(&'static str, &str)],
        ) -> SeriesHandle {
            let is_energy = name.ends_with("energy");
            let (metric, _) = self.catalog.admit_metric(Metric {
                name: name.into(),
                kind: if name.starts_with("mem") {
                    MetricKind::Gauge
                } else {
                    MetricKind::Delta
                },
                value_type: ValueType::F64,
                unit: if is_energy { Unit::JOULE } else { Unit::ONE },
                description: "".into(),
                quality,
            });
            let attributes = attributes
                .iter()
                .map(|(key, value)| (*key, AttributeValue::from(*value)));
            self.catalog.register(SeriesKey {
                metric,
                resource: Resource::LocalMachine,
                consumer: Consumer::LocalMachine,
                attributes: attributes.collect::<Attributes>(),
            })
        }

        /// What is told after these samples of a second.
        fn told(&mut self, second: i64, samples: &[(&SeriesHandle, f64)]) -> Vec<String> {
            let mut batch = self.catalog.batch();
            for (series, value) in samples {
                batch.push_bits(
                    series,
                    Timestamp::from_nanos(second * 1_000_000_000),
                    value.to_bits(),
                );
            }
            let context = TransformContext {
                catalog: &self.catalog,
                now: SystemClock.now(),
            };
            let before = batch.len();
            self.watch.apply(&mut batch, &context).unwrap();
            assert_eq!(batch.len(), before, "nothing is changed");
            self.watch.machine.describe()
        }
    }

    #[test]
    fn use_of_the_cpus_and_memory_are_told_as_they_are_measured() {
        let mut scene = Scene::new();
        let cpu = |state| scene.series("kernel_cpu_time", Quality::Measured, &[("cpu_state", state)]);
        let [user, guest, idle, iowait] = ["user", "guest", "idle", "iowait"].map(cpu);
        let [total, available] =
            ["mem_total", "mem_available"].map(|name| scene.series(name, Quality::Measured, &[]));
        let first = [&user, &guest, &idle, &iowait].map(|series| (series, 0.0));
        assert_eq!(scene.told(0, &first), [""; 0], "nothing is known yet");
        let times = [(&user, 30.0), (&guest, 30.0), (&idle, 60.0), (&iowait, 10.0)];
        assert_eq!(scene.told(1, &times), ["CPU 30 %"]);
        let gib = f64::from(1 << 30);
        let memory = [(&total, 16.0 * gib), (&available, 12.5 * gib)];
        assert_eq!(scene.told(1, &memory), ["CPU 30 %", "memory 3.5 of 16.0 GiB"]);
    }

    #[test]
    fn power_is_that_of_the_whole_machine_or_of_its_parts_and_says_when_it_is_estimated() {
        let mut scene = Scene::new();
        let estimate = scene.series("estimated_consumed_energy", Quality::Estimated, &[]);
        scene.told(0, &[(&estimate, 0.0)]);
        assert_eq!(scene.told(2, &[(&estimate, 20.0)]), ["10.0 W (estimated)"]);

        let rapl = |domain| scene.series("rapl_consumed_energy", Quality::Measured, &[("domain", domain)]);
        let [package, cores, dram, platform] =
            ["package_total", "pp0_total", "dram_total", "platform_total"].map(rapl);
        let other = scene.series(
            "rapl_consumed_energy",
            Quality::Measured,
            &[("domain", "package_total"), ("node", "n1")],
        );
        let all = [&package, &cores, &dram, &platform, &other];
        scene.told(10, &all.map(|series| (series, 0.0)));
        let parts = [(&package, 30.0), (&cores, 25.0), (&dram, 5.0), (&other, 99.0)];
        assert_eq!(scene.told(11, &parts), ["35.0 W"]);
        let zero = [(&platform, 0.0)];
        assert_eq!(
            scene.told(11, &zero),
            ["35.0 W"],
            "a counter that stands still tells nothing"
        );
        assert_eq!(scene.told(12, &[(&platform, 100.0)]), ["100.0 W"]);
    }
}
