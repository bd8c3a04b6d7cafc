//! One process that is measured.

use alumet_core::source::{Accumulator, Tick};
use alumet_core::time::{Monotonic, Timestamp};
use alumet_reader_procfs::process::{Process, ProcessIo, Processes};
use alumet_reader_procfs::{Capacity, ReadError};

use super::cpu_use::CpuReading;
use super::series::{ProcessMetrics, ProcessSeries};
use super::stopwatch::Stopwatch;
use crate::config::PlanConfig;
use crate::watch::Program;

/// What all processes of a source share.
pub(super) struct Context {
    pub(super) processes: Processes,
    pub(super) stopwatch: Stopwatch,
    pub(super) plan: PlanConfig,
    pub(super) metrics: ProcessMetrics,
    pub(super) capacity: Capacity,
}

/// One process that is measured, with what was read of it before.
pub(super) struct Followed {
    pub(super) process: Process,
    series: ProcessSeries,
    /// The program whose name and arguments are attributes of the series.
    program: Program,
    cpu: Option<CpuReading>,
    io: Option<ProcessIo>,
    /// When it was born, until the first samples that count from then on are pushed.
    born: Option<Timestamp>,
}

impl Followed {
    /// Follows a process from its birth, or from its first reading.
    pub(super) fn new(
        process: Process,
        birth: Option<Monotonic>,
        context: &mut Context,
        out: &Accumulator<'_>,
    ) -> Self {
        let Tick {
            timestamp, monotonic, ..
        } = out.tick();
        Self {
            series: ProcessSeries::register(out.catalog(), &process, context),
            program: Program::of(process.last_stat()),
            process,
            cpu: birth.map(CpuReading::at_birth),
            io: birth.map(|_| ProcessIo::default()),
            born: birth.map(|instant| timestamp.saturating_sub(monotonic.since(instant))),
        }
    }

    /// An instant at which it still existed.
    pub(super) fn last_read(&self) -> Option<Monotonic> {
        self.cpu.map(|reading| reading.before)
    }

    /// Forgets earlier readings.
    pub(super) const fn forget(&mut self) {
        self.cpu = None;
        self.io = None;
    }

    /// Reads it and pushes samples; whether it is still there. That it is not may be noticed after some were pushed.
    pub(super) fn poll(&mut self, context: &mut Context, out: &mut Accumulator<'_>) -> bool {
        match self.read(context, out) {
            Ok(()) => self.follow_program(context, out),
            Err(ReadError::Gone { .. }) => return false,
            Err(error) => {
                tracing::debug!(%error, pid = self.process.pid(), "a process could not be read this time");
            }
        }
        true
    }

    fn read(&mut self, context: &mut Context, out: &mut Accumulator<'_>) -> Result<(), ReadError> {
        self.poll_cpu(context, out)?;
        self.poll_memory(context, out)?;
        self.poll_io(context, out)?;
        self.born = None;
        Ok(())
    }

    fn poll_cpu(&mut self, context: &mut Context, out: &mut Accumulator<'_>) -> Result<(), ReadError> {
        let reading = self.read_cpu(context)?;
        let Some(last) = self.cpu.replace(reading) else {
            self.series.begin_cpu_time(out, out.tick().timestamp);
            return Ok(());
        };
        if let Some(born) = self.born {
            self.series.begin_cpu_time(out, born);
        }
        let mut used = reading.since(&last);
        // Ticks are too coarse to tell, and after what a zombie used nothing more comes.
        if context.processes.has_clocks() && self.process.last_stat().state != b'Z' {
            // What is ahead of the time that passed is left to the next interval.
            let time = reading.time.since(used.limit(context.capacity.cpus));
            self.cpu = Some(CpuReading { time, ..reading });
        }
        let tick_ns = 1_000_000_000 / context.processes.ticks_per_second().max(1);
        let guest_ns = used.guest_ticks.saturating_mul(tick_ns);
        let times = [used.time.user_ns, used.time.system_ns, guest_ns];
        for (series, ns) in self.series.cpu_time.iter().flatten().zip(times) {
            out.push(series, ns);
        }
        let times = [used.time.user_ns, used.time.system_ns, used.time.total_ns()];
        for (series, ns) in self.series.cpu_percent.iter().flatten().zip(times) {
            if let Some(percent) = context.capacity.percent(ns, used.elapsed) {
                out.push(series, percent);
            }
        }
        Ok(())
    }

    fn read_cpu(&mut self, context: &mut Context) -> Result<CpuReading, ReadError> {
        let before = context.stopwatch.before();
        let total = self.process.cpu_ns(&mut context.processes)?;
        if let Some(last) = self.cpu
            && last.time.total_ns() == total
        {
            // It has not run since, so that there is nothing to split: most processes of a machine, most of the time.
            return Ok(CpuReading {
                before,
                after: before,
                ..last
            });
        }
        let time = self.process.split_cpu_time(&mut context.processes)?;
        let after = context.stopwatch.now();
        Ok(CpuReading {
            time,
            guest_ticks: self.process.last_stat().guest_ticks,
            threads: self.process.last_stat().threads,
            before,
            after,
        })
    }

    fn poll_memory(&mut self, context: &mut Context, out: &mut Accumulator<'_>) -> Result<(), ReadError> {
        let Some(series) = &self.series.memory else {
            return Ok(());
        };
        context.stopwatch.expire();
        let quick = self.process.statm(&mut context.processes)?;
        let mut resident = quick.resident;
        if let Some(proportional) = &self.series.proportional {
            match context.processes.smaps_rollup(self.process.pid()) {
                Ok(Some(memory)) => {
                    resident = Some(memory.rss);
                    out.push(proportional, memory.pss);
                }
                Err(gone @ ReadError::Gone { .. }) => return Err(gone),
                // A kernel thread, or a process that has ended: no memory.
                Ok(None) => {}
                // The quick sizes are known all the same.
                Err(error) if error.is_temporary() => {}
                // Refused once, refused always: the series is given back.
                Err(_) => self.series.proportional = None,
            }
        }
        for (series, size) in series.iter().zip([resident, quick.shared, quick.virtual_size]) {
            if let Some(size) = size {
                out.push(series, size);
            }
        }
        Ok(())
    }

    fn poll_io(&mut self, context: &mut Context, out: &mut Accumulator<'_>) -> Result<(), ReadError> {
        let Some([read, write]) = &self.series.io else {
            return Ok(());
        };
        context.stopwatch.expire();
        let io = match context.processes.io(self.process.pid()) {
            Ok(io) => io,
            Err(error) if error.is_temporary() || matches!(error, ReadError::Gone { .. }) => {
                return Err(error);
            }
            // Refused once, refused always: the series are given back.
            Err(_) => {
                self.series.io = None;
                return Ok(());
            }
        };
        let Some(last) = self.io.replace(io) else {
            self.series.begin_io(out, out.tick().timestamp);
            return Ok(());
        };
        if let Some(born) = self.born {
            self.series.begin_io(out, born);
        }
        out.push(read, io.read_bytes.saturating_sub(last.read_bytes));
        out.push(write, io.written_bytes.saturating_sub(last.written_bytes));
        Ok(())
    }

    /// Registers the series anew when the process runs another program than its attributes tell.
    fn follow_program(&mut self, context: &mut Context, out: &mut Accumulator<'_>) {
        if context.plan.attributes.is_empty() || self.program.is_run_by(self.process.last_stat()) {
            return;
        }
        self.program = Program::of(self.process.last_stat());
        // What was refused may be allowed of the other program.
        self.series = ProcessSeries::register(out.catalog(), &self.process, context);
        let now = out.tick().timestamp;
        self.series.begin_cpu_time(out, now);
        self.series.begin_io(out, now);
    }
}
