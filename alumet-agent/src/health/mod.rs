//! The health of the agent: alive, ready, and its own metrics.

mod exposition;
mod server;

use std::collections::BTreeMap;

use alumet_core::pipeline::{Control, ElementKind, ElementState, PipelineStatus, self_metrics};
use parking_lot::Mutex;

pub(crate) use exposition::Program;
pub(crate) use server::{listen, serve};

/// What is known about the health of the agent.
pub(crate) struct Health {
    program: Program,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    control: Option<Control>,
    /// Plugins that could not start, with the reason, and whether they are tried again.
    missing: BTreeMap<&'static str, (String, bool)>,
    stopping: bool,
}

impl Health {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program,
            state: Mutex::default(),
        }
    }

    /// Asks this pipeline from now on.
    pub(crate) fn watch(&self, control: Control) {
        self.state.lock().control = Some(control);
    }

    /// A plugin cannot start, and whether it is tried again.
    pub(crate) fn missing(&self, plugin: &'static str, error: String, tried_again: bool) {
        self.state.lock().missing.insert(plugin, (error, tried_again));
    }

    /// A plugin has started after all, or shall not any more; whether it was missing.
    pub(crate) fn not_missing(&self, plugin: &'static str) -> bool {
        self.state.lock().missing.remove(plugin).is_some()
    }

    /// The agent is about to end.
    pub(crate) fn stopping(&self) {
        self.state.lock().stopping = true;
    }

    /// The plugins that still wait to be tried again, each with the reason.
    pub(crate) fn waiting_plugins(&self) -> Vec<(&'static str, String)> {
        let state = self.state.lock();
        let waiting = state.missing.iter().filter(|(_, (_, tried_again))| *tried_again);
        waiting
            .map(|(plugin, (error, _))| (*plugin, error.clone()))
            .collect()
    }

    fn status(&self) -> Option<PipelineStatus> {
        let control = self.state.lock().control.clone()?;
        control.status().ok()
    }

    /// What keeps the agent from being alive; `None` if it is. Waits for the threads that sources share, which wait in turn
    /// when the transforms are stuck; a driver that hangs on a thread of its own is no threat.
    fn life_threat(&self) -> Option<String> {
        let control = self.state.lock().control.clone()?;
        let error = control.ping().err()?;
        // While an output with `on_full = "block"` is behind, sources wait on purpose.
        let waits = |status: PipelineStatus| {
            let mut elements = status.elements.iter();
            elements.any(|element| element.key.kind == ElementKind::Output && !element.is_healthy())
        };
        let is_meant = self.status().is_some_and(waits) || self.state.lock().stopping;
        (!is_meant).then(|| format!("a poll thread does not answer: {error}"))
    }

    /// What keeps the agent from being ready; empty if it is. `disable`d plugins are told but do not count.
    fn obstacles(&self) -> (Vec<String>, Vec<String>) {
        let (mut obstacles, mut notes) = (Vec::new(), Vec::new());
        {
            let state = self.state.lock();
            if state.stopping {
                obstacles.push("the program is stopping".to_owned());
            }
            for (plugin, (error, tried_again)) in &state.missing {
                let line = format!("the plugin {plugin} cannot start: {error}");
                if *tried_again {
                    obstacles.push(line);
                } else {
                    notes.push(line);
                }
            }
        }
        let Some(status) = self.status() else {
            obstacles.push("the pipeline does not run".to_owned());
            return (obstacles, notes);
        };
        for element in &status.elements {
            if element.polling >= Some(Control::PATIENCE) {
                obstacles.extend(element.holds_up());
            }
            if !element.is_healthy() {
                let error = element.last_error.as_deref().unwrap_or("no error was given");
                obstacles.push(format!("{} is {}: {error}", element.key, element.state));
            }
        }
        if let Some(fault) = status.spool.as_ref().and_then(|spool| spool.fault.as_ref()) {
            obstacles.push(format!("the spool works in memory only: {fault}"));
        }
        for (kind, consequence) in [
            ((ElementKind::Source, "source"), "nothing is measured"),
            ((ElementKind::Output, "output"), "nothing is written"),
        ] {
            obstacles.extend(idle(&status, kind, consequence));
        }
        (obstacles, notes)
    }
}

/// What is wrong if no element of this kind works; that the program measures itself does not count.
fn idle(status: &PipelineStatus, (kind, one): (ElementKind, &str), consequence: &str) -> Option<String> {
    let elements = status.elements.iter();
    let states: Vec<_> = elements
        .filter(|element| element.key.kind == kind && element.key.plugin != self_metrics::PLUGIN)
        .map(|element| element.state)
        .collect();
    if states.is_empty() {
        return Some(format!("there is no {one}, so {consequence}"));
    }
    let are_paused = states.iter().all(|state| *state == ElementState::Paused);
    are_paused.then(|| format!("every {one} is paused, so {consequence}"))
}
