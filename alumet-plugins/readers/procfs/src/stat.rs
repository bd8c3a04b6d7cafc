//! `/proc/stat`: CPU time per state, in total and per CPU, and counters of the scheduler.
//!
//! Format: `Documentation/filesystems/proc.rst`, "Miscellaneous kernel statistics".

use crate::{ParseError, Parsed, SystemRoot, Table};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::{Fields, cut_line, leading_number, lines, number};

/// One reading of `/proc/stat`. What the kernel does not print is `None`.
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
}

/// The times of one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuLine {
    /// The kernel's number of the CPU.
    pub cpu: u32,
    /// Its times since boot.
    pub times: CpuTimes,
}

/// CPU time since boot in each of the [`STATES`], in ticks ([`crate::ticks_per_second`]). What an old kernel does not
/// print is `None`, and so is what is no count.
///
/// `idle` and `iowait` are known to go backwards now and then: take differences with care.
pub type CpuTimes = [Option<u64>; STATES.len()];

/// The states of a CPU, in the order of the kernel's columns. `user` includes `guest`, and `nice` includes `guest_nice`.
pub const STATES: [&str; 10] = [
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
];

/// Parses `/proc/stat` into a value that is reused from read to read.
///
/// # Errors
/// When no line with the times of a CPU is sound.
pub fn parse(bytes: &[u8], out: &mut KernelStat) -> Parsed {
    let expected = "counts in decimal digits are expected";
    out.cpus.clear();
    *out = KernelStat {
        cpus: std::mem::take(&mut out.cpus),
        ..KernelStat::default()
    };
    let mut odd = cut_line(bytes);
    for (number, line) in lines(bytes) {
        if take(line, out).is_none() {
            odd = odd.or(Some(ParseError::at(number, expected)));
        }
    }
    if out.total == CpuTimes::default() && out.cpus.is_empty() {
        return Err(odd.unwrap_or(ParseError::whole("a line `cpu` with times is expected")));
    }
    Ok(odd)
}

/// Takes one line, also if it is of no interest; `None` when it is and is not understood.
fn take(line: &[u8], out: &mut KernelStat) -> Option<()> {
    match line.strip_prefix(b"cpu") {
        Some(columns @ [b' ', ..]) => out.total = cpu_times(columns)?,
        Some(rest) => {
            let (cpu, columns) = leading_number(rest)?;
            let cpu = u32::try_from(cpu).ok()?;
            let times = cpu_times(columns)?;
            out.cpus.push(CpuLine { cpu, times });
        }
        None => {
            let mut fields = Fields::of(line);
            let counter = match fields.next()? {
                b"ctxt" => &mut out.context_switches,
                b"processes" => &mut out.forks,
                b"procs_running" => &mut out.procs_running,
                b"procs_blocked" => &mut out.procs_blocked,
                _ => return Some(()),
            };
            *counter = Some(fields.number()?);
        }
    }
    Some(())
}

fn cpu_times(columns: &[u8]) -> Option<CpuTimes> {
    let mut times = CpuTimes::default();
    for (place, column) in times.iter_mut().zip(Fields::of(columns)) {
        *place = number(column);
    }
    // User, nice, system and idle have been there since the first kernels.
    (times.iter().flatten().count() >= 4).then_some(times)
}

/// `/proc/stat`.
pub fn table(root: &SystemRoot) -> Table<KernelStat> {
    let (path, mend) = (root.proc("stat"), crate::root::MOUNT_PROC);
    Table::new(path, Extent::OneRecord, mend, KernelStat::default(), parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<KernelStat, ParseError> {
        let mut stat = KernelStat::default();
        parse(text.as_bytes(), &mut stat).map(|_| stat)
    }

    #[test]
    fn cpus_keep_the_numbers_of_the_kernel() {
        let stat = parsed("cpu 1 2 3 4\ncpu0 1 1 1 1\ncpu7 0 1 2 3\n").unwrap();
        let numbers: Vec<u32> = stat.cpus.iter().map(|line| line.cpu).collect();
        assert_eq!(numbers, [0, 7]);
        assert_eq!(stat.cpus[1].times[3], Some(3));
    }

    #[test]
    fn columns_that_an_old_kernel_lacks_are_absent_and_those_of_a_future_one_ignored() {
        let stat = parsed("cpu 1 2 3 4 5 6 7\n").unwrap();
        assert_eq!((stat.total[6], stat.total[7]), (Some(7), None));
        assert_eq!(stat.forks, None);
        let stat = parsed("cpu 1 2 3 4 5 6 7 8 9 10 11 12\n").unwrap();
        assert_eq!(stat.total[9], Some(10));
    }

    #[test]
    fn an_odd_column_or_line_takes_only_itself_away() {
        let text = "cpu 1 2 3 4 -5 6\ncpu0 1 x 3\ncpu1 1 1 1 1\ncpu4294967296 1 2 3 4\nctxt -5\nprocesses 7\ncpu2 1 1 1 1";
        let mut stat = KernelStat::default();
        let odd = parse(text.as_bytes(), &mut stat).unwrap();
        assert!(odd.is_some());
        assert_eq!((stat.total[4], stat.total[5]), (None, Some(6)));
        let numbers: Vec<u32> = stat.cpus.iter().map(|line| line.cpu).collect();
        assert_eq!(numbers, [1]);
        assert_eq!((stat.context_switches, stat.forks), (None, Some(7)));
        // Without the sum over the CPUs, the CPUs are there all the same.
        assert_eq!(parsed("cpu x\ncpu0 1 1 1 1\n").unwrap().cpus.len(), 1);
    }

    #[test]
    fn of_two_sums_the_last_one_counts_and_a_time_near_the_end_of_its_range_is_one() {
        let stat = parsed("cpu 1 2 3 4\ncpu 5 6 7 8 0 0 0 18446744073709551615\n").unwrap();
        assert_eq!((stat.total[0], stat.total[7]), (Some(5), Some(u64::MAX)));
    }

    #[test]
    fn a_file_without_times_is_refused() {
        assert_eq!(parsed("ctxt 1\n").unwrap_err().line, None);
        assert!(parsed("").is_err());
        assert_eq!(parsed("cpu 1 2\n").unwrap_err().line, Some(1));
    }

    #[test]
    fn nothing_of_the_previous_reading_remains() {
        let mut stat = parsed("cpu 1 2 3 4\ncpu0 1 2 3 4\nprocesses 9\n").unwrap();
        parse(b"cpu 5 6 7 8\n", &mut stat).unwrap();
        assert_eq!(stat, parsed("cpu 5 6 7 8\n").unwrap());
    }
}
