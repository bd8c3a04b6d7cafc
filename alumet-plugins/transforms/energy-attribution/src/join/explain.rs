//! How the latest result of a consumer came about, or why there is none.

use std::fmt::Write as _;

use alumet_core::{Consumer, Resource};

use super::user::User;
use super::{Join, JoinSpec, Row};
use crate::config::ModelKind;
use crate::spec::{Role, Slot, Spec, Work};

impl Join {
    /// Whether no series has come that it needs, so that it is probably meant for other machines.
    pub(crate) fn is_untouched(&self) -> bool {
        self.energies.is_empty() && self.machine.is_empty() && self.users.is_empty()
    }

    /// Some lines about a consumer; `None` if it is not known, though others have results.
    pub(crate) fn explain(&self, spec: &JoinSpec, consumer: &Consumer) -> Option<String> {
        let spec = &spec.spec;
        let user = self.by_consumer.get(consumer).map(|place| &self.users[*place]);
        let mut text = match &self.node {
            node if node.is_empty() => spec.name.clone(),
            node => format!("{} {node}", spec.name),
        };
        if let Some(reason) = self.reason_for_nothing(spec) {
            text += &format!(": nobody has a result, because {reason}");
        } else {
            let user = user?;
            match user.result {
                Ok(joules) => {
                    let Row { last, resource, .. } = &self.rows[user.row];
                    text += &format!(
                        ": {joules} J of {resource} in the {} s until {}",
                        last.seconds, last.timestamp
                    );
                }
                Err(_) if spec.is_model() => {
                    text += ": it had not begun to use anything in the latest interval";
                }
                Err(error) => text += &format!(": no result: {error}{}", missing(spec, user)),
            }
            match &spec.work {
                Work::Model { kind, .. } => self.explain_model(*kind, user, &mut text),
                Work::Formula(program) => {
                    let values = spec.slots.iter().zip(&user.values);
                    let values: Vec<_> = values
                        .map(|(slot, value)| format!("{} = {value}", slot.name()))
                        .collect();
                    text += &format!("\n  {}\n  with {}", program.text(), values.join(", "));
                }
            }
        }
        if let Some(refused) = &self.refused {
            text += &format!("\n  not used: {refused}");
        }
        if self.failed > 0 {
            let _ = write!(
                text,
                "\n  {} times it had no result for one of the consumers",
                self.failed
            );
        }
        if self.late > 0 {
            text += &format!(
                "\n  {} times the usage of some came too late, and counted in the next interval",
                self.late
            );
        }
        Some(text)
    }

    fn reason_for_nothing(&self, spec: &Spec) -> Option<String> {
        let has_series = |index: usize, slot: &Slot| match slot.role {
            Role::Energy => self.energies.iter().any(Option::is_some),
            Role::Machine => self.machine.iter().any(|input| input.slot == index),
            Role::Consumer => self
                .users
                .iter()
                .flat_map(|user| &user.inputs)
                .any(|input| input.input.slot == index),
        };
        let is_needed = |index| match spec.work {
            Work::Model { .. } => index <= Spec::BUSY && spec.is_used(index),
            Work::Formula(_) => true,
        };
        let slots = || {
            spec.slots
                .iter()
                .enumerate()
                .filter(|(index, _)| is_needed(*index))
        };
        if let Some((_, slot)) = slots().find(|(index, slot)| !has_series(*index, slot)) {
            return Some(format!(
                "no series of `{}` has come yet; is what measures it enabled, and are its keys right?",
                slot.key
            ));
        }
        if let Some(slot) = self.last.lacks.and_then(|slot| spec.slots.get(slot)) {
            let resource = &self.rows[self.last.row].resource;
            return Some(format!(
                "the series of `{}` have no value for {resource} at that instant; their resource must be the same, a part of it or what \
                 contains it",
                slot.key
            ));
        }
        (self.last.seconds == 0.0).then(|| "no whole interval of energy has been shared yet".to_owned())
    }

    fn explain_model(&self, kind: ModelKind, user: &User, text: &mut String) {
        let Row { last, resource, .. } = &self.rows[user.row];
        let of_kind = &self.kinds[user.kind];
        let used = user.counted;
        *text += &format!("\n  energy: {} J", last.energy);
        if kind != ModelKind::Share {
            let unknown = self
                .energies
                .iter()
                .flatten()
                .any(|energy| energy.idle.watts().is_none());
            *text += &format!("\n  idle: {} J", last.idle);
            if unknown {
                *text +=
                    "; the idle power is not known as long as the machine was not quiet for some seconds";
            }
        }
        let place = match resource {
            Resource::LocalMachine => "the machine".to_owned(),
            part => part.to_string(),
        };
        let of_machine = match last.busy {
            Some(busy) => format!("{busy} on {place}"),
            None => format!("an unknown amount on {place}"),
        };
        *text += &format!(
            "\n  used: {used}, of {of_machine} and {} of all consumers of kind {}",
            user.of_kind, of_kind.name
        );
        let _ = write!(text, "\n  {} J for each unit of use", user.energy_per_use);
        if let Some(reason) = of_kind.fallback {
            let _ = write!(text, "\n  by CPU time and not by counters: {reason}");
        }
        if user.is_nested {
            *text += "\n  another control group that is measured contains it, and its energy";
        }
    }
}

/// The names that have no value for a consumer.
fn missing(spec: &Spec, user: &User) -> String {
    let names = spec
        .slots
        .iter()
        .zip(&user.values)
        .filter(|(_, value)| value.is_nan());
    let names: Vec<_> = names.map(|(slot, _)| format!("`{}`", slot.key)).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(" ({})", names.join(", "))
    }
}
