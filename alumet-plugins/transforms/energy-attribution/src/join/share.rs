//! Sharing by a model: consumers, idle and unattributed are together what was measured.

use alumet_core::{Attributes, Batch, Catalog, Consumer};

use super::{Join, JoinSpec, Last, Tick, begun, value};
use crate::config::ModelKind;
use crate::model::share::energy_per_use;
use crate::node::Tracks;
use crate::spec::Spec;

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
        self.nest();
        let resource = &self.rows[tick.row].resource;
        let of_machine = |slot| value(self.machine.iter(), slot, resource, tracks, tick);
        let energy: f64 = group.iter().map(|tick| tick.value).sum();
        let (busy, idle_time) = (of_machine(Spec::BUSY), of_machine(Spec::IDLE));
        let load = busy.zip(idle_time).map(|(busy, idle)| busy / (busy + idle));
        let idle = match kind {
            ModelKind::Share => 0.0,
            ModelKind::ShareIdle | ModelKind::Counters => self.idle(group, load),
        };
        let pool = energy - idle;
        self.measure_use(spec, tick, tracks);
        let lacks_machine = spec.spec.is_used(Spec::BUSY) && busy.is_none();
        for kind in &mut self.kinds {
            let used = kind.used.max(kind.most);
            kind.energy_per_use = if lacks_machine {
                0.0
            } else {
                energy_per_use(pool, busy.unwrap_or(0.0), used)
            };
            kind.left = pool;
        }
        self.last = Last {
            timestamp: tick.timestamp,
            seconds: tick.to.since(tick.from).as_secs_f64(),
            energy,
            idle,
            busy,
            lacks: lacks_machine.then_some(Spec::BUSY),
        };
        // Before anybody uses anything, there is nothing to share.
        if !self.kinds.is_empty() {
            self.emit(spec, kind != ModelKind::Share, tick, out);
        }
    }

    /// The energy that the machine needs without being used, of which the model learns.
    fn idle(&mut self, group: &[Tick], load: Option<f64>) -> f64 {
        let mut sum = 0.0;
        for tick in group {
            let Some(energy) = &mut self.energies[tick.energy] else {
                continue;
            };
            let seconds = tick.to.since(tick.from).as_secs_f64();
            if let Some(load) = load.filter(|load| load.is_finite()) {
                energy.idle.learn(tick.value, seconds, load);
            }
            sum += energy
                .idle
                .watts()
                .map_or(0.0, |watts| (watts * seconds).min(tick.value));
        }
        sum
    }

    /// What each consumer used, and each kind of them together.
    fn measure_use(&mut self, spec: &JoinSpec, tick: &Tick, tracks: &Tracks) {
        let resource = &self.rows[tick.row].resource;
        for kind in &mut self.kinds {
            (kind.used, kind.most) = (0.0, 0.0);
        }
        for user in &mut self.users {
            for slot in Spec::USAGE..spec.spec.slots.len() {
                let inputs = user.inputs.iter().map(|input| &input.input);
                user.values[slot] = value(inputs, slot, resource, tracks, tick).unwrap_or(0.0);
            }
            let kind = &mut self.kinds[user.kind];
            let used = user.values[Spec::USAGE];
            kind.most = kind.most.max(used);
            if !user.is_nested {
                kind.used += used;
            }
        }
    }

    /// Gives each consumer its share, and says what is left.
    fn emit(&mut self, spec: &JoinSpec, keeps_idle: bool, tick: &Tick, out: &mut Batch) {
        let row = &mut self.rows[tick.row];
        for user in &mut self.users {
            let kind = &mut self.kinds[user.kind];
            let result = user.values[Spec::USAGE] * kind.energy_per_use;
            user.result = Ok(result);
            if !user.is_nested {
                kind.left -= result;
            }
            let series = user.output(tick.row, row, spec.metric, tick, out);
            out.push(series, tick.timestamp, result);
        }
        let (resource, attributes) = (&row.resource, &row.attributes);
        let register = |catalog: &Catalog, own: Attributes| {
            let series = catalog.series(spec.metric, resource.clone(), Consumer::LocalMachine);
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
