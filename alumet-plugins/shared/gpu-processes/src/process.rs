//! A process: the sum of what its clients of one card have used, and its series.

use std::sync::Arc;

use alumet_core::catalog::Catalog;
use alumet_core::source::Accumulator;
use alumet_core::{Attributes, Consumer, Resource, Series, Timestamp};

use crate::{Describe, Described, Part};

/// What a process uses of one card.
#[derive(Debug)]
pub(crate) struct Process {
    resource: Resource,
    consumer: Consumer,
    /// Who it is.
    attributes: Attributes,
    /// The instant from which on is known what it uses: the previous poll, or the scan after which it began.
    since: Option<Timestamp>,
    engines: Vec<Slot>,
    memory: Vec<Slot>,
    all_memory: Slot,
    /// Whether a client was read at this poll.
    pub(crate) is_read: bool,
}

#[derive(Debug)]
struct Slot {
    name: String,
    /// None if the plugin has no metric for it.
    series: Option<Series<u64>>,
    amount: u64,
    has_begun: bool,
}

impl Process {
    pub(crate) fn new(
        (pid, bus_id): (u32, &Arc<str>),
        attributes: Attributes,
        since: Option<Timestamp>,
        catalog: &Catalog,
        describe: &impl Describe,
    ) -> Self {
        let mut process = Self {
            resource: Resource::Gpu {
                bus_id: Arc::clone(bus_id),
            },
            consumer: Consumer::Process { pid },
            attributes,
            since,
            engines: Vec::new(),
            memory: Vec::new(),
            all_memory: Slot {
                name: String::new(),
                series: None,
                amount: 0,
                has_begun: false,
            },
            is_read: false,
        };
        process.all_memory.series = process.series(Part::AllMemory, catalog, describe);
        process
    }

    fn series(&self, part: Part<'_>, catalog: &Catalog, describe: &impl Describe) -> Option<Series<u64>> {
        let Described { metric, attribute } = describe.describe(part)?;
        let series = catalog.series(metric, self.resource.clone(), self.consumer.clone());
        let series = series.attributes(&self.attributes);
        let series = match attribute {
            Some((key, value)) => series.attribute(key, value),
            None => series,
        };
        Some(series.register())
    }

    /// Adds what a client has used or holds.
    pub(crate) fn add(&mut self, part: Part<'_>, amount: u64, catalog: &Catalog, describe: &impl Describe) {
        let (slots, name) = match part {
            Part::Engine(name) => (&self.engines, name),
            Part::Memory(name) => (&self.memory, name),
            Part::AllMemory => return,
        };
        let known = slots.iter().position(|slot| slot.name == name);
        let position = known.unwrap_or_else(|| {
            let slot = Slot {
                name: name.to_owned(),
                series: self.series(part, catalog, describe),
                amount: 0,
                has_begun: false,
            };
            let slots = match part {
                Part::Engine(_) => &mut self.engines,
                _ => &mut self.memory,
            };
            slots.push(slot);
            slots.len() - 1
        });
        if let Part::Engine(_) = part {
            let slot = &mut self.engines[position];
            slot.amount = slot.amount.saturating_add(amount);
        } else {
            for slot in [&mut self.memory[position], &mut self.all_memory] {
                slot.amount = slot.amount.saturating_add(amount);
            }
        }
    }

    /// Pushes what was added since the previous poll.
    pub(crate) fn push(&mut self, out: &mut Accumulator<'_>) {
        self.is_read = false;
        let now = out.tick().timestamp;
        for slot in &mut self.engines {
            let amount = std::mem::take(&mut slot.amount);
            let Some(series) = &slot.series else {
                continue;
            };
            if !std::mem::replace(&mut slot.has_begun, true) {
                out.push_at(series, self.since.unwrap_or(now), 0);
                if self.since.is_none() {
                    continue;
                }
            }
            out.push(series, amount);
        }
        self.since = Some(now);
        for slot in self.memory.iter_mut().chain([&mut self.all_memory]) {
            let amount = std::mem::take(&mut slot.amount);
            if let Some(series) = &slot.series {
                out.push(series, amount);
            }
        }
    }
}
