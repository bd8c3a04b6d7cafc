//! The PMUs that the kernel shows in sysfs, with their events: `bus/event_source/devices/NAME`.
//!
//! Format: `Documentation/ABI/testing/sysfs-bus-event_source-devices*`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use alumet_reader_procfs::cpu_online::{self, CpuList};
use alumet_reader_procfs::{ParseError, ReadError};

use crate::terms::{Field, number_of, terms, value_of};
use crate::{Code, Counter, Event, Modes, Place};

/// A performance monitoring unit: of the cores, of a socket, or of the kernel itself.
#[derive(Clone, Debug)]
pub struct Pmu {
    folder: PathBuf,
    kind: u32,
    place: Place,
}

/// An event that a PMU has a name for.
#[derive(Clone, Debug, PartialEq)]
pub struct PmuEvent {
    /// Its name, such as `energy-pkg`.
    pub name: String,
    /// What is counted.
    pub code: Code,
    /// What one count is worth, in `unit`; 1 where the kernel does not say.
    pub scale: f64,
    /// The unit, such as `Joules`; none where the kernel does not say.
    pub unit: Option<String>,
}

/// The reason why terms name no event of a PMU.
#[derive(Debug, thiserror::Error)]
pub enum TermError {
    /// The PMU has neither a field nor an event of this name.
    #[error("the PMU has no field and no event `{term}`; it has {known}")]
    Unknown {
        /// What was written.
        term: String,
        /// What it has.
        known: String,
    },
    /// The value is no number, or too large for its field.
    #[error("`{value}` does not fit into the field `{term}`, whose format is `{format}`")]
    Value {
        /// The field.
        term: String,
        /// What was written.
        value: String,
        /// The bits of the field.
        format: String,
    },
    /// A file of the PMU cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What to do where there is no such PMU.
const MEND: &str =
    "`ls /sys/bus/event_source/devices` lists the PMUs of this machine; a virtual machine has few";

impl Pmu {
    /// The PMU of this name, such as `power` or `cpu`, of the machine whose `sys` lies below `root`.
    ///
    /// # Errors
    /// `NotSupported` when there is none; when its files cannot be read or understood.
    pub fn open(root: &Path, name: &str) -> Result<Self, ReadError> {
        let folders =
            ["sys/bus/event_source/devices", "sys/devices"].map(|folder| root.join(folder).join(name));
        let found = folders.iter().find(|folder| folder.join("type").exists());
        let folder = found.unwrap_or(&folders[0]).clone();
        let path = folder.join("type");
        let kind = read(&path)?.parse();
        let kind = kind.map_err(|_| ParseError::whole("the number of a PMU is expected").in_file(path))?;
        // `cpumask`: one CPU counts for a socket. `cpus`: these cores are of this kind.
        let place = match (cpus(&folder.join("cpumask"))?, cpus(&folder.join("cpus"))?) {
            (Some(cpus), _) => Place::Socket(cpus),
            (None, Some(cpus)) => Place::Cores(cpus),
            (None, None) => Place::Anywhere,
        };
        Ok(Self { folder, kind, place })
    }

    /// The CPUs on which it is to be counted; all of those that run where there is none.
    pub fn cpus(&self) -> impl Iterator<Item = u32> {
        let ranges = match &self.place {
            Place::Anywhere => &[][..],
            Place::Cores(cpus) | Place::Socket(cpus) => &cpus.ranges,
        };
        ranges.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Its events in the order of their names. One that needs more than its name, such as the number of a device, is left out.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there has no events.
    pub fn events(&self) -> Result<Vec<PmuEvent>, ReadError> {
        let folder = self.folder.join("events");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| ReadError::of_file(&folder, error, MEND))?,
        };
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        // Beside an event lie `NAME.scale`, `NAME.unit` and others.
        let mut names: Vec<String> = names.filter(|name| !name.contains('.')).collect();
        names.sort_unstable();
        Ok(names
            .into_iter()
            .filter_map(|name| self.event(&name).ok())
            .collect())
    }

    /// The event of this name.
    ///
    /// # Errors
    /// When there is none, or its file cannot be understood.
    pub fn event(&self, name: &str) -> Result<PmuEvent, TermError> {
        let path = self.folder.join("events").join(name);
        let mut code = Code::new(self.kind, 0);
        self.set_fields(&read(&path)?, &mut code)?;
        let beside = |extension: &str| read(&path.with_file_name(format!("{name}.{extension}"))).ok();
        let scale = beside("scale").and_then(|scale| scale.parse().ok());
        Ok(PmuEvent {
            name: name.to_owned(),
            code,
            scale: scale.filter(|scale: &f64| scale.is_normal()).unwrap_or(1.0),
            unit: beside("unit"),
        })
    }

    /// The event that the terms name: fields with their values, and names of events.
    ///
    /// # Errors
    /// The term that is wrong, and what would be right.
    pub fn event_of(&self, text: &str) -> Result<Event, TermError> {
        // Terms are names of files as well.
        if text.contains('/') {
            return Err(self.unknown(text));
        }
        let mut code = Code::new(self.kind, 0);
        for (name, value) in terms(text) {
            let event = self.folder.join("events").join(name);
            match value.is_none() && event.is_file() {
                true => self.set_fields(&read(&event)?, &mut code)?,
                false => self.set_field(name, value, &mut code)?,
            }
        }
        Ok(Event {
            code,
            modes: Modes::ALL,
            place: self.place.clone(),
        })
    }

    /// Begins to count an event on a CPU, for all that runs there.
    ///
    /// # Errors
    /// What the kernel says: `EACCES` or `EPERM` without CAP_PERFMON, `EINVAL` or `ENOENT` where it is not offered.
    pub fn count(&self, event: &PmuEvent, cpu: u32) -> io::Result<Counter> {
        Counter::open(event.code, cpu)
    }

    fn set_fields(&self, text: &str, code: &mut Code) -> Result<(), TermError> {
        terms(text).try_for_each(|(name, value)| self.set_field(name, value, code))
    }

    fn set_field(&self, name: &str, value: Option<&str>, code: &mut Code) -> Result<(), TermError> {
        let format = match number_of(name) {
            Some(_) => format!("{name}:0-63"),
            None => read(&self.folder.join("format").join(name)).map_err(|_| self.unknown(name))?,
        };
        let mut set = || {
            let value = value.map_or(Some(1), value_of)?;
            Field::parse(&format)?.set(code, value)
        };
        set().ok_or_else(|| TermError::Value {
            term: name.to_owned(),
            value: value.unwrap_or("1").to_owned(),
            format: format.clone(),
        })
    }

    fn unknown(&self, term: &str) -> TermError {
        let list = |folder: &str| {
            let entries = fs::read_dir(self.folder.join(folder))
                .into_iter()
                .flatten()
                .flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok())
        };
        let mut known: Vec<String> = list("format")
            .chain(list("events").filter(|name| !name.contains('.')))
            .map(|name| format!("`{name}`"))
            .collect();
        known.sort_unstable();
        TermError::Unknown {
            term: term.to_owned(),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        }
    }
}

/// What a file of sysfs says, without the end of its line.
fn read(path: &Path) -> Result<String, ReadError> {
    let text = fs::read_to_string(path).map_err(|error| ReadError::of_file(path, error, MEND))?;
    Ok(text.trim_end().to_owned())
}

/// The list of CPUs in a file that a PMU need not have.
fn cpus(path: &Path) -> Result<Option<CpuList>, ReadError> {
    let text = match read(path) {
        Err(ReadError::NotSupported { .. }) => return Ok(None),
        text => text?,
    };
    let mut list = CpuList::default();
    cpu_online::parse(text.as_bytes(), &mut list).map_err(|error| error.in_file(path))?;
    Ok(Some(list))
}
