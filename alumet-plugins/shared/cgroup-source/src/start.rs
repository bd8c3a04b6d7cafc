//! From a configuration and a resolver to the two sources.

use std::sync::Arc;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::{StartContext, StartError};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::cpu_online::OnlineCpus;
use parking_lot::Mutex;

use crate::annotation::Annotation;
use crate::columns::Columns;
use crate::config::{CpuPercentBase, MeasurementConfig, MetricsConfig, Pace};
use crate::devices::DeviceNames;
use crate::membership::Memberships;
use crate::names::Names;
use crate::notes;
use crate::resolver::{Claim, Resolver, Wake};
use crate::source::{CgroupSource, Measured, State};
use crate::tree::CgroupTree;
use crate::unresolved::Unresolved;

/// How the control groups of a plugin are measured.
#[derive(Clone)]
pub struct CgroupMeasurement {
    /// The name of the source; the one that reads what is new is called `<name>-discovery`.
    pub name: &'static str,
    /// Time between two polls.
    pub poll_interval: HumanDuration,
    /// What 100 % means.
    pub cpu_percent_base: CpuPercentBase,
    /// What is measured, and how.
    pub config: MeasurementConfig,
    /// The control groups that nobody else shall measure; `None` measures what no other plugin claims.
    pub claim: Option<Claim>,
    /// Whether samples of other plugins about such a group, or about a process in it, get its attributes.
    pub annotate_foreign: bool,
}

impl CgroupMeasurement {
    /// Adds the two sources. The hierarchy need not exist yet.
    ///
    /// Keep the tree that is returned as long as the plugin lives, so that it does not end on a thread that polls.
    ///
    /// # Errors
    /// When there is no table of mounts, or a metric means something else already.
    pub fn start(
        self,
        resolver: impl Resolver,
        alumet: &mut StartContext<'_>,
    ) -> Result<Arc<CgroupTree>, StartError> {
        let tree = CgroupTree::shared(alumet.services(), alumet.root())?;
        let config = self.config;
        let metrics = match config.disable_sources {
            true => MetricsConfig::none(),
            false => config.metrics,
        };
        let columns = [
            Columns::at(Pace::On, &metrics, alumet)?,
            Columns::at(Pace::Slow, &metrics, alumet)?,
        ];
        let files_per_group = columns.iter().map(|columns| columns.wanted.files()).sum();
        if let Some(claim) = &self.claim {
            tree.claim(claim);
        }
        let names = self.annotate_foreign.then(Names::default);
        if let Some(names) = names.clone() {
            let memberships = Memberships::of(alumet.root())?;
            alumet.transform("annotation", Annotation::new(names, memberships));
        }
        let unresolved = match self.claim {
            Some(_) => Some(Unresolved::new(self.name, alumet)?),
            None => None,
        };
        let measured = Arc::new(Mutex::new(Measured {
            subscription: tree.subscribe(config.hierarchy),
            claim: self.claim,
            unresolved,
            names: names.clone(),
            resolver,
            columns,
            slow_interval: *metrics.slow_interval,
            base: self.cpu_percent_base,
            clock: alumet.clock(),
            events: alumet.events().clone(),
            cpus: OnlineCpus::open(&SystemRoot::at(alumet.root())),
            devices: DeviceNames::of(alumet.root()),
            state: State::default(),
        }));
        notes::note(&tree, config.hierarchy, &metrics, files_per_group, alumet);
        let source = |reads_all| CgroupSource {
            measured: Arc::clone(&measured),
            reads_all,
        };
        let spec = alumet.source(self.name, source(true)).every(*self.poll_interval);
        if let Some(interval) = config.flush_interval {
            spec.flush_every(*interval);
        }
        let discovery = alumet.source(format!("{}-discovery", self.name), source(false));
        let waker = discovery.on_request().waker();
        if !alumet.is_trial() {
            let wake: Wake = Arc::new(move || waker.wake());
            let mut measured = measured.lock();
            measured.subscription.wakes(Arc::clone(&wake));
            measured.resolver.wakes(wake);
        }
        Ok(tree)
    }
}
