//! One process, followed from reading to reading.

use std::fs::File;
use std::sync::Arc;

use super::cpu_clock::ProcessClock;
use super::stat::{ProcessStat, parse};
use super::{CpuSplit, ProcessIo, Processes, SplitTime, Statm, io, statm, tree};
use crate::{ParseError, ReadError};
use alumet_reader_kernel_file::{Extent, ticks_to_ns};

/// A process with its identity, the pair of its number and its start.
///
/// [`Self::cpu_ns`] is cheap enough for every poll. It notices that the number now belongs to another process when the
/// CPU time went backwards; [`Self::stat`] and [`Self::split_cpu_time`] always notice. To be certain, call one of them
/// at intervals in which the kernel cannot give out all numbers (32 768 at the least).
#[derive(Debug)]
pub struct Process {
    pid: u32,
    start_ticks: u64,
    clock: Option<ProcessClock>,
    kept: Option<KeptFile>,
    kept_statm: Option<KeptFile>,
    kept_io: Option<KeptFile>,
    kept_children: Option<KeptFile>,
    stat: ProcessStat,
    cpu_ns: u64,
    split: CpuSplit,
}

#[derive(Debug)]
struct KeptFile {
    file: File,
    _one_of: Arc<()>,
}

impl Processes {
    /// Begins to follow a process. Its first CPU time covers its whole life so far, not the time since now.
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn follow(&mut self, pid: u32) -> Result<Process, ReadError> {
        // Only an open folder tells whether there are clocks.
        self.folder()?;
        let kept = self.keep(pid, "stat");
        let mut process = Process {
            pid,
            start_ticks: 0,
            clock: ProcessClock::of(pid).filter(|_| self.has_clocks()),
            kept,
            kept_statm: None,
            kept_io: None,
            kept_children: None,
            stat: ProcessStat::default(),
            cpu_ns: 0,
            split: CpuSplit::default(),
        };
        process.read_stat(self)?;
        process.start_ticks = process.stat.start_ticks;
        Ok(process)
    }

    /// Reads a file that may be kept.
    fn read_kept<T>(
        &mut self,
        kept: Option<&KeptFile>,
        pid: u32,
        file: &str,
        extent: Extent,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, ReadError> {
        match kept {
            Some(kept) => self.read_open(&kept.file, pid, file, extent, parse),
            None => self.read_with(pid, file, extent, parse),
        }
    }

    /// Opens a file to be kept, if there may be one more.
    fn keep(&self, pid: u32, file: &str) -> Option<KeptFile> {
        // Only the kernel's own files tell that their process has ended.
        if !self.is_live() || Arc::strong_count(&self.kept) > self.most_kept {
            return None;
        }
        let file = self.open_file(pid, file).ok()?;
        Some(KeptFile {
            file,
            _one_of: Arc::clone(&self.kept),
        })
    }
}

impl Process {
    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When the process started, in ticks since boot.
    pub fn start_ticks(&self) -> u64 {
        self.start_ticks
    }

    /// The last reading of its `stat` file.
    pub fn last_stat(&self) -> &ProcessStat {
        &self.stat
    }

    /// Reads its `stat` file and makes sure that it is still the same process.
    ///
    /// # Errors
    /// `Gone` when the process has ended, whoever has its number now.
    pub fn stat(&mut self, processes: &mut Processes) -> Result<&ProcessStat, ReadError> {
        self.read_stat(processes)?;
        if self.stat.start_ticks != self.start_ticks {
            return Err(processes.gone(self.pid));
        }
        Ok(&self.stat)
    }

    /// Its CPU time since it started, in nanoseconds; never less than at the previous reading.
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn cpu_ns(&mut self, processes: &mut Processes) -> Result<u64, ReadError> {
        let now = match self.clock {
            Some(clock) => clock.read()?.ok_or_else(|| processes.gone(self.pid))?,
            None => {
                let stat = self.stat(processes)?;
                let ticks = stat.user_ticks.saturating_add(stat.system_ticks);
                ticks_to_ns(ticks, processes.ticks_per_second)
            }
        };
        if now < self.cpu_ns {
            self.stat(processes)?;
        }
        self.cpu_ns = self.cpu_ns.max(now);
        Ok(self.cpu_ns)
    }

    /// Its CPU time since it started, in user and in kernel mode. Costs a reading of `stat` more than [`Self::cpu_ns`].
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn split_cpu_time(&mut self, processes: &mut Processes) -> Result<SplitTime, ReadError> {
        let total = self.cpu_ns(processes)?;
        // Without a clock, that has come from the same file.
        if self.clock.is_some() {
            self.stat(processes)?;
        }
        Ok(self
            .split
            .update(total, self.stat.user_ticks, self.stat.system_ticks))
    }

    /// Its memory; nothing when it has ended. The first reading keeps the file open, if `processes` may keep one more: a
    /// kept file costs a fifth of one that is opened each time, and never shows whoever has the number later.
    ///
    /// # Errors
    /// `Gone` when the process has ended and was waited for.
    pub fn statm(&mut self, processes: &mut Processes) -> Result<Statm, ReadError> {
        if self.kept_statm.is_none() {
            self.kept_statm = processes.keep(self.pid, "statm");
        }
        let page_size = processes.page_size;
        let parse = |bytes: &[u8]| statm::parse(bytes, page_size);
        let statm = processes.read_kept(
            self.kept_statm.as_ref(),
            self.pid,
            "statm",
            Extent::OneRecord,
            parse,
        )?;
        if self.stat.state != b'Z' || statm.virtual_size != Some(0) {
            return Ok(statm);
        }
        // Its first thread has ended, and has no memory any more; others may have it still.
        match processes.other_thread(self.pid) {
            Some(thread) => {
                let file = format!("task/{thread}/statm");
                processes.read_with(self.pid, &file, Extent::OneRecord, parse)
            }
            None => Ok(Statm::default()),
        }
    }

    /// What it fetched from storage and sent there; the file is kept open like that of [`Self::statm`].
    ///
    /// # Errors
    /// `Gone` when the process has ended and was waited for; also when this user may not know.
    pub(super) fn io(&mut self, processes: &mut Processes) -> Result<ProcessIo, ReadError> {
        if self.kept_io.is_none() {
            self.kept_io = processes.keep(self.pid, "io");
        }
        match &self.kept_io {
            Some(kept) => processes.read_open(&kept.file, self.pid, "io", Extent::OneRecord, io::parse),
            None => processes.io(self.pid),
        }
    }

    /// The children of its first thread; the file is kept open like that of [`Self::statm`].
    ///
    /// # Errors
    /// When the process has ended, or the kernel does not tell (`CONFIG_PROC_CHILDREN`).
    pub(super) fn children(&mut self, processes: &mut Processes) -> Result<Vec<u32>, ReadError> {
        let file = format!("task/{}/children", self.pid);
        if self.kept_children.is_none() {
            self.kept_children = processes.keep(self.pid, &file);
        }
        processes.read_kept(
            self.kept_children.as_ref(),
            self.pid,
            &file,
            Extent::ManyRecords,
            tree::pids,
        )
    }

    fn read_stat(&mut self, processes: &mut Processes) -> Result<(), ReadError> {
        processes.read_kept(self.kept.as_ref(), self.pid, "stat", Extent::OneRecord, |bytes| {
            parse(bytes, &mut self.stat)
        })
    }
}
