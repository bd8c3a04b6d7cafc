//! The names of block devices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

/// Looks up the names of block devices by their numbers, each once.
pub(crate) struct DeviceNames {
    folder: PathBuf,
    known: HashMap<(u32, u32), Arc<str>>,
}

impl DeviceNames {
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            folder: root.join("sys/dev/block"),
            known: HashMap::new(),
        }
    }

    /// The kernel's name (`sda`), else the numbers (`8:0`).
    pub(crate) fn name(&mut self, major: u32, minor: u32) -> Arc<str> {
        let folder = &self.folder;
        let name = self.known.entry((major, minor)).or_insert_with(|| {
            let numbers = format!("{major}:{minor}");
            let target = std::fs::read_link(folder.join(&numbers)).ok();
            let name = target
                .as_deref()
                .and_then(Path::file_name)
                .and_then(|name| name.to_str());
            Arc::from(name.unwrap_or(&numbers))
        });
        Arc::clone(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_its_name_where_the_kernel_tells_it_and_its_numbers_elsewhere() {
        let root = alumet_core::testkit::FakeRoot::new();
        root.write("sys/dev/block/x", "");
        std::os::unix::fs::symlink("../../devices/pci0/block/sda", root.at("sys/dev/block/8:0")).unwrap();
        let mut names = DeviceNames::of(root.path());
        assert_eq!(&*names.name(8, 0), "sda");
        assert_eq!(&*names.name(253, 1), "253:1");
    }
}
