//! Processes that compute (ROCm), as the driver shows them. Their work is not in the engine times of `fdinfo`, for they give it to
//! the graphics processor without the driver.
//!
//! Format: `kfd_topology.c` and the comment of `kfd_procfs_add_sysfs_stats` in `kfd_process.c`, both in `drivers/gpu/drm/amd/amdkfd`
//! of Linux: `/sys/class/kfd/kfd/proc/PID/stats_GPU/cu_occupancy` is how many compute units work for the process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::ReadError;
use alumet_reader_procfs::numbered;
use alumet_shared_sensor_source::{NumberFile, number};

/// The processes that compute.
#[derive(Debug)]
pub(crate) struct Kfd {
    folder: PathBuf,
    nodes: BTreeMap<u64, Node>,
    files: BTreeMap<(u32, u64), NumberFile>,
}

/// A graphics processor on which can be computed.
#[derive(Debug, PartialEq)]
pub(crate) struct Node {
    /// Its PCI address.
    pub(crate) bus_id: String,
    compute_units: f64,
}

impl Kfd {
    /// Those of the machine whose `sys` lies below `root`; none if there is nothing on which can be computed.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        let folder = root.join("sys/class/kfd/kfd");
        let nodes = numbered(&folder.join("topology/nodes"), "").ok()?;
        let nodes: BTreeMap<_, _> = nodes
            .into_iter()
            .filter_map(|(_, node)| Node::at(&node))
            .collect();
        (!nodes.is_empty()).then(|| Self {
            folder,
            nodes,
            files: BTreeMap::new(),
        })
    }

    /// Looks for processes.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn scan(&mut self) -> Result<(), ReadError> {
        let folder = self.folder.join("proc");
        let list = |folder: &Path, prefix: &str| {
            let path = folder.to_path_buf();
            numbered(folder, prefix).map_err(|error| ReadError::Io { path, error })
        };
        let mut known = std::mem::take(&mut self.files);
        for (pid, process) in list(&folder, "")? {
            for (gpu, stats) in list(&process, "stats_")? {
                let key = (pid, u64::from(gpu));
                let path = stats.join("cu_occupancy");
                if self.nodes.contains_key(&key.1) && path.exists() {
                    let file = known.remove(&key).unwrap_or_else(|| NumberFile::new(path));
                    self.files.insert(key, file);
                }
            }
        }
        Ok(())
    }

    /// Gives each process with its graphics processor and the share of the compute units that work for it, in percent. One that
    /// has ended is forgotten.
    pub(crate) fn read(&mut self, mut take: impl FnMut(u32, &Node, f64)) {
        self.files.retain(|(pid, gpu), file| {
            let (Some(node), Ok(units)) = (self.nodes.get(gpu), file.read(number)) else {
                return false;
            };
            let percent = 100.0 * units / node.compute_units;
            if (0.0..=100.0).contains(&percent) {
                take(*pid, node, percent);
            }
            true
        });
    }
}

impl Node {
    /// What the topology says, with the number by which the driver knows it; none for a CPU.
    fn at(folder: &Path) -> Option<(u64, Self)> {
        let gpu = fs::read_to_string(folder.join("gpu_id"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let properties = fs::read_to_string(folder.join("properties")).ok()?;
        Some((gpu, Self::parse(&properties)?))
    }

    fn parse(properties: &str) -> Option<Self> {
        let value = |key: &str| -> Option<u64> {
            let mut lines = properties.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(name, _)| *name == key)?.1.trim().parse().ok()
        };
        let (domain, location) = (value("domain")?, value("location_id")?);
        let compute_units = value("simd_count")?.checked_div(value("simd_per_cu")?)?;
        // The bus, five bits of the device and three of the function.
        let (bus, device, function) = (location >> 8 & 0xff, location >> 3 & 0x1f, location & 7);
        (compute_units > 0).then(|| Self {
            bus_id: format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"),
            compute_units: compute_units as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_node_has_its_address_and_its_compute_units_and_a_cpu_has_none() {
        let properties = "cpu_cores_count 0\nsimd_count 416\nsimd_per_cu 4\nlocation_id 49920\ndomain 1\n";
        let node = Node {
            bus_id: "0001:c3:00.0".to_owned(),
            compute_units: 104.0,
        };
        assert_eq!(Node::parse(properties), Some(node));
        for wrong in [
            "",
            "simd_count 0\nsimd_per_cu 0\nlocation_id 0\ndomain 0\n",
            "simd_count 4\n",
        ] {
            assert_eq!(Node::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "((simd_count|simd_per_cu|location_id|domain) [0-9]{0,21}\n){0,5}") {
            let _ = Node::parse(&text);
        }
    }
}
