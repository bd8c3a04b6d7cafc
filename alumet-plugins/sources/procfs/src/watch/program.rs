//! Which program a process runs.

use alumet_reader_procfs::BString;
use alumet_reader_procfs::process::ProcessStat;

/// What tells one program that a process runs from the next one.
#[derive(Debug)]
pub(crate) struct Program {
    comm: BString,
    stack_start: u64,
}

impl Program {
    pub(crate) fn of(stat: &ProcessStat) -> Self {
        Self {
            comm: stat.comm.clone(),
            stack_start: stat.stack_start,
        }
    }

    /// Whether the process still runs it. A program that starts another one of the same name, such as an interpreter
    /// with another script, is told by its stack, where this user may see where that is.
    pub(crate) fn is_run_by(&self, stat: &ProcessStat) -> bool {
        let is_same_start =
            self.stack_start == stat.stack_start || self.stack_start == 0 || stat.stack_start == 0;
        self.comm == stat.comm && is_same_start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(comm: &str, stack_start: u64) -> ProcessStat {
        ProcessStat {
            comm: comm.into(),
            stack_start,
            ..ProcessStat::default()
        }
    }

    #[test]
    fn another_name_or_another_stack_is_another_program_unless_the_stack_is_hidden() {
        let program = Program::of(&stat("sh", 7));
        assert!(program.is_run_by(&stat("sh", 7)) && program.is_run_by(&stat("sh", 0)));
        assert!(!program.is_run_by(&stat("sh", 8)) && !program.is_run_by(&stat("app", 7)));
        assert!(Program::of(&stat("sh", 0)).is_run_by(&stat("sh", 7)));
    }
}
