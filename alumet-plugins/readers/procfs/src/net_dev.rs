//! `/proc/net/dev`: traffic, errors and drops of the network interfaces.
//!
//! Format: `net/core/net-procfs.c`, `dev_seq_printf_stats`.

use crate::{Name, ParseError, ReadError, SystemRoot};
use alumet_reader_kernel_file::fields::{Fields, lines};
use alumet_reader_kernel_file::{Extent, KeptFile};

/// One reading of `/proc/net/dev`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetDev {
    /// The interfaces in the kernel's order.
    pub interfaces: Vec<Interface>,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name; an alias such as `eth0:1` keeps its colon.
    pub name: Name,
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

/// Parses `/proc/net/dev` into a value that is reused from read to read.
///
/// # Errors
/// When the two header lines are missing (some kernels lose them after a seek), the last line is cut off or a number
/// is malformed; `out` then holds a mixture.
pub fn parse(bytes: &[u8], out: &mut NetDev) -> Result<(), ParseError> {
    if !bytes.starts_with(b"Inter-|") {
        return Err(ParseError::at(1, "the header `Inter-|` is expected"));
    }
    if !bytes.ends_with(b"\n") {
        return Err(ParseError::whole("a complete last line is expected"));
    }
    let mut count = 0;
    for (number, line) in lines(bytes) {
        if number == 1 {
            continue;
        }
        if number == 2 {
            if !line.trim_ascii_start().starts_with(b"face") {
                return Err(ParseError::at(2, "the header ` face |` is expected"));
            }
            continue;
        }
        if count == out.interfaces.len() {
            out.interfaces.push(Interface::default());
        }
        interface(line, &mut out.interfaces[count]).ok_or(ParseError::at(
            number,
            "a name, a colon and sixteen counts are expected",
        ))?;
        count += 1;
    }
    out.interfaces.truncate(count);
    Ok(())
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
        .filter(|_| fields.skip_fields(4).is_some())
    };
    out.received = traffic()?;
    out.sent = traffic()?;
    out.name.assign(name);
    Some(())
}

/// The open `/proc/net/dev`.
#[derive(Debug)]
pub struct NetDevFile {
    file: KeptFile,
    net: NetDev,
    last_count: usize,
}

impl NetDevFile {
    /// Opens the file.
    ///
    /// `/proc/net` shows the network namespace of the reader. Below another root, such as the host's mount in a
    /// container, that is not the machine's, so `/proc/1/net` is tried first (needs `CAP_SYS_PTRACE`).
    ///
    /// # Errors
    /// When it is absent or refused.
    pub fn open(root: &SystemRoot) -> Result<Self, ReadError> {
        let of_first_process = match root.is_default() {
            true => None,
            false => open(root, "1/net/dev").ok(),
        };
        let file = match of_first_process {
            Some(file) => file,
            None => open(root, "net/dev")?,
        };
        Ok(Self {
            file,
            net: NetDev::default(),
            last_count: 0,
        })
    }

    /// The present values.
    ///
    /// Kernels are known that return only part of the table after the position of an open file was set back. So a
    /// reading without its header or with fewer interfaces than the previous one is repeated with a freshly opened
    /// file, and the second is believed.
    ///
    /// # Errors
    /// When the file cannot be read or parsed.
    pub fn read(&mut self) -> Result<&NetDev, ReadError> {
        self.file.read_with(|bytes| parse(bytes, &mut self.net))?;
        if self.net.interfaces.len() < self.last_count {
            self.file.reopen()?;
            self.file.read_with(|bytes| parse(bytes, &mut self.net))?;
        }
        self.last_count = self.net.interfaces.len();
        Ok(&self.net)
    }
}

fn open(root: &SystemRoot, file: &str) -> Result<KeptFile, ReadError> {
    KeptFile::open(root.proc(file), Extent::ManyRecords, crate::root::MOUNT_PROC)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HEADER: &str = "Inter-|   Receive   |  Transmit\n face |bytes |bytes\n";

    fn table(names: &[&str]) -> String {
        let line = |name: &&str| format!("{name:>6}: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n");
        HEADER
            .chars()
            .chain(names.iter().map(line).collect::<String>().chars())
            .collect()
    }

    fn names(net: &NetDev) -> Vec<String> {
        net.interfaces
            .iter()
            .map(|interface| interface.name.to_string())
            .collect()
    }

    #[test]
    fn an_alias_keeps_its_colon() {
        let mut net = NetDev::default();
        parse(table(&["lo", "eth0:1"]).as_bytes(), &mut net).unwrap();
        assert_eq!(names(&net), ["lo", "eth0:1"]);
        assert_eq!(
            net.interfaces[1].received,
            Traffic {
                bytes: 1,
                packets: 2,
                errors: 3,
                drops: 4
            }
        );
        assert_eq!(
            net.interfaces[1].sent,
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
        let mut net = NetDev::default();
        let text = format!("{HEADER}eth0:38289485 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n");
        parse(text.as_bytes(), &mut net).unwrap();
        assert_eq!(net.interfaces[0].received.bytes, 38_289_485);
    }

    #[test]
    fn a_table_without_header_or_with_a_cut_line_is_refused() {
        let whole = table(&["lo"]);
        let mut net = NetDev::default();
        assert!(parse(&whole.as_bytes()[HEADER.len()..], &mut net).is_err());
        assert!(parse(&whole.as_bytes()[..whole.len() - 1], &mut net).is_err());
        assert!(parse(&whole.as_bytes()[..whole.len() - 4], &mut net).is_err());
        assert!(parse(b"Inter-| x\n    lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n", &mut net).is_err());
        assert!(
            parse(
                format!("{HEADER}lo: 1 2 3 4 0 0 0 0 5 6 7 8\n").as_bytes(),
                &mut net
            )
            .is_err()
        );
        assert!(
            parse(
                format!("{HEADER} : 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n").as_bytes(),
                &mut net
            )
            .is_err()
        );
    }

    #[test]
    fn interfaces_that_went_away_leave_the_reused_table() {
        let mut net = NetDev::default();
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
}
