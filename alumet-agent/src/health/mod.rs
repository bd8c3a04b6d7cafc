//! The health of the agent: alive, ready, and its own metrics.

mod exposition;
mod server;

use std::collections::BTreeMap;

use alumet_core::pipeline::{Control, ElementKind, ElementState, PipelineStatus};
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

    /// A plugin cannot start and is not tried again.
    pub(crate) fn missing(&self, plugin: &'static str, error: String) {
        self.state.lock().missing.insert(plugin, (error, false));
    }

    /// A plugin cannot start and is tried again.
    pub(crate) fn waiting(&self, plugin: &'static str, error: String) {
        self.state.lock().missing.insert(plugin, (error, true));
    }

    /// A plugin has started after all.
    pub(crate) fn started(&self, plugin: &'static str) {
        self.state.lock().missing.remove(plugin);
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

    /// What keeps the agent from being alive; empty if it is. Waits for the threads that sources share, which wait in turn
    /// when the transforms are stuck; a driver that hangs on a thread of its own is no threat.
    fn life_threats(&self) -> Vec<String> {
        let Some(control) = self.state.lock().control.clone() else {
            return Vec::new();
        };
        let Err(error) = control.ping() else {
            return Vec::new();
        };
        // While an output with `on_full = "block"` is behind, sources wait on purpose.
        let waits = |status: PipelineStatus| {
            status
                .elements
                .iter()
                .any(|element| element.key.kind == ElementKind::Output && !element.is_healthy())
        };
        if self.status().is_some_and(waits) || self.state.lock().stopping {
            return Vec::new();
        }
        vec![format!("a poll thread does not answer: {error}")]
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
        let mut sources = 0;
        for element in &status.elements {
            sources += usize::from(element.key.kind == ElementKind::Source);
            if element.polling >= Some(Control::PATIENCE) {
                obstacles.extend(element.holds_up());
            }
            if !element.is_healthy() || element.state == ElementState::Ended {
                let error = element.last_error.as_deref().unwrap_or("no error was given");
                obstacles.push(format!("{} is {}: {error}", element.key, element.state));
            }
        }
        if let Some(fault) = status.spool.and_then(|spool| spool.fault) {
            obstacles.push(format!("the spool works in memory only: {fault}"));
        }
        if sources == 0 {
            obstacles.push("there is no source, so there are no samples".to_owned());
        }
        (obstacles, notes)
    }
}
