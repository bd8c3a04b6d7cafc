//! The scan for processes.

use super::Processes;
use crate::ReadError;
use alumet_reader_kernel_file::fields::number;

impl Processes {
    /// Lists the numbers of all processes, in rising order.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn pids(&mut self) -> Result<Vec<u32>, ReadError> {
        let mut pids = Vec::new();
        self.folder()?;
        for entry in self
            .opened
            .get_mut()
            .into_iter()
            .flat_map(|folder| folder.directory.iter())
        {
            let entry = entry.map_err(|errno| ReadError::Io {
                path: self.proc.clone(),
                error: errno.into(),
            })?;
            if let Some(pid) = number(entry.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok()) {
                pids.push(pid);
            }
        }
        // The kernel lists them in this order; a captured tree on a disk does not.
        if !pids.is_sorted() {
            pids.sort_unstable();
        }
        Ok(pids)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::SystemRoot;
    use crate::process::Processes;

    #[test]
    fn only_numeric_folders_are_processes_and_each_scan_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["12", "3", "500", "7", "100", "self", "1a", "99999999999"] {
            fs::create_dir_all(folder.path().join("proc").join(name)).unwrap();
        }
        let mut processes = Processes::open(&SystemRoot::at(folder.path()), 256).unwrap();
        assert_eq!(processes.pids().unwrap(), [3, 7, 12, 100, 500]);

        fs::remove_dir(folder.path().join("proc/3")).unwrap();
        fs::create_dir(folder.path().join("proc/40")).unwrap();
        assert_eq!(processes.pids().unwrap(), [7, 12, 40, 100, 500]);
    }
}
