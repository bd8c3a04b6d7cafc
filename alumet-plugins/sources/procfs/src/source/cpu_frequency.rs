//! Clock frequency of each CPU.

use alumet_core::catalog::MetricHandle;
use alumet_core::plugin::{Finding, StartContext};
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::cpu_online::{self, CpuList};
use alumet_reader_procfs::cpufreq::CpuFrequencyFiles;
use alumet_reader_procfs::{SystemRoot, Table};

use crate::error::TableError;
use crate::metrics;
use crate::notes::{count, note};
use crate::present::Present;

const SUBJECT: &str = "CPU frequency";
/// The name of the source, and what is told of.
pub(crate) const TABLE: (&str, &str) = ("cpu-frequency", SUBJECT);

/// Makes samples of `scaling_cur_freq`.
pub(crate) struct CpuFrequencySource {
    files: CpuFrequencyFiles,
    online: Option<Table<CpuList>>,
    /// The CPUs for which the files were listed.
    listed_for: CpuList,
    metric: MetricHandle<u64>,
    cpus: Present<u32, Series<u64>>,
}

impl CpuFrequencySource {
    /// `None` when no CPU shows its frequency, which is normal on virtual machines.
    ///
    /// # Errors
    /// When the metric means something else already.
    pub(crate) fn start(
        root: &SystemRoot,
        alumet: &mut StartContext<'_>,
    ) -> Result<Option<Self>, TableError> {
        let mut files = CpuFrequencyFiles::discover(root);
        if files.is_empty() {
            let detail = "no CPU shows it, which is normal in a virtual machine";
            note(alumet, Finding::absent(SUBJECT, detail));
            return Ok(None);
        }
        // Reading takes up to 20 ms per CPU: the first poll does it on its own thread.
        if alumet.is_trial() {
            let finding = match files.read().count() {
                0 => Finding::limited(
                    SUBJECT,
                    "the driver does not tell the present frequency",
                    "set plugins.procfs.cpu_frequency.enabled = false",
                ),
                cpus => Finding::works(SUBJECT, format!("of {}", count(cpus, "CPU"))),
            };
            note(alumet, finding);
        }
        let mut online = cpu_online::open(root).ok();
        let listed_for = online.as_mut().and_then(|file| file.read().ok().cloned());
        Ok(Some(Self {
            files,
            online,
            listed_for: listed_for.unwrap_or_default(),
            metric: alumet.metric(&metrics::CPU_FREQUENCY)?,
            cpus: Present::default(),
        }))
    }

    /// Lists the files anew when a CPU came or went.
    fn follow_hot_plugging(&mut self) {
        let Some(Ok(online)) = self.online.as_mut().map(Table::read) else {
            return;
        };
        if *online != self.listed_for {
            self.listed_for.clone_from(online);
            self.files.rediscover();
        }
    }
}

impl Source for CpuFrequencySource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        self.follow_hot_plugging();
        self.cpus.begin();
        for (cpu, hertz) in self.files.read() {
            let series = self.cpus.entry(&cpu, || {
                let core = Resource::CpuCore { id: cpu };
                out.catalog()
                    .series(self.metric, core, Consumer::LocalMachine)
                    .register()
            });
            out.push(series, hertz);
        }
        self.cpus.end();
        Ok(())
    }
}
