//! Sharing by a model: consumers, idle and unattributed are together what was measured.

use alumet_core::{Attributes, Batch, Catalog, Consumer};

use super::{Join, JoinSpec, Last, Tick, begun, is_first, value};
use crate::config::ModelKind;
use crate::model::share::energy_per_use;
use crate::node::Tracks;
use crate::spec::{Spec, Work};

/// What a CPU second and each event cost, in joules, and what those of the machine cost together.
struct Priced {
    weights: Vec<f64>,
    cost: f64,
}

impl Priced {
    /// What the values of a consumer cost.
    fn cost_of(&self, values: &[f64]) -> f64 {
        let values = std::iter::once(&values[Spec::USAGE]).chain(&values[Spec::COUNTERS..]);
        values
            .zip(&self.weights)
            .map(|(count, weight)| count * weight)
            .sum()
    }
}

impl Join {
    /// Shares the energy of one interval.
    pub(super) fn share(
        &mut self,
        spec: &JoinSpec,
        kind: ModelKind,
        group: &[Tick],
        tracks: &Tracks,
        out: &mut Batch,
    ) {
        let Some(tick) = group.first() else { return };
        let resource = &self.rows[tick.row].resource;
        let of_machine = |slot| value(self.machine.iter(), slot, resource, tracks, tick);
        let energy: f64 = group.iter().map(|tick| tick.value).sum();
        let seconds = tick.to.since(tick.from).as_secs_f64();
        let capacity = match spec.spec.work {
            Work::Model { capacity, .. } => capacity.map(|per_second| per_second * seconds),
            Work::Formula(_) => None,
        };
        let (busy, idle_time) = (of_machine(Spec::BUSY).or(capacity), of_machine(Spec::IDLE));
        let load = busy.zip(idle_time).map(|(busy, idle)| busy / (busy + idle));
        let idle = match kind {
            ModelKind::Share => 0.0,
            ModelKind::ShareIdle | ModelKind::Counters => self.idle(spec, group, load),
        };
        let pool = energy - idle;
        self.measure_use(spec, tick, tracks);
        self.nest();
        let lacks_machine = spec.spec.is_used(Spec::BUSY) && busy.is_none();
        let weights = match kind {
            ModelKind::Counters => Some(self.learn_weights(spec, tick, busy, pool, seconds, tracks)),
            ModelKind::Share | ModelKind::ShareIdle => None,
        };
        self.price(pool, busy.filter(|_| !lacks_machine), lacks_machine, weights);
        self.last = Last {
            row: tick.row,
            timestamp: tick.timestamp,
            seconds,
            energy,
            idle,
            busy,
            lacks: lacks_machine.then_some(Spec::BUSY),
        };
        self.rows[tick.row].last = self.last;
        // Before anybody uses anything, there is nothing to share.
        if !self.kinds.is_empty() {
            self.emit(kind != ModelKind::Share, tick, out);
        }
    }

    /// The energy that the machine needs without being used, of which the model learns.
    fn idle(&mut self, spec: &JoinSpec, group: &[Tick], load: Option<f64>) -> f64 {
        let mut sum = 0.0;
        for tick in group {
            let Some(energy) = &mut self.energies[tick.energy] else {
                continue;
            };
            let seconds = tick.to.since(tick.from).as_secs_f64();
            if let Some(load) = load.filter(|load| load.is_finite()) {
                energy.idle.learn(tick.value, seconds, load);
            }
            if energy.idle.watts().is_none() && is_first(&spec.said.idle_unknown) {
                tracing::info!(
                    metric = spec.spec.name,
                    "the idle power is not known yet, and counts as 0 until the machine has been quiet for some seconds"
                );
            }
            sum += energy
                .idle
                .watts()
                .map_or(0.0, |watts| (watts * seconds).min(tick.value));
        }
        sum
    }

    /// What each consumer used and counted, and each kind of them used together.
    fn measure_use(&mut self, spec: &JoinSpec, tick: &Tick, tracks: &Tracks) {
        let resource = &self.rows[tick.row].resource;
        for user in &mut self.users {
            let inputs = || user.inputs.iter().map(|input| &input.input);
            let of_user = |slot| value(inputs(), slot, resource, tracks, tick);
            let used = of_user(Spec::USAGE);
            self.must_nest |= user.is_there != used.is_some();
            user.is_there = used.is_some();
            for slot in Spec::COUNTERS..spec.spec.slots.len() {
                user.values[slot] = of_user(slot).unwrap_or(f64::NAN);
            }
            user.values[Spec::USAGE] = used.unwrap_or(0.0);
        }
    }

    /// Learns what CPU time and counters of the machine cost; gives the cost of each, and what the machine had of each.
    ///
    /// # Errors
    /// Why it is not known.
    fn learn_weights(
        &mut self,
        spec: &JoinSpec,
        tick: &Tick,
        busy: Option<f64>,
        joules: f64,
        seconds: f64,
        tracks: &Tracks,
    ) -> Result<Priced, &'static str> {
        let resource = &self.rows[tick.row].resource;
        let busy = busy.ok_or("the CPU time of the machine is not known")?;
        let mut counts = vec![busy];
        for slot in Spec::COUNTERS..spec.spec.slots.len() {
            let of_machine = value(self.machine.iter(), slot, resource, tracks, tick);
            let count = of_machine.or_else(|| self.of_all_users(slot));
            counts.push(count.ok_or("a consumer has no such counter, and the machine has none either")?);
        }
        let weights = &mut self.rows[tick.row].weights;
        if seconds > 0.0 {
            weights.learn(&counts, joules, seconds);
        }
        let weights = weights.fit()?;
        let cost = counts
            .iter()
            .zip(&weights)
            .map(|(count, weight)| count * weight)
            .sum();
        Ok(Priced { weights, cost })
    }

    /// What the consumers of the kind that has most have counted together; `None` if some of each kind have no such counter.
    fn of_all_users(&self, slot: usize) -> Option<f64> {
        let of_kind = |kind| {
            let users = self.users.iter();
            let users = users.filter(move |user| user.kind == kind && user.is_there && !user.is_nested);
            let sum: f64 = users.map(|user| user.values[slot]).sum();
            (!sum.is_nan()).then_some(sum)
        };
        (0..self.kinds.len()).filter_map(of_kind).reduce(f64::max)
    }

    /// Finds what a unit of use costs, for each kind of consumers.
    fn price(
        &mut self,
        pool: f64,
        busy: Option<f64>,
        lacks_machine: bool,
        weights: Option<Result<Priced, &'static str>>,
    ) {
        for kind in &mut self.kinds {
            (kind.used, kind.most, kind.left) = (0.0, 0.0, pool);
            kind.fallback = weights
                .as_ref()
                .and_then(|weights| weights.as_ref().err().copied());
        }
        let priced = weights.and_then(Result::ok);
        if priced.is_some() {
            for user in self.users.iter().filter(|user| user.is_there) {
                if user.values[Spec::COUNTERS..].iter().any(|count| count.is_nan()) {
                    self.kinds[user.kind].fallback = Some("a consumer has no such counter");
                }
            }
        }
        for user in self.users.iter_mut().filter(|user| user.is_there) {
            let kind = &mut self.kinds[user.kind];
            let weights = priced.as_ref().filter(|_| kind.fallback.is_none());
            user.counted = weights.map_or(user.values[Spec::USAGE], |priced| priced.cost_of(&user.values));
            kind.most = kind.most.max(user.counted);
            if !user.is_nested {
                kind.used += user.counted;
            }
        }
        for kind in &mut self.kinds {
            let weights = priced.as_ref().filter(|_| kind.fallback.is_none());
            let of_machine = weights.map_or(busy.unwrap_or(0.0), |priced| priced.cost);
            let used = kind.used.max(kind.most);
            kind.energy_per_use = if lacks_machine {
                0.0
            } else {
                energy_per_use(pool, of_machine, used)
            };
        }
    }

    /// Gives each consumer its share, and says what is left.
    fn emit(&mut self, keeps_idle: bool, tick: &Tick, out: &mut Batch) {
        let row = &mut self.rows[tick.row];
        for user in self.users.iter_mut().filter(|user| user.is_there) {
            let kind = &mut self.kinds[user.kind];
            let result = user.counted * kind.energy_per_use;
            user.result = Ok(result);
            (user.row, user.of_kind, user.energy_per_use) = (tick.row, kind.used, kind.energy_per_use);
            if !user.is_nested {
                kind.left -= result;
            }
            let series = user.output(tick.row, row, tick, out);
            out.push(series, tick.timestamp, result);
        }
        let (metric, resource, attributes) = (row.metric, &row.resource, &row.attributes);
        let register = |catalog: &Catalog, own: Attributes| {
            let series = catalog.series(metric, resource.clone(), Consumer::LocalMachine);
            series.attributes(attributes).attributes(&own).register()
        };
        let part = |part: &'static str| Attributes::EMPTY.with("part", part);
        if keeps_idle {
            let series = begun(&mut row.idle, tick, out, |catalog| {
                register(catalog, part("idle"))
            });
            out.push(series, tick.timestamp, self.last.idle);
        }
        row.unattributed.resize(self.kinds.len(), None);
        for (kind, place) in self.kinds.iter().zip(&mut row.unattributed) {
            let series = begun(place, tick, out, |catalog| {
                register(catalog, part("unattributed").with("consumers", kind.name.clone()))
            });
            // What is rounded off must not make it negative.
            out.push(series, tick.timestamp, kind.left.max(0.0));
        }
    }
}
