//! Control groups that somebody else has made.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use alumet_reader_cgroupfs::CgroupPath;
use alumet_reader_cgroupfs::engine::{FileEngine, Reading, SlotId, Stat};
use alumet_reader_cgroupfs::mount::{Hierarchies, Version};
use alumet_reader_procfs::process::{TreeReading, TreeUsage};
use alumet_reader_procfs::{ReadError, SystemRoot};

/// A control group that somebody else has made, with those below it.
pub(crate) struct WatchedGroup {
    pub(crate) path: CgroupPath,
    /// Its folder in a hierarchy that has it.
    folder: PathBuf,
    engine: FileEngine,
    slot: SlotId,
    reading: Reading,
    /// What was used before it was watched.
    before: Option<TreeUsage>,
    last: TreeReading,
    pub(super) is_gone: bool,
}

impl WatchedGroup {
    /// The group that a path names, in its hierarchy or with the folder of the mount before it.
    ///
    /// # Errors
    /// When there is no such group.
    pub(crate) fn at(root: &SystemRoot, path: &Path) -> anyhow::Result<Self> {
        let mounted = Hierarchies::detect(root.path())?;
        let mounts = mounted.v2.iter().chain(mounted.v1.values());
        let inside = mounts.filter_map(|mount| path.strip_prefix(mount).ok()).next();
        let inside = inside.unwrap_or_else(|| path.strip_prefix("/").unwrap_or(path));
        let path = CgroupPath::from_bytes(&[b"/", inside.as_os_str().as_bytes()].concat())?;
        let wanted = [
            Stat::CpuTotal,
            Stat::CpuUser,
            Stat::CpuSystem,
            Stat::Memory,
            Stat::Devices,
        ];
        let open = |version| {
            let mut engine = FileEngine::new(version, &mounted)?;
            let slot = engine.open(&path, wanted.into_iter().collect())?;
            Ok::<_, ReadError>((engine, slot))
        };
        // Where controllers are in version 1, that knows more.
        let (engine, slot) = match mounted.v1.is_empty() {
            true => open(Version::V2)?,
            false => open(Version::V1).or_else(|_| open(Version::V2))?,
        };
        let mounts = mounted.v2.iter().chain(mounted.v1.values());
        let mut folders = mounts.map(|mount| path.below(mount));
        let mut group = Self {
            folder: folders.find(|folder| folder.is_dir()).unwrap_or_default(),
            path,
            engine,
            slot,
            reading: Reading::default(),
            before: None,
            last: TreeReading::default(),
            is_gone: false,
        };
        group.read();
        Ok(group)
    }

    /// The group of a unit of systemd.
    ///
    /// # Errors
    /// When there is none, or several of that name.
    pub(crate) fn of_unit(root: &SystemRoot, unit: &str) -> anyhow::Result<Self> {
        let mounted = Hierarchies::detect(root.path())?;
        let name = match unit.contains('.') {
            true => unit.to_owned(),
            false => format!("{unit}.service"),
        };
        let mut found = Vec::new();
        if let Some(mount) = mounted.v2.iter().chain(mounted.v1.values()).next() {
            find_folders(mount, name.as_ref(), &mut found);
        }
        match &found[..] {
            [one] => Self::at(root, one),
            [] => anyhow::bail!(
                "no control group is called {name}\n  help: list units that run with `systemctl list-units`"
            ),
            several => {
                let names: Vec<_> = several.iter().map(|path| path.display().to_string()).collect();
                anyhow::bail!(
                    "several control groups are called {name}\n  help: name one with --cgroup: {}",
                    names.join(", ")
                )
            }
        }
    }

    /// The processes in it and in those below it, by the numbers that they have for this process.
    pub(super) fn processes(&self) -> Vec<u32> {
        let mut found = Vec::new();
        list_processes(&self.folder, &mut found);
        found
    }

    pub(super) fn read(&mut self) -> TreeReading {
        match self.engine.read(&self.slot, &mut self.reading) {
            Err(ReadError::Gone { .. }) => self.is_gone = true,
            // The other files of it were read.
            Err(_) | Ok(()) => {
                let bytes = |kind: usize| {
                    let devices = self.reading.io().into_iter().flatten();
                    devices.filter_map(|device| device.bytes[kind]).sum()
                };
                let user = self
                    .reading
                    .get(Stat::CpuUser)
                    .or(self.reading.get(Stat::CpuTotal));
                // The files of a group that is being removed say nothing.
                let Some(user_ns) = user else {
                    return self.last;
                };
                let now = TreeUsage {
                    user_ns,
                    system_ns: self.reading.get(Stat::CpuSystem).unwrap_or(0),
                    read_bytes: bytes(0),
                    written_bytes: bytes(1),
                    ..TreeUsage::default()
                };
                let before = *self.before.get_or_insert(now);
                self.last = TreeReading {
                    usage: now.since(before),
                    resident_bytes: self.reading.get(Stat::Memory).unwrap_or(0),
                };
            }
        }
        self.last
    }
}

/// The folders of that name below another one.
fn find_folders(folder: &Path, name: &OsStr, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            match entry.file_name() == name {
                true => found.push(entry.path()),
                false => find_folders(&entry.path(), name, found),
            }
        }
    }
}

/// Lists the processes of a group and of those below it.
fn list_processes(folder: &Path, found: &mut Vec<u32>) {
    // Those that this process cannot name have the number 0.
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let pids = text.lines().filter_map(|pid| pid.parse::<u32>().ok());
    found.extend(pids.filter(|pid| *pid > 0));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list_processes(&entry.path(), found);
        }
    }
}
