//! What `exec` and `watch` have in common: a first and a last measurement around the life of a process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::Consumer;
use alumet_core::events::ConsumerEvent;
use alumet_core::pipeline::{ControlError, ElementKind, Pattern};
use alumet_core::time::{Clock, SystemClock, Timestamp};

use crate::app::App;
use crate::exit::Failed;
use crate::session::Session;
use crate::setup::Setup;
use crate::summary::{Summary, SummaryOutput};
use crate::{cli::Global, logging};

/// A session that measures one process.
pub(crate) struct Measurement {
    pub(crate) session: Session,
    pub(crate) summary: Summary,
    started: Instant,
}

impl Measurement {
    /// Starts the pipeline with everything measured once.
    pub(crate) async fn start(app: &Arc<App>, setup: Setup, global: &Global) -> Result<Self, Failed> {
        logging::start(&setup.settings.log, global.log_format, global.quiet)?;
        let (output, summary) = SummaryOutput::new();
        let session = Session::start(app, setup, global, |builder| {
            builder.output("summary", output);
        })
        .await?;
        let measurement = Self {
            session,
            summary,
            started: Instant::now(),
        };
        measurement.trigger().await;
        Ok(Self {
            started: Instant::now(),
            ..measurement
        })
    }

    /// Announces the process and measures it for the first time.
    pub(crate) async fn begin(&self, pid: u32) {
        self.summary.follow(pid);
        self.session
            .pipeline()
            .events()
            .publish(ConsumerEvent::Started([Consumer::Process { pid }].into()));
        self.trigger().await;
    }

    /// Measures the process for the last time; says how long it was from the first measurement of everything to the last.
    pub(crate) async fn end(&self, pid: u32) -> Duration {
        self.session
            .pipeline()
            .events()
            .publish(ConsumerEvent::Ended([Consumer::Process { pid }].into()));
        self.trigger().await;
        self.started.elapsed()
    }

    /// Polls every source now. When that does not work, the process must not suffer from it: it goes on, measured or not.
    async fn trigger(&self) {
        let result = self
            .session
            .blocking(|pipeline| pipeline.control().trigger(&Pattern::kind(ElementKind::Source)))
            .await;
        match result {
            // Without sources that are polled there is nothing to ask; failures of sources are in the log.
            Ok(
                Ok(_)
                | Err(
                    ControlError::NothingSelected { .. }
                    | ControlError::NotApplicable { .. }
                    | ControlError::Failed(_),
                ),
            ) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the process could not be measured at once; its first or last values may be missing");
            }
            Err(error) => tracing::error!(%error, "the process could not be measured"),
        }
    }
}

/// What the wall clock showed at a moment that is over.
pub(crate) fn wall_clock(moment: Instant) -> Timestamp {
    SystemClock.now().wall.saturating_sub(moment.elapsed())
}
