//! One consumer that is counted: its counters and its series.

use std::io;

use alumet_core::catalog::MetricHandle;
use alumet_core::source::Accumulator;
use alumet_core::time::Monotonic;
use alumet_core::{Consumer, Resource, Series};
use alumet_reader_perf_event::{Counters, Event, Reading, Target};

use crate::model::Increment;

/// The events that are counted.
pub(crate) struct Events {
    pub(crate) events: Vec<Event>,
    /// The metric of each.
    pub(crate) metrics: Vec<MetricHandle<u64>>,
    pub(crate) running_share: MetricHandle<f64>,
}

/// A consumer with everything that is counted for it.
pub(crate) struct Counted {
    consumer: Consumer,
    columns: Vec<Column>,
    /// Whether the kernel gives sound times.
    has_times: bool,
}

/// The series of a resource, and what adds up to them.
struct Column {
    resource: Resource,
    parts: Vec<Part>,
    /// The tick at which the series began; nothing when they begin with the next reading.
    begun: Option<Monotonic>,
    /// For each event; made with its first sample, for not every event is counted everywhere.
    series: Vec<Option<Series<u64>>>,
    running_share: Option<Series<f64>>,
}

/// The counters of one target.
pub(crate) struct Part {
    cpu: Option<u32>,
    /// The places of its events.
    events: Vec<usize>,
    counters: Counters,
    before: Vec<Reading>,
}

/// What readings are put in, again and again.
#[derive(Default)]
pub(crate) struct Room {
    readings: Vec<Reading>,
    sums: Vec<Increment>,
}

impl Part {
    /// Begins to count what of the events can be counted for the target; nothing when there is none.
    pub(crate) fn open(target: Target<'_>, events: &[Event]) -> io::Result<Option<Self>> {
        let (cpu, is_program) = match target {
            Target::Thread(_) => (None, true),
            Target::Cgroup(_, cpu) => (Some(cpu), true),
            Target::Cpu(cpu) => (Some(cpu), false),
        };
        let is_counted = |event: &Event| {
            cpu.is_none_or(|cpu| event.counts_on(cpu)) && (event.counts_programs() || !is_program)
        };
        let wanted = events.iter().enumerate().filter(|(_, event)| is_counted(event));
        let places: Vec<usize> = wanted.map(|(place, _)| place).collect();
        if places.is_empty() {
            return Ok(None);
        }
        let counters = Counters::open(target, places.iter().map(|place| &events[*place]))?;
        Ok(Some(Self {
            cpu,
            before: vec![Reading::default(); places.len()],
            events: places,
            counters,
        }))
    }

    /// Reads its counters; whether that was possible.
    fn read(&self, room: &mut Room) -> bool {
        let result = self.counters.read(&mut room.readings);
        if let Err(error) = &result {
            tracing::debug!(%error, cpu = self.cpu, "counters could not be read this time");
        }
        result.is_ok()
    }
}

impl Counted {
    pub(crate) fn new(consumer: Consumer) -> Self {
        // The kernel does not keep the times of the control group at the root.
        let has_times = !matches!(&consumer, Consumer::ControlGroup { path } if &**path == "/");
        Self {
            consumer,
            columns: Vec::new(),
            has_times,
        }
    }

    /// Counts these from now on, too: for CPUs of their own, or together with the others. A series begins where its counters do.
    pub(crate) fn add(
        &mut self,
        parts: Vec<Part>,
        per_cpu: bool,
        events: &Events,
        out: &mut Accumulator<'_>,
    ) {
        for part in parts {
            let resource = match part.cpu.filter(|_| per_cpu) {
                Some(id) => Resource::CpuCore { id },
                None => Resource::LocalMachine,
            };
            match self.columns.iter_mut().find(|column| column.resource == resource) {
                Some(column) => column.parts.push(part),
                None => self.columns.push(Column {
                    resource,
                    parts: vec![part],
                    begun: None,
                    series: events.metrics.iter().map(|_| None).collect(),
                    running_share: None,
                }),
            }
        }
        for column in self.columns.iter_mut().filter(|column| column.begun.is_none()) {
            column.begin(&self.consumer, events, out);
        }
    }

    /// Ends the counters of CPUs that do not run any more.
    pub(crate) fn keep_cpus(&mut self, cpus: &[u32]) {
        for column in &mut self.columns {
            column
                .parts
                .retain(|part| part.cpu.is_none_or(|cpu| cpus.contains(&cpu)));
        }
        self.columns.retain(|column| !column.parts.is_empty());
    }

    /// The CPUs on which it is counted; nothing for one that is counted wherever it runs.
    pub(crate) fn cpus(&self) -> impl Iterator<Item = u32> {
        self.columns
            .iter()
            .flat_map(|column| column.parts.iter().filter_map(|part| part.cpu))
    }

    /// How many descriptors are open for it.
    pub(crate) fn descriptors(&self) -> usize {
        let parts = self.columns.iter().flat_map(|column| &column.parts);
        parts.map(|part| part.counters.descriptors()).sum()
    }

    /// Lets its series begin again with the next reading.
    pub(crate) fn forget(&mut self) {
        for column in &mut self.columns {
            column.begun = None;
        }
    }

    /// Reads the counters and pushes what they counted since the previous reading.
    pub(crate) fn read(&mut self, events: &Events, room: &mut Room, out: &mut Accumulator<'_>) {
        for column in &mut self.columns {
            if column.begun.is_none() {
                column.catch_up(room);
                column.begin(&self.consumer, events, out);
            } else if column.begun != Some(out.tick().monotonic) {
                column.add_up(self.has_times, events, room);
                column.push(&self.consumer, events, &room.sums, out);
            }
        }
    }
}

impl Column {
    /// Forgets what was counted up to now.
    fn catch_up(&mut self, room: &mut Room) {
        for part in &mut self.parts {
            if part.read(room) {
                part.before.clone_from(&room.readings);
            }
        }
    }

    /// Adds up what was counted since the previous reading.
    fn add_up(&mut self, has_times: bool, events: &Events, room: &mut Room) {
        room.sums.clear();
        room.sums.resize(events.events.len(), Increment::default());
        for part in &mut self.parts {
            if !part.read(room) {
                continue;
            }
            for ((place, before), now) in part.events.iter().zip(&mut part.before).zip(&room.readings) {
                room.sums[*place].add(Increment::between(before, *now, has_times));
            }
        }
    }

    /// Pushes the zeros with which the series begin.
    fn begin(&mut self, consumer: &Consumer, events: &Events, out: &mut Accumulator<'_>) {
        self.begun = Some(out.tick().monotonic);
        for place in 0..events.events.len() {
            if self.parts.iter().any(|part| part.events.contains(&place)) {
                self.push_count(place, 0, consumer, events, out);
            }
        }
    }

    fn push(&mut self, consumer: &Consumer, events: &Events, sums: &[Increment], out: &mut Accumulator<'_>) {
        for (place, sum) in sums.iter().enumerate() {
            if let Some(count) = sum.count {
                self.push_count(place, count, consumer, events, out);
            }
        }
        if let Some(share) = sums.iter().filter_map(|sum| sum.share()).min_by(f64::total_cmp) {
            let series = self.running_share.get_or_insert_with(|| {
                let series =
                    out.catalog()
                        .series(events.running_share, self.resource.clone(), consumer.clone());
                series.register()
            });
            out.push(series, share);
        }
    }

    fn push_count(
        &mut self,
        place: usize,
        count: u64,
        consumer: &Consumer,
        events: &Events,
        out: &mut Accumulator<'_>,
    ) {
        let series = self.series[place].get_or_insert_with(|| {
            let series = out
                .catalog()
                .series(events.metrics[place], self.resource.clone(), consumer.clone());
            series.register()
        });
        out.push(series, count);
    }
}
