//! What the sources of a pipeline measure while a piece of work is done.

use crate::measure::{Usage, measure};
use crate::output::{QueuePolicy, SeriesTotal, Totals};
use crate::plugin::ElementSpecs;
use crate::unit::Unit;

use super::Pipeline;
use super::control::ControlError;
use super::element::{ElementKey, ElementKind};
use super::pattern::Pattern;
use super::self_metrics::PLUGIN;

/// What a piece of work has returned, what it has cost this process, and what was measured meanwhile.
#[derive(Debug)]
pub struct MeasuredWork<T> {
    /// What the work has returned.
    pub value: T,
    /// What it has cost this process, the threads of the pipeline included.
    pub usage: Usage,
    /// Each series that had samples, those of transforms included.
    pub series: Vec<SeriesTotal>,
    /// Why series may be missing or incomplete.
    pub problem: Option<ControlError>,
}

impl Pipeline {
    /// Does `work` on this thread and tells what it has cost this process, and what all sources have measured from its beginning
    /// to its end: with a source of energy, the energy of the machine.
    ///
    /// Sources are polled right before the work and right after it, in addition to their ticks; all outputs have these samples.
    /// The edges are as sharp as these polls take, usually less than a millisecond. What a transform holds back at the end is
    /// missing, and what it held back at the beginning is included. The work is done in any case. Blocks as the methods of
    /// [`Control`](super::Control) do. Several threads may measure at the same time; each is told everything.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> MeasuredWork<T> {
        let totals = Totals::default();
        let output = TotalsOutput::add(self, &totals);
        let poll = || match &output {
            Ok(output) => output.poll(),
            Err(_) => Ok(()),
        };
        let begun = poll();
        totals.begin();
        let measured = measure(work);
        let ended = poll();
        let problem = output.map(drop).and(begun).and(ended).err();
        MeasuredWork {
            value: measured.value,
            usage: measured.usage,
            series: totals.take(),
            problem,
        }
    }
}

impl<T> MeasuredWork<T> {
    /// What was counted of energy, in joules each. Series overlap, such as those of a package and of its cores: do not add up what
    /// you do not know.
    pub fn energy(&self) -> impl Iterator<Item = (&SeriesTotal, f64)> {
        let series = self.series.iter();
        series.filter_map(|total| Some((total, total.counted_in(&Unit::JOULE)?)))
    }
}

/// The output of one piece of work; ends when it is dropped.
struct TotalsOutput<'a> {
    pipeline: &'a Pipeline,
    number: usize,
    key: ElementKey,
}

impl<'a> TotalsOutput<'a> {
    fn add(pipeline: &'a Pipeline, totals: &Totals) -> Result<Self, ControlError> {
        // The lowest number that is free, so that there is no account for each piece of work.
        let mut taken = pipeline.measuring.lock();
        let number = (0..taken.len()).find(|number| !taken.contains(number));
        let number = number.unwrap_or(taken.len());
        taken.insert(number);
        drop(taken);
        // From here on, the number is given back.
        let output = Self {
            pipeline,
            number,
            key: ElementKey::new(ElementKind::Output, PLUGIN, &format!("measure-{number}")),
        };
        let mut specs = ElementSpecs::default();
        specs.output(&output.key.name, totals.clone()).queue(QueuePolicy {
            durable: Some(false),
            ..QueuePolicy::default()
        });
        pipeline.control().add(PLUGIN, specs)?;
        Ok(output)
    }

    /// Polls all sources that can be polled, and waits until the totals have what they say.
    fn poll(&self) -> Result<(), ControlError> {
        let control = self.pipeline.control();
        let polled = match control.trigger(&Pattern::kind(ElementKind::Source)) {
            // There is no source, or all are driven by events.
            Err(ControlError::NothingSelected { .. } | ControlError::NotApplicable { .. }) => Ok(()),
            other => other.map(drop),
        };
        control.flush_to(Pattern::element(&self.key)).and(polled)
    }
}

impl Drop for TotalsOutput<'_> {
    fn drop(&mut self) {
        // It is not there if it could not be added, or if the pipeline has stopped meanwhile.
        let _ = self.pipeline.control().stop(&Pattern::element(&self.key));
        self.pipeline.measuring.lock().remove(&self.number);
    }
}
