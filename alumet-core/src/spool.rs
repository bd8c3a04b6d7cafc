//! The contract of a spool: encoded batches that wait, on disk or in memory, until every output that follows has
//! written them.
//!
//! A spool is one sequence of records, numbered from 1. Each output that follows has a cursor: everything after it is
//! still to be written by that output, and a record is gone once no cursor is before it.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::batch::Batch;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::time::Timestamp;

/// The identity of a sender, within which its numbers count: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub [u8; 16]);

/// 32 hexadecimal digits.
impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({self})")
    }
}

/// The records from number `first` on count under an identity, up to where the next one begins.
///
/// Each opening of a spool begins another, so that no two records ever have the same identity and number: not after a
/// crash, and not where the spool is a copy from an earlier time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    /// The identity.
    pub instance: InstanceId,
    /// The first number under it.
    pub first: u64,
}

/// Which batch of which sender a batch was, so that it is stored once however often it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Who sent it.
    pub instance: InstanceId,
    /// Its number there.
    pub sequence: u64,
    /// The checksum that came with it.
    pub checksum: u32,
}

/// One encoded batch.
#[derive(Clone)]
pub struct Record {
    /// Its number.
    pub sequence: u64,
    /// Whose definitions its payload refers to.
    pub generation: u32,
    /// How many samples it has.
    pub samples: u32,
    /// CRC-32 (ISO-HDLC) of the payload.
    pub checksum: u32,
    /// The encoded samples.
    pub payload: Arc<[u8]>,
    /// The batch that it was made from, while that is still in memory.
    pub batch: Option<Arc<Batch>>,
}

/// The number and the size.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, samples, bytes) = (self.sequence, self.samples, self.payload.len());
        write!(f, "Record({number}: {samples} samples, {bytes} bytes)")
    }
}

/// What the numbers in the payloads of a generation mean: some consecutive entries of its dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definitions {
    /// The dictionary that they belong to. A new one begins with each start of the program, and when the old one has
    /// become large.
    pub generation: u32,
    /// The number of the first entry.
    pub first: u32,
    /// How many entries there are.
    pub count: u32,
    /// The encoded entries.
    pub payload: Arc<[u8]>,
}

/// Records that are not there any more although an output had not written them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first lost record.
    pub first: u64,
    /// The last lost record.
    pub last: u64,
    /// How many samples they had.
    pub samples: u64,
    /// The first and the last timestamp in them.
    pub time: Option<(Timestamp, Timestamp)>,
    /// Why they are gone.
    pub reason: GapReason,
}

/// Why records are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GapReason {
    /// The spool had reached its size and made room for newer ones.
    Full,
    /// They had reached the maximum age.
    Expired,
    /// What was read from the disk was not what had been written.
    Damaged,
}

words! {
    GapReason {
        Full: "full",
        Expired: "expired",
        Damaged: "damaged",
    }
}

/// What comes next in a spool.
#[derive(Debug, Clone)]
pub enum Spooled {
    /// A batch.
    Record(Record),
    /// The place of batches that are lost.
    Gap(Gap),
}

impl Spooled {
    /// The number of the last record that it stands for.
    pub const fn last(&self) -> u64 {
        match self {
            Self::Record(record) => record.sequence,
            Self::Gap(gap) => gap.last,
        }
    }
}

/// Batches that were committed and were damaged before every output had them: their senders may still have them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The numbers of those of one sender, lowest first.
    pub numbers: Vec<RangeInclusive<u64>>,
    /// Whether there are any of other senders.
    pub of_others: bool,
}

/// What becomes of a batch that may be wanted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is wanted: whoever is told this appends it, and nobody else is told it.
    Granted,
    /// Somebody else appends it, or has, and it is not committed yet.
    Taken,
    /// It is not wanted, or not any more.
    Void,
}

/// Tells a reader that there may be more to read.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Stores encoded batches.
pub trait Spool: Send + Sync + 'static {
    /// The identities under which its records count, oldest first; the last one is that of records to come.
    fn numberings(&self) -> Vec<Numbering>;

    /// Counts everything under another identity, because somebody else has the same one; the records stay as they are.
    fn replace_instance(&self) -> InstanceId;

    /// From now on, records that no output needs any more are kept for that long where there is room for them, for
    /// [`Spool::records_after`].
    fn keep(&self, age: Duration);

    /// Appends a batch, to be written to disk soon, and gives its number. Never waits for the disk: if that cannot keep
    /// up, the oldest records make room.
    ///
    /// The origin of the batch is noted in the same transaction; an empty batch only notes its origin.
    fn append(&self, batch: &Arc<Batch>) -> u64;

    /// The last batch of a sender that is committed: its number and its checksum.
    ///
    /// # Errors
    /// While it is not known, because the file of an earlier run cannot be read.
    fn committed(&self, sender: InstanceId) -> Result<Option<(u64, u32)>, Failure>;

    /// Tells the number of the last batch of a sender that is committed, each time it changes, and also when one that was wanted
    /// is. It ends when more is [wanted](Spool::wanted).
    fn on_commit(&self, sender: InstanceId) -> watch::Receiver<u64>;

    /// What a sender shall send again if it still has it.
    fn wanted(&self, _sender: InstanceId) -> Wanted {
        Wanted::default()
    }

    /// Asks for leave to append a batch of a sender again.
    fn claim(&self, _sender: InstanceId, _sequence: u64) -> Claim {
        Claim::Void
    }

    /// The first records after number `sequence` that are still there, whether an output needs them or not: about `bytes` of
    /// them, at least one if there is one.
    ///
    /// # Errors
    /// When the disk cannot be read at the moment.
    fn records_after(&self, sequence: u64, bytes: usize) -> Result<Vec<Record>, Failure>;

    /// The definitions of a generation from number `from` on, in their order.
    ///
    /// # Errors
    /// When the disk cannot be read at the moment.
    fn definitions(&self, generation: u32, from: u32) -> Result<Vec<Definitions>, Failure>;

    /// The reader of an output, named for instance `csv/file`; where it stands is kept on disk under this name. One that does
    /// not stand anywhere yet follows from the next record on; the successor of another is given everything again that
    /// that one was given and is not done with.
    ///
    /// It is given a record once that is on disk, so that nothing is ever ahead of the spool; at once while there is no
    /// disk. `wake` is called whenever there may be more to read. It must be quick and must not use the spool.
    fn reader(&self, output: &str, wake: Wake) -> Arc<dyn SpoolReader>;

    /// Waits until everything that was appended is committed; says whether it is.
    fn commit(&self, timeout: Duration) -> bool;

    /// What there is to say about it.
    fn status(&self) -> SpoolStatus;
}

/// Reads a spool for one output.
pub trait SpoolReader: Send + Sync + 'static {
    /// No records are kept for this output any more, and where it stood is forgotten.
    fn forget(&self);

    /// How many samples wait for it, whether given already or not.
    fn waiting(&self) -> u64;

    /// What the output stored with its last acknowledgement that was committed.
    ///
    /// # Errors
    /// While it is not known, because the file of an earlier run cannot be read.
    fn position(&self) -> Result<Option<Vec<u8>>, Failure>;

    /// What comes after what was given before: at least one item unless nothing waits that the output does not have, and more up
    /// to about `bytes`. May read the disk.
    ///
    /// # Errors
    /// When the disk cannot be read at the moment.
    fn read(&self, bytes: usize) -> Result<Vec<Spooled>, Failure>;

    /// The samples of a record.
    ///
    /// # Errors
    /// When the record cannot be decoded, which no later attempt will change, or its definitions cannot be read.
    fn batch(&self, record: &Record) -> Result<Arc<Batch>, Failure>;

    /// The output is done with everything up to `sequence`; says how many samples it is done with by this: those of
    /// records that were given to it as records, even if they were lost since, and of those that it was not given because it
    /// has them; none of gaps.
    ///
    /// `position` is stored in the same transaction. It counts after a restart once it is committed, which happens soon.
    fn acknowledge(&self, sequence: u64, position: Option<Vec<u8>>) -> u64;
}

/// What there is to say about a spool.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct SpoolStatus {
    /// Where it is; `None` for one in memory only.
    pub path: Option<std::path::PathBuf>,
    /// The bytes of all records that wait.
    pub bytes: u64,
    /// How many records wait.
    pub records: u64,
    /// How many samples wait.
    pub samples: u64,
    /// How many of them are not on disk yet.
    pub uncommitted_samples: u64,
    /// How many bytes can wait that are not on disk yet. If there are more, the oldest make room. 0 if it is not known.
    pub memory_bytes: u64,
    /// The first timestamp of the oldest record.
    pub oldest: Option<Timestamp>,
    /// Why it works in memory only at the moment, and what would mend that.
    pub fault: Option<String>,
    /// What of it is lost or was set aside although it was committed, and what to do; for a minute after that was noticed, or
    /// until the next start.
    pub lost: Option<String>,
}

/// Opens the spool of a pipeline.
pub type OpenSpool = dyn Fn(&Catalog) -> Arc<dyn Spool> + Send + Sync;

/// The spool of a pipeline, opened when somebody needs it first. Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub struct SpoolSlot(Arc<Slot>);

#[derive(Default)]
struct Slot {
    open: Option<Box<OpenSpool>>,
    opened: OnceLock<Arc<dyn Spool>>,
}

impl SpoolSlot {
    /// A place for the spool that `open` gives.
    pub fn new(open: impl Fn(&Catalog) -> Arc<dyn Spool> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Slot {
            open: Some(Box::new(open)),
            opened: OnceLock::new(),
        }))
    }

    /// The spool, opened if it was not yet; `None` in a program that has none.
    pub fn get_or_open(&self, catalog: &Catalog) -> Option<&Arc<dyn Spool>> {
        let open = self.0.open.as_ref()?;
        Some(self.0.opened.get_or_init(|| open(catalog)))
    }

    /// The spool if somebody needed it.
    pub fn opened(&self) -> Option<&Arc<dyn Spool>> {
        self.0.opened.get()
    }
}
