//! `/proc/PID/stat`: identity, state, CPU time and size of a process.
//!
//! Format: `Documentation/filesystems/proc.rst`, table 1-4, and proc_pid_stat(5).

use super::Processes;
use crate::{BString, ParseError, ReadError};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::{Fields, number};

/// One reading of `/proc/PID/stat`. Times are in ticks ([`crate::ticks_per_second`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessStat {
    /// The number of the process.
    pub pid: u32,
    /// The command: at most 15 bytes (63 for a kernel worker), of any kind, also blanks, parentheses and line ends.
    pub comm: BString,
    /// The state as a letter: `R` running, `S` sleeping, `D` waiting for I/O, `Z` ended but not waited for, and others.
    pub state: u8,
    /// The number of the parent; 0 when it is outside the PID namespace.
    pub parent: u32,
    /// Page faults that needed no storage, of all threads, ended ones included.
    pub minor_faults: u64,
    /// The same of children that were waited for.
    pub children_minor_faults: u64,
    /// Page faults that had to wait for storage, likewise.
    pub major_faults: u64,
    /// The same of children that were waited for.
    pub children_major_faults: u64,
    /// Time in user mode, of all threads, ended ones included. Contains `guest_time`.
    pub user_ticks: u64,
    /// Time in kernel mode, likewise.
    pub system_ticks: u64,
    /// Time in user mode of children that were waited for.
    pub children_user_ticks: u64,
    /// Time in kernel mode of children that were waited for.
    pub children_system_ticks: u64,
    /// Number of threads.
    pub threads: u64,
    /// When the process started, in ticks since boot. With `pid` it names a process uniquely until the next boot.
    pub start_ticks: u64,
    /// The address at which the stack began when the program was started. It is another one after each `exec`, because
    /// the kernel chooses it at random; 0 for a kernel thread and for a process that this user may not look into.
    pub stack_start: u64,
    /// Time spent running a guest's virtual CPU; zero before Linux 2.6.24.
    pub guest_ticks: u64,
}

/// Parses `/proc/PID/stat` into a value that is reused from read to read.
///
/// # Errors
/// When the command's parentheses are missing or a number is malformed; `out` then holds a mixture.
pub fn parse(bytes: &[u8], out: &mut ProcessStat) -> Result<(), ParseError> {
    fill(bytes, out).ok_or(ParseError::whole(
        "`pid (command) state` and at least 21 numbers are expected",
    ))
}

fn fill(bytes: &[u8], out: &mut ProcessStat) -> Option<()> {
    // The command can contain anything, also `) R 1`; the fields after it contain no parenthesis.
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = open + 1 + bytes[open + 1..].iter().rposition(|byte| *byte == b')')?;
    out.pid = small(&mut Fields::of(&bytes[..open]))?;
    bytes[open + 1..close].clone_into(&mut out.comm);
    let mut fields = Fields::of(bytes[close + 1..].trim_ascii_end());
    let &[state] = fields.next()? else {
        return None;
    };
    out.state = state;
    out.parent = small(&mut fields)?;
    fields.nth(4)?; // pgrp, session, tty_nr, tpgid, flags
    out.minor_faults = fields.number()?;
    out.children_minor_faults = fields.number()?;
    out.major_faults = fields.number()?;
    out.children_major_faults = fields.number()?;
    out.user_ticks = fields.number()?;
    out.system_ticks = fields.number()?;
    out.children_user_ticks = fields.number()?;
    out.children_system_ticks = fields.number()?;
    fields.nth(1)?; // priority, nice
    out.threads = fields.number()?;
    fields.next()?; // itrealvalue
    out.start_ticks = fields.number()?;
    fields.nth(1)?; // vsize, rss
    // rsslim, startcode, endcode; then 14 from kstkesp to delayacct_blkio_ticks, up to guest_time, the 43rd.
    out.stack_start = number_after(3, &mut fields)?;
    out.guest_ticks = number_after(14, &mut fields)?;
    Some(())
}

/// The number after so many fields; 0 where an old kernel has ended the line before it.
fn number_after(skipped: usize, fields: &mut Fields<'_>) -> Option<u64> {
    fields.nth(skipped).map_or(Some(0), number)
}

fn small(fields: &mut Fields<'_>) -> Option<u32> {
    u32::try_from(fields.number()?).ok()
}

impl Processes {
    /// Reads `/proc/PID/stat`.
    ///
    /// # Errors
    /// `Gone` when the process has ended.
    pub fn stat(&mut self, pid: u32, out: &mut ProcessStat) -> Result<(), ReadError> {
        self.read_with(pid, "stat", Extent::OneRecord, |bytes| parse(bytes, out))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(comm: &str) -> String {
        let after: Vec<String> = (14..=52).map(|field| (field * 10).to_string()).collect();
        format!("42 ({comm}) S 7 1 1 0 -1 4194560 1 2 3 4 {}\n", after.join(" "))
    }

    #[test]
    fn every_field_comes_from_its_place() {
        let mut stat = ProcessStat::default();
        parse(line("sh").as_bytes(), &mut stat).unwrap();
        let expected = ProcessStat {
            pid: 42,
            comm: "sh".into(),
            state: b'S',
            parent: 7,
            minor_faults: 1,
            children_minor_faults: 2,
            major_faults: 3,
            children_major_faults: 4,
            user_ticks: 140,
            system_ticks: 150,
            children_user_ticks: 160,
            children_system_ticks: 170,
            threads: 200,
            start_ticks: 220,
            stack_start: 280,
            guest_ticks: 430,
        };
        assert_eq!(stat, expected);
    }

    #[test]
    fn a_command_that_imitates_the_following_fields_is_kept_whole() {
        for comm in ["a) R 1 (b", "(sd-pam)", ")", "", "two words", "line\nend"] {
            let mut stat = ProcessStat::default();
            parse(line(comm).as_bytes(), &mut stat).unwrap();
            assert_eq!((&stat.comm, stat.parent), (&comm.into(), 7));
        }
    }

    #[test]
    fn a_command_need_not_be_utf_8() {
        let mut bytes = line("X").into_bytes();
        bytes[4] = 0xff;
        let mut stat = ProcessStat::default();
        parse(&bytes, &mut stat).unwrap();
        assert_eq!(stat.comm, [0xff]);
    }

    #[test]
    fn an_old_kernel_without_guest_time_is_accepted() {
        let short = "1 (init) S 0 1 1 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 9 8 7";
        let mut stat = ProcessStat {
            stack_start: 5,
            guest_ticks: 5,
            ..ProcessStat::default()
        };
        parse(short.as_bytes(), &mut stat).unwrap();
        assert_eq!((stat.start_ticks, stat.stack_start, stat.guest_ticks), (9, 0, 0));
    }

    #[test]
    fn a_line_that_is_cut_off_is_refused() {
        let whole = line("sh");
        let mut stat = ProcessStat::default();
        for cut in ["", "42", "42 (sh", "42 (sh)", "42 (sh) S", "42 (sh) SS 7", ")("] {
            assert!(parse(cut.as_bytes(), &mut stat).is_err(), "{cut}");
        }
        let rss = whole.find(" 240").unwrap();
        assert!(parse(&whole.as_bytes()[..rss], &mut stat).is_err());
    }

    proptest! {
        #[test]
        fn any_command_is_read_back(comm in proptest::collection::vec(any::<u8>(), 0..16)) {
            let text = line("\u{1}");
            let mark = text.find('\u{1}').unwrap();
            let bytes = [&text.as_bytes()[..mark], &comm, &text.as_bytes()[mark + 1..]].concat();
            let mut stat = ProcessStat::default();
            parse(&bytes, &mut stat).unwrap();
            prop_assert_eq!(stat.comm, comm);
            prop_assert_eq!(stat.start_ticks, 220);
        }
    }
}
