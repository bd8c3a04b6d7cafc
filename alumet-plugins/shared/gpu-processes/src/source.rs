//! The source: finds clients, reads them, and makes samples of what their processes have used.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::Failure;
use alumet_core::plugin::Finding;
use alumet_core::source::{Accumulator, Source};
use alumet_core::time::Monotonic;
use alumet_reader_drm::{ClientFile, ClientUsage, ReadError, SystemRoot, client_files};
use alumet_reader_kernel_file::{Extent, KeptFile};

use crate::client::Client;
use crate::process::Process;
use crate::{Describe, Part, attributes_of};

/// A card and the number of a client of it.
type Key = (Arc<str>, u64);

/// Makes samples of what processes use of the cards of some drivers.
#[derive(Debug)]
pub struct ProcessSource<D> {
    root: SystemRoot,
    drivers: &'static [&'static str],
    refresh: Duration,
    describe: D,
    clients: BTreeMap<Key, Client>,
    processes: BTreeMap<(u32, Arc<str>), Process>,
    /// When it was looked for clients the last time.
    scanned: Option<Monotonic>,
}

impl<D: Describe> ProcessSource<D> {
    /// A source of the processes that use cards with these drivers; `describe` says which parts of the use are measured. It
    /// looks for new clients after each `refresh`.
    pub fn new(root: SystemRoot, drivers: &'static [&'static str], refresh: Duration, describe: D) -> Self {
        Self {
            root,
            drivers,
            refresh,
            describe,
            clients: BTreeMap::new(),
            processes: BTreeMap::new(),
            scanned: None,
        }
    }

    /// Looks for clients. What was opened after the previous look has used all that it shows since then.
    fn scan(&mut self, now: Monotonic) -> Result<(), ReadError> {
        let found = client_files(&self.root)?;
        let is_new = self.scanned.replace(now).is_some();
        let known = self.clients.values().filter(|client| !client.is_lost);
        let known: BTreeSet<PathBuf> = known.map(|client| client.path.clone()).collect();
        let mut usage = ClientUsage::default();
        for ClientFile { pid, fdinfo } in found {
            if known.contains(&fdinfo) {
                continue;
            }
            let mut file = KeptFile::new(fdinfo.clone(), Extent::OneRecord, "it was closed");
            let is_ours = file.read_with(|bytes| usage.parse(bytes).map(|()| None)).is_ok()
                && self.drivers.contains(&usage.driver.as_str())
                && !usage.bus_id.is_empty();
            if !is_ours {
                continue;
            }
            let key = (Arc::from(usage.bus_id.as_str()), usage.client);
            match self.clients.get_mut(&key) {
                Some(client) if client.is_lost => client.move_to(pid, fdinfo),
                Some(_) => {}
                None => {
                    self.clients.insert(key, Client::new(pid, fdinfo, is_new));
                }
            }
        }
        self.clients.retain(|_, client| !client.is_lost);
        // Whoever has the number of a process now, and no client of the one that had it, is another.
        let known = self.clients.iter().filter(|(_, client)| !client.is_unread());
        let known: BTreeSet<_> = known.map(|((bus_id, _), client)| (client.pid, bus_id)).collect();
        self.processes
            .retain(|(pid, bus_id), _| known.contains(&(*pid, bus_id)));
        Ok(())
    }
}

impl<D: Describe> Source for ProcessSource<D> {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        let tick = out.tick();
        let previous = self.scanned;
        if previous.is_none_or(|scanned| tick.monotonic.since(scanned) >= self.refresh)
            && let Err(error) = self.scan(tick.monotonic)
        {
            // What is opened until the next look may have been there before.
            self.scanned = None;
            tracing::debug!(%error, "new users of graphics processors are looked for at the next poll");
        }
        let since = previous.map(|scanned| tick.timestamp.saturating_sub(tick.monotonic.since(scanned)));
        let (catalog, describe) = (out.catalog(), &self.describe);
        for ((bus_id, number), client) in &mut self.clients {
            match client.look() {
                // Where no descriptor is left, the next reading tells for both intervals.
                Err(ReadError::Io { .. }) => continue,
                Ok(()) if client.usage.client == *number && *client.usage.bus_id == **bus_id => {}
                _ => {
                    // The next scan tells whether another file is the same.
                    client.is_lost = true;
                    continue;
                }
            }
            let key = (client.pid, Arc::clone(bus_id));
            let process = self.processes.entry(key).or_insert_with(|| {
                let attributes = attributes_of(&self.root, client.pid);
                Process::new((client.pid, bus_id), attributes, since, catalog, describe)
            });
            process.is_read = true;
            client.count(tick.monotonic, |engine, amount| {
                process.add(Part::Engine(engine), amount, catalog, describe);
            });
            for region in &client.usage.memory {
                process.add(
                    Part::Memory(&region.name),
                    region.bytes.unwrap_or(0),
                    catalog,
                    describe,
                );
            }
        }
        for process in self.processes.values_mut().filter(|process| process.is_read) {
            process.push(out);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.clients.clear();
        self.processes.clear();
        self.scanned = None;
    }
}

/// What is not seen of other users' processes, for a trial.
pub fn refused(root: &SystemRoot, subject: &str) -> Option<Finding> {
    let error = fs::read_dir(root.proc("1/fd")).err()?;
    (error.kind() == std::io::ErrorKind::PermissionDenied).then(|| {
        Finding::limited(
            subject,
            "what processes of other users use is not seen",
            "grant CAP_SYS_PTRACE: `sudo setcap cap_sys_ptrace=ep $(command -v alumet-agent)`",
        )
    })
}
