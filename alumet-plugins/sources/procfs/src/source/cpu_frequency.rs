//! Clock frequency of each CPU.

use alumet_core::catalog::{Catalog, MetricHandle};
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_core::{Consumer, Failure, Resource, Series};
use alumet_reader_procfs::cpu_online::{self, CpuList};
use alumet_reader_procfs::cpufreq::CpuFrequencyFiles;
use alumet_reader_procfs::{SystemRoot, Table};

use super::Opened;
use crate::metrics;
use crate::notes::count;
use crate::present::Present;

/// What is told of.
pub(crate) const SUBJECT: &str = "CPU frequency";

/// Makes samples of `scaling_cur_freq`.
pub(crate) struct CpuFrequencySource {
    root: SystemRoot,
    files: CpuFrequencyFiles,
    online: Table<CpuList>,
    /// The CPUs for which the files were listed.
    listed_for: CpuList,
    metric: MetricHandle<u64>,
    cpus: Present<u32, Series<u64>>,
}

/// No source when no CPU shows its frequency, which is normal on virtual machines.
pub(crate) fn open(is_trial: bool, root: &SystemRoot, catalog: &Catalog) -> Opened<CpuFrequencySource> {
    let mut files = CpuFrequencyFiles::discover(root)?;
    if files.is_empty() {
        let detail = "no CPU shows it, which is normal in a virtual machine";
        return Ok((None, Finding::absent(SUBJECT, detail)));
    }
    // Reading takes up to 20 ms per CPU: the first poll does it on its own thread.
    let finding = match is_trial.then(|| files.read().count()) {
        None => Finding::works(SUBJECT, "read by the first poll"),
        Some(0) => Finding::limited(
            SUBJECT,
            "the driver does not tell the present frequency",
            "set plugins.procfs.cpu_frequency.enabled = false",
        ),
        Some(cpus) => Finding::works(SUBJECT, format!("of {}", count(cpus, "CPU"))),
    };
    let source = CpuFrequencySource {
        root: root.clone(),
        files,
        online: cpu_online::table(root),
        listed_for: CpuList::default(),
        metric: catalog.metric(&metrics::CPU_FREQUENCY)?,
        cpus: Present::new(),
    };
    Ok((Some(source), finding))
}

impl Source for CpuFrequencySource {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        // A CPU may have been plugged in or out.
        if let Ok(online) = self.online.read()
            && *online != self.listed_for
        {
            self.files = CpuFrequencyFiles::discover(&self.root)?;
            self.listed_for.clone_from(online);
        }
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
