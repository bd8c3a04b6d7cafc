//! The device: what is known of models of CPUs, and how busy those of the machine were; knows no type of Alumet.

use alumet_reader_procfs::stat::KernelStat;
use alumet_reader_procfs::{ReadError, SystemRoot, Table, meminfo, stat, ticks_per_second};

/// What the maker says of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Model {
    /// Its name, without that of the maker.
    pub(crate) name: &'static str,
    /// Its thermal design power, in watts.
    pub(crate) tdp: f64,
    /// How many CPUs (threads) a package has.
    pub(crate) threads: u32,
}

/// The time that all CPUs together have worked.
#[derive(Debug)]
pub(crate) struct BusyTime {
    stat: Table<KernelStat>,
}

/// How many CPUs there are at a reading, and for how many ticks they have worked since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) cpus: u32,
    pub(crate) ticks: u64,
}

/// The states, by their position in the file, in which a CPU works for this machine: user, nice, system, irq and softirq. `guest`
/// is a part of `user`, and what is stolen works for others.
const WORKING: [usize; 5] = [0, 1, 2, 5, 6];

impl Model {
    /// The model that the kernel calls `name`, if it is in the table.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let words = name.replace("(R)", "").replace("(TM)", "");
        let words: Vec<&str> = words.split_whitespace().collect();
        let words = format!(" {} ", words.join(" "));
        Self::all().find(|model| words.contains(&format!(" {} ", model.name)))
    }

    fn all() -> impl Iterator<Item = Self> {
        let row = |line: &'static str| {
            let mut columns = line.split(',');
            Some(Self {
                name: columns.next()?,
                tdp: columns.next()?.parse().ok()?,
                threads: columns.next()?.parse().ok()?,
            })
        };
        include_str!("cpus.csv").lines().filter_map(row)
    }
}

impl BusyTime {
    /// The file below `root`, which is kept open.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open(root: &SystemRoot) -> Result<Self, ReadError> {
        let mut busy = Self {
            stat: stat::table(root),
        };
        busy.read()?;
        Ok(busy)
    }

    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read(&mut self) -> Result<Busy, ReadError> {
        let stat = self.stat.read()?;
        let ticks = WORKING.iter().filter_map(|state| stat.total[*state]);
        Ok(Busy {
            cpus: u32::try_from(stat.cpus.len()).unwrap_or(u32::MAX).max(1),
            ticks: ticks.fold(0, u64::saturating_add),
        })
    }

    /// How many ticks a CPU has per second.
    pub(crate) fn ticks_per_second() -> u64 {
        ticks_per_second()
    }
}

/// The memory of the machine in GiB.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn memory_gib(root: &SystemRoot) -> Result<f64, ReadError> {
    let mut table = meminfo::table(root, ["MemTotal"]);
    let total = table.read()?.first().and_then(|entry| entry.amount);
    Ok(total.map_or(0, meminfo::Amount::value) as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_the_names_that_kernels_show() {
        for (shown, known) in [
            ("Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", Some("Gold 6230")),
            ("Intel(R) Xeon(R) Gold 6230R CPU @ 2.10GHz", Some("Gold 6230R")),
            ("Intel(R) Xeon(R) Gold 6230N CPU @ 2.30GHz", None),
            ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", Some("E5-2680 v4")),
            ("Intel(R) Xeon(R) CPU           E5-2680 0 @ 2.70GHz", None),
            ("Intel(R) Xeon(R) Platinum 8480+", Some("Platinum 8480+")),
            ("Intel(R) Xeon(R) CPU @ 2.20GHz", None),
            ("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", Some("i7-8700K")),
            ("12th Gen Intel(R) Core(TM) i7-1260P", Some("i7-1260P")),
            ("Intel(R) Core(TM) Ultra 7 155H", Some("Ultra 7 155H")),
            ("AMD EPYC 7742 64-Core Processor", Some("EPYC 7742")),
            ("AMD EPYC 7R13 Processor", None),
            ("AMD EPYC", None),
            ("AMD Ryzen 7 5800X 8-Core Processor", Some("Ryzen 7 5800X")),
            ("AMD Ryzen 7 5800X3D 8-Core Processor", None),
            (
                "AMD Ryzen 7 PRO 5850U with Radeon Graphics",
                Some("Ryzen 7 PRO 5850U"),
            ),
            (
                "AMD Ryzen Threadripper PRO 3995WX 64-Cores",
                Some("Threadripper PRO 3995WX"),
            ),
        ] {
            assert_eq!(Model::of(shown).map(|model| model.name), known, "{shown}");
        }
    }

    #[test]
    fn each_row_is_its_own_model_and_no_other() {
        let lines = include_str!("cpus.csv")
            .lines()
            .filter(|line| !line.starts_with('#'));
        assert_eq!(Model::all().count(), lines.count(), "a row is not understood");
        for model in Model::all() {
            let shown = format!("Maker(R) Family(TM) {} Processor @ 2.00GHz", model.name);
            let padded = format!(" {} ", model.name);
            let found: Vec<_> = Model::all()
                .filter(|row| padded.contains(&format!(" {} ", row.name)))
                .collect();
            assert_eq!(found, [model]);
            assert_eq!(Model::of(&shown), Some(model));
            let per_thread = model.tdp / f64::from(model.threads);
            assert!((0.9..=17.0).contains(&per_thread), "{model:?}");
        }
    }
}
