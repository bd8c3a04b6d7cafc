//! `/proc/net/dev`: traffic, errors and drops of the network interfaces.
//!
//! Format: `net/core/net-procfs.c`, `dev_seq_printf_stats`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use crate::{BString, ParseError, Parsed, ReadError, SystemRoot, Table};
use alumet_reader_kernel_file::Extent;
use alumet_reader_kernel_file::fields::{Fields, lines, records};

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name; an alias such as `eth0:1` keeps its colon.
    pub name: BString,
    /// What it received.
    pub received: Traffic,
    /// What it sent.
    pub sent: Traffic,
}

/// Counters of one direction since the interface came up; a replugged or reset interface starts anew from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets dropped, among them those that the interface missed.
    pub drops: u64,
}

/// Parses `/proc/net/dev` into a list, in the kernel's order, that is reused from read to read.
///
/// # Errors
/// When the two header lines are missing (some kernels lose them after a seek), or there are interfaces and none is sound.
pub fn parse(bytes: &[u8], out: &mut Vec<Interface>) -> Parsed {
    let mut all = lines(bytes);
    let (first, second) = (all.next(), all.next());
    if !first.is_some_and(|(_, line)| line.starts_with(b"Inter-|")) {
        return Err(ParseError::at(1, "the header `Inter-|` is expected"));
    }
    if !second.is_some_and(|(_, line)| line.trim_ascii_start().starts_with(b"face")) {
        return Err(ParseError::at(2, "the header ` face |` is expected"));
    }
    let expected = "a name, a colon and sixteen counts are expected";
    records(bytes, 2, expected, out, interface)
}

fn interface(line: &[u8], out: &mut Interface) -> Option<()> {
    // The counts have no colon, so the last one ends the name even where the name has colons itself.
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    let mut fields = Fields::of(&line[colon + 1..]);
    let mut traffic = || {
        Some(Traffic {
            bytes: fields.number()?,
            packets: fields.number()?,
            errors: fields.number()?,
            drops: fields.number()?,
        })
        // fifo, frame or colls, compressed or carrier, multicast or compressed
        .filter(|_| fields.nth(3).is_some())
    };
    out.received = traffic()?;
    out.sent = traffic()?;
    name.clone_into(&mut out.name);
    Some(())
}

/// The open `/proc/net/dev`.
#[derive(Debug)]
pub struct NetDevFile {
    table: Table<Vec<Interface>>,
    /// Whose interfaces it shows.
    pub scope: Scope,
}

/// Whose interfaces a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the machine.
    Machine,
    /// Those of the container that this program runs in.
    Container,
    /// Either of the two: nothing tells.
    Unknown,
}

impl NetDevFile {
    /// Opens the table of the machine's first process where that can be told from the reader's own, else the latter.
    ///
    /// `/proc/net` shows the network namespace of the reader, also in a mount of the host's `/proc`.
    ///
    /// # Errors
    /// When it is absent or refused, and when what can be read below another root is not that of the machine.
    pub fn open(root: &SystemRoot) -> Result<Self, ReadError> {
        let namespace = |process: &str| fs::read_link(root.proc(process).join("ns/net")).ok();
        let (own, first) = (namespace("self"), namespace("1"));
        let differ = own.is_some() && first.is_some() && own != first;
        // An ordinary user may not look at the first process of its own machine, and need not.
        let is_own_enough = own.is_some() && !differ && (first.is_some() || root.is_default());
        let mut of_first = table(root, "1/net/dev");
        if !is_own_enough && of_first.read().is_ok() {
            return Ok(Self {
                table: of_first,
                scope: Scope::Machine,
            });
        }
        let mut table = table(root, "net/dev");
        let shown = table.read()?;
        let scope = match (&own, &first) {
            _ if differ => Scope::Container,
            // A captured tree has no namespaces.
            (None, _) | (_, Some(_)) => Scope::Machine,
            (Some(_), None) if !are_those_of(root, shown) => Scope::Container,
            (Some(_), None) if root.is_default() => Scope::Machine,
            (Some(_), None) => Scope::Unknown,
        };
        if scope == Scope::Container && !root.is_default() {
            return Err(ReadError::PermissionDenied {
                path: root.proc("1/net/dev"),
                mend: "`net/dev` there shows this container and not the machine: run as root or grant CAP_SYS_PTRACE, or \
                       share the network of the host (Kubernetes: hostNetwork: true, Docker: --network=host)",
            });
        }
        Ok(Self { table, scope })
    }

    /// The present values.
    ///
    /// Kernels are known that return only part of the table after the position of an open file was set back. So a
    /// reading without its header or with fewer interfaces than the previous one is repeated with a freshly opened
    /// file, and the second is believed.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn read(&mut self) -> Result<&[Interface], ReadError> {
        let before = self.table.value().len();
        if self.table.read()?.len() < before {
            self.table.reopen()?;
            self.table.read()?;
        }
        Ok(self.table.value())
    }
}

pub(crate) fn table(root: &SystemRoot, file: &str) -> Table<Vec<Interface>> {
    let (path, mend) = (root.proc(file), crate::root::MOUNT_PROC);
    Table::new(path, Extent::ManyRecords, mend, Vec::new(), parse)
}

/// Whether these are the interfaces of the machine: a mount of sysfs shows those of whoever mounted it.
fn are_those_of(root: &SystemRoot, shown: &[Interface]) -> bool {
    let Ok(folder) = fs::read_dir(root.sys("class/net")) else {
        return true;
    };
    // Files such as `bonding_masters` are no interfaces, and an alias such as `eth0:1` is none of its own.
    let folders = folder.flatten().filter(|entry| entry.path().is_dir());
    let machine: HashSet<_> = folders.map(|entry| entry.file_name().into_vec()).collect();
    let without_alias = |interface: &Interface| {
        interface
            .name
            .split(|byte| *byte == b':')
            .next()
            .map(<[u8]>::to_vec)
    };
    machine == shown.iter().filter_map(without_alias).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const HEADER: &str = "Inter-|   Receive   |  Transmit\n face |bytes |bytes\n";

    fn table(names: &[&str]) -> String {
        let line = |name: &&str| format!("{name:>6}: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n");
        HEADER
            .chars()
            .chain(names.iter().map(line).collect::<String>().chars())
            .collect()
    }

    fn names(net: &[Interface]) -> Vec<String> {
        net.iter().map(|interface| interface.name.to_string()).collect()
    }

    #[test]
    fn an_alias_keeps_its_colon() {
        let mut net = Vec::new();
        parse(table(&["lo", "eth0:1"]).as_bytes(), &mut net).unwrap();
        assert_eq!(names(&net), ["lo", "eth0:1"]);
        assert_eq!(
            net[1].received,
            Traffic {
                bytes: 1,
                packets: 2,
                errors: 3,
                drops: 4
            }
        );
        assert_eq!(
            net[1].sent,
            Traffic {
                bytes: 5,
                packets: 6,
                errors: 7,
                drops: 8
            }
        );
    }

    #[test]
    fn a_count_may_touch_the_colon() {
        let mut net = Vec::new();
        let text = format!("{HEADER}eth0:38289485 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n");
        parse(text.as_bytes(), &mut net).unwrap();
        assert_eq!(net[0].received.bytes, 38_289_485);
    }

    #[test]
    fn a_table_without_header_or_sound_interface_is_refused() {
        let whole = table(&["lo"]);
        let mut net = Vec::new();
        assert!(parse(&whole.as_bytes()[HEADER.len()..], &mut net).is_err());
        assert!(parse(&whole.as_bytes()[..whole.len() - 1], &mut net).is_err());
        assert!(parse(b"Inter-| x\n    lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n", &mut net).is_err());
        assert!(
            parse(
                format!("{HEADER}lo: 1 2 3 4 0 0 0 0 5 6 7 8\n").as_bytes(),
                &mut net
            )
            .is_err()
        );
        assert_eq!(parse(HEADER.as_bytes(), &mut net), Ok(None));
    }

    #[test]
    fn an_odd_interface_costs_one_row() {
        let mut net = Vec::new();
        let odd = "eth0: 1 2\n : 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n my net: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\neth1: 1 2 3 4 0";
        let left_out = parse(format!("{}{odd}", table(&["lo"])).as_bytes(), &mut net).unwrap();
        assert!(left_out.is_some());
        assert_eq!(names(&net), ["lo", "my net"]);
    }

    #[test]
    fn interfaces_that_went_away_leave_the_reused_table() {
        let mut net = Vec::new();
        parse(table(&["lo", "eth0", "eth1"]).as_bytes(), &mut net).unwrap();
        parse(table(&["lo", "eth1"]).as_bytes(), &mut net).unwrap();
        assert_eq!(names(&net), ["lo", "eth1"]);
    }

    fn tree(text: &str) -> (tempfile::TempDir, SystemRoot) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        fs::write(folder.path().join("proc/net/dev"), text).unwrap();
        let root = SystemRoot::at(folder.path());
        (folder, root)
    }

    #[test]
    fn a_kept_file_that_shows_too_few_interfaces_is_opened_anew() {
        let (_folder, root) = tree(&table(&["lo", "eth0"]));
        let mut file = NetDevFile::open(&root).unwrap();
        assert_eq!(names(file.read().unwrap()), ["lo", "eth0"]);
        // The open file now shows less than the path, as on a kernel with the seek defect.
        fs::rename(root.proc("net/dev"), root.proc("net/old")).unwrap();
        fs::write(root.proc("net/old"), table(&["lo"])).unwrap();
        fs::write(root.proc("net/dev"), table(&["lo", "eth0"])).unwrap();
        assert_eq!(names(file.read().unwrap()), ["lo", "eth0"]);
    }

    #[test]
    fn below_a_host_mount_the_first_process_shows_the_machine_s_interfaces() {
        let (_folder, root) = tree(&table(&["lo", "eth0"]));
        fs::create_dir_all(root.proc("1/net")).unwrap();
        fs::write(root.proc("1/net/dev"), table(&["lo", "eno1"])).unwrap();
        let mut file = NetDevFile::open(&root).unwrap();
        assert_eq!(names(file.read().unwrap()), ["lo", "eno1"]);
    }

    /// A machine whose first process is in another network namespace than this program, or may not be looked at.
    fn container(first: Option<&str>) -> (tempfile::TempDir, SystemRoot) {
        let (folder, root) = tree(&table(&["lo"]));
        for (process, namespace) in [("self", Some("net:[1]")), ("1", first)] {
            fs::create_dir_all(root.proc(process).join("ns")).unwrap();
            if let Some(namespace) = namespace {
                symlink(namespace, root.proc(process).join("ns/net")).unwrap();
            }
        }
        for name in ["lo", "eth0"] {
            fs::create_dir_all(root.sys("class/net").join(name)).unwrap();
        }
        fs::write(root.sys("class/net/bonding_masters"), "").unwrap();
        (folder, root)
    }

    #[test]
    fn the_interfaces_of_a_container_are_not_taken_for_those_of_the_machine_whose_root_it_has() {
        for first in [Some("net:[2]"), None] {
            let (_folder, root) = container(first);
            let error = NetDevFile::open(&root).unwrap_err().to_string();
            assert!(error.contains("hostNetwork"), "{error}");
            fs::create_dir_all(root.proc("1/net")).unwrap();
            fs::write(root.proc("1/net/dev"), table(&["lo", "eth0"])).unwrap();
            let mut file = NetDevFile::open(&root).unwrap();
            assert_eq!(names(file.read().unwrap()), ["lo", "eth0"]);
            assert_eq!(file.scope, Scope::Machine);
        }
    }

    #[test]
    fn whoever_shares_the_network_of_the_machine_reads_it() {
        let (_folder, root) = container(Some("net:[1]"));
        assert_eq!(NetDevFile::open(&root).unwrap().scope, Scope::Machine);
        let (_folder, root) = container(None);
        fs::write(root.proc("net/dev"), table(&["lo", "eth0", "eth0:1"])).unwrap();
        assert_eq!(NetDevFile::open(&root).unwrap().scope, Scope::Unknown);
    }
}
