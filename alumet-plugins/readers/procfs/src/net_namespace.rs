//! The network namespaces of processes, and what goes through them.
//!
//! The kernel counts traffic by interface and not by process, and an interface belongs to a network namespace
//! (network_namespaces(7)): what some processes receive and send is told only where they have a namespace of their own.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use crate::net_dev::{self, Interface};
use crate::{BString, ReadError, SystemRoot, Table};

/// Bytes that went through interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkBytes {
    /// Those that came in.
    pub received: u64,
    /// Those that went out.
    pub sent: u64,
}

/// The network namespaces of some processes that are neither that of this program nor that of the machine.
///
/// They count from the moment in which they are found, without their loopback interfaces.
#[derive(Debug)]
pub struct OwnNamespaces {
    root: SystemRoot,
    /// That of this program and that of the machine, as the links in `/proc` name them.
    common: Vec<PathBuf>,
    open: HashMap<PathBuf, Namespace>,
    total: Option<NetworkBytes>,
}

/// The open table of a namespace. It goes on counting while nothing runs there any more, because the open file keeps it.
#[derive(Debug)]
struct Namespace {
    table: Table<Vec<Interface>>,
    last: HashMap<BString, NetworkBytes>,
}

impl OwnNamespaces {
    /// None yet; `None` where nothing tells which namespace is that of the machine.
    pub fn new(root: &SystemRoot) -> Option<Self> {
        let (own, first) = (namespace_of(root, "self")?, namespace_of(root, "1"));
        // An ordinary user may not look at the first process of its own machine, and need not.
        (first.is_some() || root.is_default()).then(|| Self {
            root: root.clone(),
            common: [own].into_iter().chain(first).collect(),
            open: HashMap::new(),
            total: None,
        })
    }

    /// Looks in which namespaces the processes are: new ones count from now on, and those without any of them no more.
    pub fn look(&mut self, pids: impl IntoIterator<Item = u32>) {
        let mut left = std::mem::take(&mut self.open);
        for pid in pids {
            let Some(name) = namespace_of(&self.root, &pid.to_string()) else {
                continue;
            };
            if self.common.contains(&name) || self.open.contains_key(&name) {
                continue;
            }
            if let Some(known) = left.remove(&name) {
                self.open.insert(name, known);
            } else if let Ok(new) = Namespace::of(&self.root, pid)
                // It may have gone to another one in between.
                && namespace_of(&self.root, &pid.to_string()).as_ref() == Some(&name)
            {
                self.total.get_or_insert_default();
                self.open.insert(name, new);
            }
        }
        for mut namespace in left.into_values() {
            self.add(namespace.increase());
        }
    }

    /// What went through all of them until now; `None` while no process has had one.
    pub fn read(&mut self) -> Option<NetworkBytes> {
        let increases: Vec<_> = self.open.values_mut().map(Namespace::increase).collect();
        increases.into_iter().for_each(|increase| self.add(increase));
        self.total
    }

    fn add(&mut self, more: NetworkBytes) {
        let total = self.total.get_or_insert_default();
        total.received += more.received;
        total.sent += more.sent;
    }
}

impl Namespace {
    fn of(root: &SystemRoot, pid: u32) -> Result<Self, ReadError> {
        let table = net_dev::table(root, &format!("{pid}/net/dev"));
        let mut namespace = Self {
            table,
            last: HashMap::new(),
        };
        namespace.table.read()?;
        namespace.increase();
        Ok(namespace)
    }

    /// What went through it since this was asked before; nothing of what cannot be read this time, which comes next time.
    fn increase(&mut self) -> NetworkBytes {
        let mut all = NetworkBytes::default();
        let Ok(interfaces) = self.table.read() else {
            return all;
        };
        for interface in interfaces.iter().filter(|interface| interface.name != "lo") {
            let now = NetworkBytes {
                received: interface.received.bytes,
                sent: interface.sent.bytes,
            };
            let last = self.last.insert(interface.name.clone(), now).unwrap_or_default();
            // One that was made anew counts from zero.
            let since = |now: u64, last: u64| now.checked_sub(last).unwrap_or(now);
            all.received += since(now.received, last.received);
            all.sent += since(now.sent, last.sent);
        }
        all
    }
}

/// What the link of a process to its network namespace says, such as `net:[4026531840]`.
fn namespace_of(root: &SystemRoot, process: &str) -> Option<PathBuf> {
    fs::read_link(root.proc(process).join("ns/net")).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.put("self", 1, &[]);
            machine.put("1", 1, &[("eth0", 5, 5)]);
            machine
        }

        fn put(&self, process: &str, namespace: u32, interfaces: &[(&str, u64, u64)]) {
            let folder = self.0.path().join("proc").join(process);
            fs::create_dir_all(folder.join("ns")).unwrap();
            fs::create_dir_all(folder.join("net")).unwrap();
            let link = folder.join("ns/net");
            let _ = fs::remove_file(&link);
            symlink(format!("net:[{namespace}]"), link).unwrap();
            let header = "Inter-|   Receive   |  Transmit\n face |bytes |bytes\n".to_owned();
            let lines = interfaces
                .iter()
                .map(|(name, rx, tx)| format!("{name}: {rx} 0 0 0 0 0 0 0 {tx} 0 0 0 0 0 0 0\n"));
            fs::write(folder.join("net/dev"), header + &lines.collect::<String>()).unwrap();
        }

        fn end(&self, process: &str) {
            fs::remove_dir_all(self.0.path().join("proc").join(process)).unwrap();
        }

        fn namespaces(&self) -> OwnNamespaces {
            OwnNamespaces::new(&SystemRoot::at(self.0.path())).unwrap()
        }
    }

    const fn bytes(received: u64, sent: u64) -> Option<NetworkBytes> {
        Some(NetworkBytes { received, sent })
    }

    #[test]
    fn the_namespace_of_the_machine_is_nobody_s_own() {
        let machine = Machine::new();
        machine.put("7", 1, &[("eth0", 5, 5)]);
        let mut found = machine.namespaces();
        found.look([7]);
        assert_eq!(found.read(), None);
    }

    #[test]
    fn a_namespace_counts_once_from_its_first_sight_without_loopback() {
        let machine = Machine::new();
        machine.put("7", 2, &[("lo", 100, 100), ("eth0", 1000, 2000)]);
        machine.put("8", 2, &[]);
        let mut found = machine.namespaces();
        found.look([7, 8]);
        assert_eq!(found.read(), bytes(0, 0));
        machine.put("7", 2, &[("lo", 900, 900), ("eth0", 1010, 2003), ("eth1", 4, 0)]);
        found.look([8, 7]);
        assert_eq!(found.read(), bytes(14, 3));
        // Made anew, and away for a while.
        machine.put("7", 2, &[("eth0", 6, 0)]);
        assert_eq!(found.read(), bytes(20, 3));
        machine.put("7", 2, &[("eth0", 6, 0), ("eth1", 5, 1)]);
        assert_eq!(found.read(), bytes(21, 4));
    }

    #[test]
    fn what_went_through_a_namespace_stays_counted_when_its_processes_have_ended() {
        let machine = Machine::new();
        machine.put("7", 2, &[("eth0", 0, 0)]);
        let mut found = machine.namespaces();
        found.look([7]);
        machine.put("7", 2, &[("eth0", 3, 4)]);
        found.look([]);
        machine.end("7");
        assert_eq!(found.read(), bytes(3, 4));
        machine.put("9", 3, &[("eth0", 50, 50)]);
        found.look([9]);
        machine.put("9", 3, &[("eth0", 51, 50)]);
        assert_eq!(found.read(), bytes(4, 4));
    }

    #[test]
    fn nothing_is_told_where_the_machine_s_own_is_not_known() {
        let machine = Machine::new();
        machine.end("1");
        assert!(OwnNamespaces::new(&SystemRoot::at(machine.0.path())).is_none());
    }
}
