//! Who a process is, beyond its number.

use std::fs;

use alumet_core::Attributes;
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::process::Processes;

/// The attributes of the series of a process: `process_name`, and `cgroup`, the path of its control group. What cannot be read, of
/// a process that has ended for example, is left out.
pub fn attributes_of(root: &SystemRoot, pid: u32) -> Attributes {
    let mut attributes = Attributes::EMPTY;
    if let Ok(name) = fs::read(root.proc(format!("{pid}/comm"))) {
        let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
        attributes = attributes.with("process_name", name);
    }
    let group = Processes::open(root, 0).and_then(|mut processes| processes.cgroup(pid));
    if let Ok(Some(group)) = group {
        attributes = attributes.with("cgroup", group.to_string());
    }
    attributes
}
