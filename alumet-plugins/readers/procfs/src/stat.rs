//! `/proc/stat`: CPU time per state, in total and per CPU, and counters of the scheduler.
//!
//! Format: `Documentation/filesystems/proc.rst`, "Miscellaneous kernel statistics".

use crate::{ParseError, ReadError, SystemRoot, ticks_per_second};
use alumet_reader_kernel_file::fields::{Fields, leading_number, lines};
use alumet_reader_kernel_file::{Extent, KeptFile};

/// One reading of `/proc/stat`. A counter that the kernel does not print is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelStat {
    /// The sum over all CPUs, including time that CPUs spent before they went offline.
    pub total: CpuTimes,
    /// The online CPUs in the kernel's order. Offline CPUs are absent, so the position is *not* the CPU's number.
    pub cpus: Vec<CpuLine>,
    /// Context switches since boot.
    pub context_switches: Option<u64>,
    /// Processes and threads created since boot.
    pub forks: Option<u64>,
    /// Threads that run or wait for a CPU.
    pub procs_running: Option<u64>,
    /// Threads that are blocked, waiting for I/O.
    pub procs_blocked: Option<u64>,
    /// Boot time in seconds since the Unix epoch.
    pub boot_time: Option<u64>,
}

/// The times of one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuLine {
    /// The kernel's number of the CPU.
    pub cpu: u32,
    /// Its times since boot.
    pub times: CpuTimes,
}

/// CPU time since boot by state, in ticks ([`ticks_per_second`]).
///
/// `idle` and `iowait` are known to go backwards now and then: take differences with care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user mode; includes `guest`.
    pub user: u64,
    /// In user mode at low priority; includes `guest_nice`.
    pub nice: u64,
    /// In kernel mode.
    pub system: u64,
    /// Idle.
    pub idle: u64,
    /// Idle while a thread of this CPU waited for I/O.
    pub iowait: u64,
    /// Serving hardware interrupts.
    pub irq: u64,
    /// Serving software interrupts.
    pub softirq: u64,
    /// Taken by other guests of the hypervisor.
    pub steal: u64,
    /// Running a guest's virtual CPU.
    pub guest: u64,
    /// Running a guest's virtual CPU at low priority.
    pub guest_nice: u64,
    /// How many of the ten columns above the kernel prints; the others are zero.
    pub columns: u8,
}

/// Parses `/proc/stat` into a value that is reused from read to read.
///
/// # Errors
/// When the total is missing or a number is malformed; `out` then holds a mixture.
pub fn parse(bytes: &[u8], out: &mut KernelStat) -> Result<(), ParseError> {
    let KernelStat {
        total,
        cpus,
        context_switches,
        forks,
        procs_running,
        procs_blocked,
        boot_time,
    } = out;
    *total = CpuTimes::default();
    cpus.clear();
    for counter in [
        &mut *context_switches,
        forks,
        procs_running,
        procs_blocked,
        boot_time,
    ] {
        *counter = None;
    }
    for (number, line) in lines(bytes) {
        let malformed = || ParseError::at(number, "a count in decimal digits is expected");
        if let Some(rest) = line.strip_prefix(b"cpu") {
            let times = || cpu_times(rest_after_number(rest)).ok_or_else(malformed);
            match leading_number(rest) {
                Some((cpu, _)) => {
                    let cpu = u32::try_from(cpu)
                        .map_err(|_| ParseError::at(number, "a CPU number below 2^32 is expected"))?;
                    cpus.push(CpuLine { cpu, times: times()? });
                }
                None => *total = times()?,
            }
            continue;
        }
        let mut fields = Fields::of(line);
        let counter = match fields.next() {
            Some(b"ctxt") => &mut *context_switches,
            Some(b"processes") => &mut *forks,
            Some(b"procs_running") => &mut *procs_running,
            Some(b"procs_blocked") => &mut *procs_blocked,
            Some(b"btime") => &mut *boot_time,
            _ => continue,
        };
        *counter = Some(fields.number().ok_or_else(malformed)?);
    }
    if total.columns == 0 {
        return Err(ParseError::whole("a line `cpu` with times is expected"));
    }
    Ok(())
}

fn rest_after_number(rest: &[u8]) -> &[u8] {
    leading_number(rest).map_or(rest, |(_, rest)| rest)
}

fn cpu_times(columns: &[u8]) -> Option<CpuTimes> {
    let mut fields = Fields::of(columns);
    let mut times = CpuTimes::default();
    for place in [
        &mut times.user,
        &mut times.nice,
        &mut times.system,
        &mut times.idle,
        &mut times.iowait,
        &mut times.irq,
        &mut times.softirq,
        &mut times.steal,
        &mut times.guest,
        &mut times.guest_nice,
    ] {
        if fields.is_at_end() {
            break;
        }
        *place = fields.number()?;
        times.columns += 1;
    }
    // User, nice, system and idle have been there since the first kernels.
    (times.columns >= 4).then_some(times)
}

/// The open `/proc/stat`.
#[derive(Debug)]
pub struct StatFile {
    file: KeptFile,
    stat: KernelStat,
    ticks_per_second: u64,
}

impl StatFile {
    /// Opens the file.
    ///
    /// # Errors
    /// When it is absent or refused.
    pub fn open(root: &SystemRoot) -> Result<Self, ReadError> {
        Ok(Self {
            file: KeptFile::open(root.proc("stat"), Extent::OneRecord, crate::root::MOUNT_PROC)?,
            stat: KernelStat::default(),
            ticks_per_second: ticks_per_second(),
        })
    }

    /// The present values.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn read(&mut self) -> Result<&KernelStat, ReadError> {
        self.file.read_with(|bytes| parse(bytes, &mut self.stat))?;
        Ok(&self.stat)
    }

    /// How many ticks of [`CpuTimes`] make one second.
    pub fn ticks_per_second(&self) -> u64 {
        self.ticks_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<KernelStat, ParseError> {
        let mut stat = KernelStat::default();
        parse(text.as_bytes(), &mut stat).map(|()| stat)
    }

    #[test]
    fn cpus_keep_the_numbers_of_the_kernel() {
        let stat = parsed("cpu 1 2 3 4\ncpu0 1 1 1 1\ncpu7 0 1 2 3\n").unwrap();
        let numbers: Vec<u32> = stat.cpus.iter().map(|line| line.cpu).collect();
        assert_eq!(numbers, [0, 7]);
        assert_eq!(stat.cpus[1].times.idle, 3);
    }

    #[test]
    fn columns_that_an_old_kernel_lacks_are_zero_and_counted_as_absent() {
        let stat = parsed("cpu 1 2 3 4 5 6 7\n").unwrap();
        assert_eq!(
            (stat.total.softirq, stat.total.steal, stat.total.columns),
            (7, 0, 7)
        );
        assert_eq!(stat.forks, None);
    }

    #[test]
    fn columns_of_a_future_kernel_are_ignored() {
        let stat = parsed("cpu 1 2 3 4 5 6 7 8 9 10 11 12\n").unwrap();
        assert_eq!((stat.total.guest_nice, stat.total.columns), (10, 10));
    }

    #[test]
    fn a_malformed_column_is_reported_with_its_line() {
        assert_eq!(parsed("cpu 1 2 3 4\ncpu0 1 x 3 4\n").unwrap_err().line, Some(2));
        assert_eq!(parsed("cpu 1 2 3 4\nctxt -5\n").unwrap_err().line, Some(2));
        assert_eq!(
            parsed("cpu 1 2 3 4\ncpu4294967296 1 2 3 4\n").unwrap_err().line,
            Some(2)
        );
    }

    #[test]
    fn a_file_without_the_total_is_refused() {
        assert_eq!(parsed("ctxt 1\n").unwrap_err().line, None);
        assert!(parsed("").is_err());
    }

    #[test]
    fn nothing_of_the_previous_reading_remains() {
        let mut stat = parsed("cpu 1 2 3 4\ncpu0 1 2 3 4\nprocesses 9\n").unwrap();
        parse(b"cpu 5 6 7 8\n", &mut stat).unwrap();
        assert_eq!(stat, parsed("cpu 5 6 7 8\n").unwrap());
    }
}
