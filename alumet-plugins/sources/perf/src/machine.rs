//! The machine that is counted: its CPUs, processes and control groups. Knows no type of Alumet.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::mount::Hierarchies;
use alumet_reader_procfs::cpu_online::{self, CpuList};
use alumet_reader_procfs::{ReadError, SystemRoot, Table};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The machine below a system root.
pub(crate) struct Machine {
    root: PathBuf,
    online: Table<CpuList>,
    cpus: Vec<u32>,
}

/// More CPUs than Linux can have.
const MOST_CPUS: usize = 65_536;

/// Descriptors that are left to the rest of the program.
const RESERVE: u64 = 256;

impl Machine {
    /// The machine whose `proc` and `sys` lie below `root`.
    pub(crate) fn at(root: &Path) -> Self {
        let mut machine = Self {
            root: root.to_path_buf(),
            online: cpu_online::table(&SystemRoot::at(root)),
            cpus: Vec::new(),
        };
        machine.look_at_cpus();
        machine
    }

    /// The CPUs that ran at the last look.
    pub(crate) fn cpus(&self) -> &[u32] {
        &self.cpus
    }

    /// Looks which CPUs run; whether these are others than before.
    pub(crate) fn look_at_cpus(&mut self) -> bool {
        let Ok(list) = self.online.read() else {
            return false;
        };
        let now = || {
            list.ranges
                .iter()
                .flat_map(|(first, last)| *first..=*last)
                .take(MOST_CPUS)
        };
        let differ = !now().eq(self.cpus.iter().copied());
        if differ {
            self.cpus = now().collect();
        }
        differ
    }

    /// The threads of a process and of its descendants; itself alone where nothing is known about it.
    pub(crate) fn threads_of(&self, pid: u32) -> Vec<u32> {
        let (mut threads, mut processes) = (Vec::new(), vec![pid]);
        while let Some(process) = processes.pop() {
            let tasks = self.root.join("proc").join(process.to_string()).join("task");
            for task in fs::read_dir(tasks).into_iter().flatten().flatten() {
                threads.extend(
                    task.file_name()
                        .to_str()
                        .and_then(|name| name.parse::<u32>().ok()),
                );
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                processes.extend(
                    children
                        .split_ascii_whitespace()
                        .filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
        }
        if threads.is_empty() {
            threads.push(pid);
        }
        threads
    }

    /// Whether no process has this number.
    pub(crate) fn is_gone(pid: u32) -> bool {
        let pid = i32::try_from(pid).map(Pid::from_raw);
        pid.is_ok_and(|pid| kill(pid, None) == Err(Errno::ESRCH))
    }

    /// The folder of a control group of the unified hierarchy, open.
    pub(crate) fn open_group(&self, path: &str) -> Result<File, ReadError> {
        let hierarchies = Hierarchies::detect(&self.root)?;
        let gone = |path: &Path| ReadError::Gone {
            what: "the control group",
            path: path.to_path_buf(),
        };
        let path: CgroupPath = path.parse().map_err(|_| gone(Path::new(path)))?;
        let folder = path.below(hierarchies.require_v2()?);
        match File::open(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(gone(&folder)),
            file => file.map_err(|error| ReadError::of_file(&folder, error, "")),
        }
    }
}

/// How many descriptors may be open for counting, once the soft limit of the program is as high as the hard one.
pub(crate) fn most_descriptors(wanted: u32) -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let limit = if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        tracing::info!(from = soft, to = hard, "the soft limit of open files was raised");
        hard
    } else {
        soft
    };
    let most = limit.saturating_sub(RESERVE).min(u64::from(wanted));
    usize::try_from(most).unwrap_or(usize::MAX)
}
