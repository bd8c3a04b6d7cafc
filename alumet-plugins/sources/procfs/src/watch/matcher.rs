//! Whether a process belongs to a group.

use alumet_reader_procfs::ReadError;
use alumet_reader_procfs::process::command::arguments;
use alumet_reader_procfs::process::{Process, Processes};
use regex::Regex;

use crate::config::GroupConfig;

/// The conditions of one group.
#[derive(Debug)]
pub(crate) struct Matcher {
    pid: Option<u32>,
    parent: Option<u32>,
    exe: Option<Regex>,
    cmdline: Option<Regex>,
}

/// A process that is compared with the conditions of one group after the other; what costs a system call is read when
/// a condition asks for it, once.
pub(super) struct Candidate<'a> {
    process: &'a Process,
    processes: &'a mut Processes,
    exe: Option<String>,
    cmdline: Option<String>,
    /// Whether something could not be read that can be read the next time.
    pub(super) is_incomplete: bool,
}

impl Matcher {
    /// # Errors
    /// When an expression is none; the check of the configuration finds that first.
    pub(crate) fn of(group: &GroupConfig) -> Result<Self, regex::Error> {
        // An empty expression is found everywhere: no condition, and no system call to read what it is compared with.
        let compile = |regex: &Option<String>| {
            let regex = regex.as_deref().filter(|regex| !regex.is_empty());
            regex.map(Regex::new).transpose()
        };
        Ok(Self {
            pid: group.pid,
            parent: group.ppid,
            exe: compile(&group.exe_regex)?,
            cmdline: compile(&group.cmdline_regex)?,
        })
    }

    /// Whether every process belongs to the group.
    pub(crate) const fn has_all(&self) -> bool {
        self.pid.is_none() && self.parent.is_none() && self.exe.is_none() && self.cmdline.is_none()
    }

    pub(super) fn has(&self, candidate: &mut Candidate<'_>) -> bool {
        let process = candidate.process;
        let (exe, cmdline) = (self.exe.as_ref(), self.cmdline.as_ref());
        self.pid.is_none_or(|pid| pid == process.pid())
            && self.parent.is_none_or(|pid| pid == process.last_stat().parent)
            && exe.is_none_or(|regex| regex.is_match(candidate.exe()))
            && cmdline.is_none_or(|regex| regex.is_match(candidate.cmdline()))
    }
}

impl<'a> Candidate<'a> {
    pub(super) const fn new(process: &'a Process, processes: &'a mut Processes) -> Self {
        Self {
            process,
            processes,
            exe: None,
            cmdline: None,
            is_incomplete: false,
        }
    }

    /// The path of the executable; empty for a kernel thread, for one that may not be seen, and for an ended process.
    fn exe(&mut self) -> &str {
        let (processes, pid) = (&*self.processes, self.process.pid());
        self.exe.get_or_insert_with(|| {
            let path = processes.exe(pid).ok().flatten().unwrap_or_default();
            let path = path.to_string_lossy();
            // The kernel's mark of an executable that was replaced by an update.
            path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned()
        })
    }

    fn cmdline(&mut self) -> &str {
        let (processes, pid) = (&mut *self.processes, self.process.pid());
        let is_incomplete = &mut self.is_incomplete;
        self.cmdline.get_or_insert_with(|| {
            let read = command_line(processes, pid);
            *is_incomplete |= read.as_ref().is_err_and(ReadError::is_temporary);
            read.unwrap_or_default()
        })
    }
}

/// The command line with one blank between arguments; empty for a kernel thread.
///
/// # Errors
/// When the process has ended, or its command line cannot be read this time.
pub(crate) fn command_line(processes: &mut Processes, pid: u32) -> Result<String, ReadError> {
    let cmdline = processes.cmdline(pid)?;
    let arguments: Vec<_> = arguments(&cmdline).map(String::from_utf8_lossy).collect();
    Ok(arguments.join(" "))
}
