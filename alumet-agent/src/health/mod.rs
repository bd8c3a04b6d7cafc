//! The health of the agent: alive, ready, and its own metrics.

mod exposition;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alumet_core::pipeline::{AddToStatus, Control, ElementKind, PipelineStatus};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::app::App;

pub(crate) use server::{life_threat, listen, serve};

/// What is known about the health of the agent.
pub(crate) struct Health {
    app: Arc<App>,
    control: Control,
    surroundings: Arc<Surroundings>,
    /// When it was looked last what threatens the life of the agent, and what was found.
    last_look: tokio::sync::Mutex<Option<(Instant, Option<String>)>>,
}

/// What the pipeline does not know of itself.
struct Surroundings {
    missing: Mutex<Missing>,
    stopping: AtomicBool,
}

/// Plugins that could not start, with the reason, and whether they are tried again.
pub(crate) type Missing = BTreeMap<&'static str, (String, bool)>;

impl Health {
    /// That of a pipeline which runs without some plugins.
    pub(crate) fn new(app: Arc<App>, control: Control, missing: Missing) -> Self {
        let surroundings = Arc::new(Surroundings {
            missing: Mutex::new(missing),
            stopping: AtomicBool::new(false),
        });
        control.on_status(Arc::downgrade(&surroundings) as _);
        Self {
            app,
            control,
            surroundings,
            last_look: Default::default(),
        }
    }

    /// A plugin cannot start, and whether it is tried again.
    pub(crate) fn missing(&self, plugin: &'static str, error: String, tried_again: bool) {
        self.surroundings
            .missing
            .lock()
            .insert(plugin, (error, tried_again));
    }

    /// A plugin has started after all, or shall not any more; whether it was missing.
    pub(crate) fn not_missing(&self, plugin: &'static str) -> bool {
        self.surroundings.missing.lock().remove(plugin).is_some()
    }

    /// The agent is about to end.
    pub(crate) fn stopping(&self) {
        self.surroundings.stopping.store(true, Ordering::Relaxed);
    }

    /// The plugins that still wait to be tried again, each with the reason.
    pub(crate) fn waiting_plugins(&self) -> Vec<(&'static str, String)> {
        let missing = self.surroundings.missing.lock();
        let waiting = missing.iter().filter(|(_, (_, tried_again))| *tried_again);
        waiting
            .map(|(plugin, (error, _))| (*plugin, error.clone()))
            .collect()
    }

    fn status(&self) -> Option<PipelineStatus> {
        self.control.status().ok()
    }

    /// What keeps the agent from being alive; `None` if it is. Waits for the threads that sources share, which wait in turn
    /// when the transforms are stuck; a driver that hangs on a thread of its own is no threat.
    fn life_threat(&self) -> Option<String> {
        let error = self.control.ping().err()?;
        // While an output with `on_full = "block"` is behind, sources wait on purpose.
        let waits = |status: PipelineStatus| {
            let mut elements = status.elements.iter();
            elements.any(|element| element.key.kind == ElementKind::Output && !element.is_healthy())
        };
        let is_meant = self.status().is_some_and(waits) || self.surroundings.stopping.load(Ordering::Relaxed);
        (!is_meant).then(|| format!("a poll thread does not answer: {error}"))
    }

    /// What keeps the agent from being ready; empty if it is.
    pub(crate) fn obstacles(&self) -> Vec<String> {
        match self.status() {
            Some(status) => status.obstacles,
            None => vec!["the pipeline does not run".to_owned()],
        }
    }

    /// What is told but does not count: plugins that may be missing.
    fn notes(&self) -> Vec<String> {
        self.surroundings.told(false)
    }
}

impl AddToStatus for Surroundings {
    fn add_to(&self, status: &mut PipelineStatus) {
        if self.stopping.load(Ordering::Relaxed) {
            status.obstacles.push("the program is stopping".to_owned());
        }
        status.obstacles.extend(self.told(true));
    }
}

impl Surroundings {
    /// The plugins that cannot start, those that are tried again or the others.
    fn told(&self, are_tried_again: bool) -> Vec<String> {
        let missing = self.missing.lock();
        let told = missing
            .iter()
            .filter(|(_, (_, tried_again))| *tried_again == are_tried_again);
        told.map(|(plugin, (error, _))| format!("the plugin {plugin} cannot start: {error}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use alumet_core::failure::Failure;
    use alumet_core::output::{Delivering, Delivery, Output};
    use alumet_core::pipeline::PipelineBuilder;
    use alumet_core::testkit::ManualClock;

    use super::*;

    /// Writes when the test has sent a word.
    struct Slow(Receiver<()>);

    impl Output for Slow {
        fn deliver(&mut self, _: &Delivery) -> Result<Delivering, Failure> {
            let _ = self.0.recv();
            Ok(Delivering::done())
        }
    }

    #[test]
    fn an_agent_whose_output_stands_still_is_not_ready_until_it_moves() {
        let clock = ManualClock::new();
        let mut builder = PipelineBuilder::with_clock(Arc::new(clock.clone()));
        builder = builder.self_metrics(Duration::from_secs(3600));
        let (go_on, word) = channel();
        builder.output("slow", Slow(word));
        let pipeline = builder.start().unwrap();
        let app = Arc::new(App::new("test", "1", "A test."));
        let health = Health::new(app, pipeline.control().clone(), Missing::new());
        let stands_still = || {
            let obstacles = health.obstacles();
            obstacles.into_iter().find(|obstacle| obstacle.contains("slow"))
        };
        // What the pipeline says of itself at its start waits.
        let waits = || {
            health
                .status()
                .unwrap()
                .elements
                .iter()
                .any(|element| element.stalled.is_some())
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !waits() {
            assert!(std::time::Instant::now() < deadline, "nothing waits");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(stands_still(), None);
        clock.advance(Duration::from_secs(61));
        let said = "outputs/embedded/slow has written none of the samples that wait for it for 61 s";
        assert_eq!(stands_still().as_deref(), Some(said));
        drop(go_on);
        pipeline.control().flush().unwrap();
        assert_eq!(stands_still(), None);
    }
}
