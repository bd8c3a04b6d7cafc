//! The control group of one run: the kernel counts in it whatever the program starts, however short it lives and whoever
//! waits for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::engine::{FileEngine, Reading, SlotId, Stat, Wanted};
use alumet_reader_cgroupfs::mount::{Hierarchies, Version};
use alumet_reader_procfs::process::TreeUsage;
use anyhow::Context;

use super::scope;

/// A control group for one program; it is removed with this value, and what still runs in it moves to the group of the agent.
pub(crate) struct RunGroup {
    folder: PathBuf,
    parent: PathBuf,
    engine: FileEngine,
    slot: SlotId,
    reading: Reading,
    /// CPU time in user and in kernel mode, in nanoseconds, when it was read last.
    cpu: Option<(u64, u64)>,
    /// Whether something has left the group.
    is_left: bool,
}

/// What the names begin with; the number of the agent follows.
const NAME: &str = "alumet-run-";

impl RunGroup {
    /// A group below that of this process, which moves into a scope of systemd where its session may not be divided.
    /// `command` is what will run in it, for people.
    ///
    /// # Errors
    /// When there is no unified hierarchy, or this user may not make groups there.
    pub(crate) fn make(command: &str) -> anyhow::Result<Self> {
        let mounted = Hierarchies::detect(Path::new("/"))?;
        let mount = mounted.require_v2()?;
        let mut own = own_group()?;
        let mut made = make_below(&own, mount);
        if let Err(error) = &made
            && error.root_cause().downcast_ref().map(io::Error::kind) == Some(ErrorKind::PermissionDenied)
        {
            scope::enter(&own, command).with_context(|| format!("{error:#}"))?;
            own = own_group()?;
            made = make_below(&own, mount);
        }
        let path = made?;
        let (folder, parent) = (path.below(mount), own.below(mount));
        let opened = FileEngine::new(Version::V2, &mounted).and_then(|mut engine| {
            let wanted: Wanted = [Stat::CpuUser, Stat::CpuSystem].into_iter().collect();
            let slot = engine.open(&path, wanted)?;
            Ok((engine, slot))
        });
        let (engine, slot) = opened.inspect_err(|_| remove(&folder, &parent))?;
        let mut group = Self {
            folder,
            parent,
            engine,
            slot,
            reading: Reading::default(),
            cpu: None,
            is_left: false,
        };
        group.read();
        anyhow::ensure!(
            group.cpu.is_some(),
            "the kernel counts no CPU time of control groups"
        );
        // The first process that moves waits until no CPU can be about to fork, about 10 ms; those that soon follow do not. This
        // one stays where it is.
        let _ = fs::write(group.parent.join("cgroup.procs"), "0");
        Ok(group)
    }

    /// What a process enters the group with, by [`Self::enter`].
    pub(crate) fn door(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .open(self.folder.join("cgroup.procs"))
    }

    /// Moves this process into the group. Safe between `fork` and `exec`: nothing but a system call.
    pub(crate) fn enter(mut door: &File) -> io::Result<()> {
        door.write_all(b"0")
    }

    /// Replaces the CPU time of `usage`, which the processes have, by that of the group, unless some have left it.
    pub(super) fn refine(&mut self, usage: &mut TreeUsage) {
        /// Of processes that have ended it is told in ticks of 10 ms.
        const BLUR_NS: u64 = 100_000_000;
        self.read();
        if let Some((user, system)) = self.cpu {
            self.is_left |= usage.user_ns + usage.system_ns > user + system + BLUR_NS;
            if !self.is_left {
                (usage.user_ns, usage.system_ns) = (user, system);
            }
        }
    }

    /// Whether it counts all that the processes use.
    pub(super) const fn counts_all(&self) -> bool {
        !self.is_left
    }

    /// What cannot be read this time is what it was before.
    fn read(&mut self) {
        if self.engine.read(&self.slot, &mut self.reading).is_ok()
            && let Some(user) = self.reading.get(Stat::CpuUser)
            && let Some(system) = self.reading.get(Stat::CpuSystem)
        {
            self.cpu = Some((user, system));
        }
    }
}

impl Drop for RunGroup {
    fn drop(&mut self) {
        remove(&self.folder, &self.parent);
    }
}

/// The group of this process.
fn own_group() -> anyhow::Result<CgroupPath> {
    let groups = fs::read("/proc/self/cgroup")?;
    let mut lines = groups.split(|byte| *byte == b'\n');
    let own = lines.find_map(|line| line.strip_prefix(b"0::"));
    Ok(CgroupPath::from_bytes(own.context(
        "this process is in no group of the unified hierarchy",
    )?)?)
}

/// Makes the group of this run below that of this process.
fn make_below(own: &CgroupPath, mount: &Path) -> anyhow::Result<CgroupPath> {
    let parent = own.below(mount);
    // Runtimes choose the size of their heaps and pools by the limits of the group in which they find themselves.
    for limit in ["memory.max", "cpu.max"] {
        let text = fs::read_to_string(parent.join(limit)).unwrap_or_default();
        anyhow::ensure!(
            text.is_empty() || text.starts_with("max"),
            "a program in a group of its own would not see {limit} of {}",
            parent.display()
        );
    }
    remove_forgotten(&parent);
    let path = own.child(format!("{NAME}{}", std::process::id()).as_ref())?;
    let folder = path.below(mount);
    fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(path)
}

/// Removes the groups that killed agents have left, if nothing runs in them any more.
fn remove_forgotten(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.as_bytes().strip_prefix(NAME.as_bytes());
        let number = number.and_then(|number| str::from_utf8(number).ok());
        if number.is_some_and(|number| !Path::new("/proc").join(number).exists()) {
            // The kernel refuses it while something runs in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn remove(folder: &Path, parent: &Path) {
    /// Processes that start others while they are moved need another attempt.
    const ATTEMPTS: usize = 3;
    for _ in 0..ATTEMPTS {
        let processes = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines() {
            // One that has ended meanwhile is in no group.
            let _ = fs::write(parent.join("cgroup.procs"), pid);
        }
        if processes.is_empty() {
            break;
        }
    }
    if let Err(error) = fs::remove_dir(folder) {
        tracing::warn!(%error, group = %folder.display(), "the control group of the run is left over; remove it with rmdir");
    }
}
