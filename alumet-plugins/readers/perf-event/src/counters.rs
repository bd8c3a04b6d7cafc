//! Counters of the kernel: opened, read and closed.
#![expect(
    unsafe_code,
    reason = "the descriptor of a counter is taken over, to be read without allocating"
)]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, IntoRawFd};

use nix::errno::Errno;
use perf_event::events::Software;
use perf_event::{Builder, ReadFormat};

use crate::{Code, Event, Modes, Place};

/// One event on one CPU.
#[derive(Debug)]
pub struct Counter(File);

/// Several events of one target, each in as few groups as the PMUs allow: what is in a group is counted at the same time or not at
/// all. A group has a leader that counts nothing, so that every event can leave it.
#[derive(Debug)]
pub struct Counters {
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    leader: File,
    members: Vec<File>,
    /// Whether a reading of the leader gives all of them.
    is_whole: bool,
}

/// Who is counted.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The thread of this number, on whatever CPU it runs, and all threads and processes that it begins from now on, and these in
    /// turn. What those count comes with each reading, while they run and when they have ended.
    Thread(u32),
    /// The processes in the control group with this folder, and in those below it, while they run on this CPU.
    Cgroup(&'a File, u32),
    /// All that runs on this CPU.
    Cpu(u32),
}

/// What an event has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The count while it was counted.
    pub count: u64,
    /// For how long it was to be counted, in ns: a thread only while it runs.
    pub enabled: u64,
    /// For how long it was counted, in ns. It is less when the CPU has not enough counters for all that is to be counted.
    pub running: u64,
}

/// The most events of a group.
const LARGEST_GROUP: usize = 30;

/// The most words of a reading.
const MOST_WORDS: usize = 4 + LARGEST_GROUP;

impl Counter {
    pub(crate) fn open(code: Code, cpu: u32) -> io::Result<Self> {
        let event = Event {
            code,
            modes: Modes::ALL,
            place: Place::Anywhere,
        };
        let mut builder = builder(&event, Target::Cpu(cpu))?;
        builder.enabled(true).read_format(ReadFormat::empty());
        builder.build().map(|counter| Self(file_of(counter)))
    }

    /// What it has counted since it was opened. It counts up to 2⁶⁴ − 1.
    ///
    /// # Errors
    /// When the kernel does not count it any more, because the CPU is offline.
    pub fn read(&self) -> io::Result<u64> {
        let mut words = [0];
        read_words(&self.0, &mut words)?;
        Ok(words[0])
    }
}

impl Counters {
    /// Begins to count all events at once.
    ///
    /// # Errors
    /// What the kernel says to the first event that it refuses; then nothing is counted. `ENOENT` and others where the machine does
    /// not have it, `EACCES` or `EPERM` where the rights are missing, `EMFILE` where no descriptor is left, `ESRCH` where the
    /// thread has ended.
    pub fn open<'e>(target: Target<'_>, events: impl IntoIterator<Item = &'e Event>) -> io::Result<Self> {
        let mut opened: Vec<OpenGroup> = Vec::new();
        for event in events {
            let builder = builder(event, target)?;
            let last = opened
                .last_mut()
                .filter(|group| group.members.len() < LARGEST_GROUP);
            if let Some(group) = last {
                match builder.build_with_group(&mut group.leader) {
                    // It may be of another PMU than the others, or there are fewer counters than events.
                    Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {}
                    member => {
                        group.members.push(member?);
                        continue;
                    }
                }
            }
            let mut group = OpenGroup::new(target)?;
            group.members.push(builder.build_with_group(&mut group.leader)?);
            opened.push(group);
        }
        let begin = |mut group: OpenGroup| {
            group.leader.enable()?;
            Ok(Group {
                leader: file_of(group.leader),
                members: group.members.into_iter().map(file_of).collect(),
                is_whole: target.reads_groups(),
            })
        };
        let groups = opened.into_iter().map(begin).collect::<io::Result<_>>()?;
        Ok(Self { groups })
    }

    /// Replaces `out` by a reading for each event, in their order.
    ///
    /// # Errors
    /// When the kernel does not count them any more, because the CPU is offline.
    pub fn read(&self, out: &mut Vec<Reading>) -> io::Result<()> {
        out.clear();
        self.groups.iter().try_for_each(|group| group.read(out))
    }

    /// How many descriptors are open.
    pub fn descriptors(&self) -> usize {
        self.groups.iter().map(|group| 1 + group.members.len()).sum()
    }
}

/// A group that does not count yet.
struct OpenGroup {
    leader: perf_event::Counter,
    members: Vec<perf_event::Counter>,
}

impl OpenGroup {
    fn new(target: Target<'_>) -> io::Result<Self> {
        let dummy = Event {
            // `PERF_COUNT_SW_DUMMY`.
            code: Code::new(Code::SOFTWARE, 9),
            modes: Modes::USER,
            place: Place::Anywhere,
        };
        let mut builder = builder(&dummy, target)?;
        builder.enabled(false);
        if target.reads_groups() {
            // Not by the builder, which adds a number to each value; they come in the order in which they joined.
            builder.attrs_mut().read_format |= ReadFormat::GROUP.bits();
        }
        Ok(Self {
            leader: builder.build()?,
            members: Vec::new(),
        })
    }
}

impl Group {
    fn read(&self, out: &mut Vec<Reading>) -> io::Result<()> {
        let mut words = [0; MOST_WORDS];
        if !self.is_whole {
            return self.members.iter().try_for_each(|member| {
                read_words(member, &mut words[..3])?;
                let [count, enabled, running, ..] = words;
                out.push(Reading {
                    count,
                    enabled,
                    running,
                });
                Ok(())
            });
        }
        // How many values, the two times, the values; the first value is that of the leader.
        let words = &mut words[..4 + self.members.len()];
        read_words(&self.leader, words)?;
        let (enabled, running) = (words[1], words[2]);
        let counts = words[4..].iter();
        out.extend(counts.map(|count| Reading {
            count: *count,
            enabled,
            running,
        }));
        Ok(())
    }
}

impl Target<'_> {
    /// The kernel adds up what heirs count, but not for a whole group at once: before Linux 4.13 it refuses that, and later where
    /// one was born while the group was being opened.
    const fn reads_groups(&self) -> bool {
        !matches!(self, Self::Thread(_))
    }
}

/// What an event needs to be opened; it counts at once unless somebody says otherwise.
fn builder<'t>(event: &Event, target: Target<'t>) -> io::Result<Builder<'t>> {
    let number = |number: u32| usize::try_from(number).map_err(|_| Errno::EINVAL);
    let mut builder = Builder::new(Software::DUMMY);
    let attributes = builder.attrs_mut();
    attributes.type_ = event.code.kind;
    [
        attributes.config,
        attributes.config1,
        attributes.config2,
        attributes.config3,
    ] = event.code.config;
    // The builder excludes the kernel and the hypervisor by itself, which the PMUs of sockets refuse.
    builder
        .exclude_user(!event.modes.user)
        .exclude_kernel(!event.modes.kernel)
        .exclude_hv(!event.modes.hypervisor)
        .exclude_host(!event.modes.host)
        .exclude_guest(!event.modes.guest)
        .exclude_idle(!event.modes.idle)
        .enabled(true);
    match target {
        Target::Thread(id) => builder
            .observe_pid(i32::try_from(id).map_err(|_| Errno::ESRCH)?)
            .inherit(true),
        Target::Cgroup(folder, cpu) => builder.observe_cgroup(folder).one_cpu(number(cpu)?),
        Target::Cpu(cpu) => builder.any_pid().one_cpu(number(cpu)?),
    };
    Ok(builder)
}

/// What reads and closes a counter.
fn file_of(counter: perf_event::Counter) -> File {
    // SAFETY: the counter gives up its descriptor, which is open and nobody else's.
    unsafe { File::from_raw_fd(counter.into_raw_fd()) }
}

/// One reading, which the kernel gives as a whole or not at all.
fn read_words(mut file: &File, words: &mut [u64]) -> io::Result<()> {
    let mut bytes = [0; MOST_WORDS * size_of::<u64>()];
    let bytes = &mut bytes[..size_of_val(words)];
    let filled = file.read(bytes)?;
    if filled != bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let (chunks, _) = bytes.as_chunks();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_ne_bytes(*chunk);
    }
    Ok(())
}
