//! A library of the driver that answers what a test wants.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, FakeRoot};
use alumet_plugin_nvml::{Config, NvmlPlugin};
use tempfile::TempDir;

/// The library in a folder of its own, with the script that it reads at each call.
pub(crate) struct Driver {
    folder: TempDir,
    script: BTreeMap<String, String>,
}

impl Driver {
    /// A present driver with one GPU that shows energy and power.
    pub(crate) fn new() -> Self {
        Self::built(&[])
    }

    /// One of 2017.
    pub(crate) fn old() -> Self {
        Self::built(&["-DOLD"])
    }

    fn built(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulated/nvml.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-w", "-o"])
            .arg(folder.path().join("libnvidia-ml.so.1"))
            .arg(source)
            .args(options)
            .args(["-ldl"])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "a C compiler is needed"
        );
        let script = BTreeMap::new();
        let mut driver = Self { folder, script };
        driver.set([("0.field.83", 1_000_000), ("0.field.186", 100_000)]);
        driver
    }

    /// Changes what it answers.
    pub(crate) fn set<K: Into<String>, V: ToString>(&mut self, entries: impl IntoIterator<Item = (K, V)>) {
        let entries = entries.into_iter();
        self.script
            .extend(entries.map(|(key, value)| (key.into(), value.to_string())));
        self.write();
    }

    /// Answers again what it does by itself.
    pub(crate) fn unset(&mut self, keys: &[&str]) {
        for key in keys {
            self.script.remove(*key);
        }
        self.write();
    }

    fn write(&self) {
        let lines = self.script.iter().map(|(key, value)| format!("{key} {value}\n"));
        let new = self.folder.path().join("script.new");
        std::fs::write(&new, lines.collect::<String>()).unwrap();
        std::fs::rename(new, self.folder.path().join("script")).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    /// A configuration with this library.
    pub(crate) fn config(&self) -> Config {
        Config {
            library: Some(self.file()),
            ..Config::default()
        }
    }

    /// The plugin on the bench.
    pub(crate) fn bench(&self, change: impl FnOnce(&mut Config)) -> Bench {
        let mut config = self.config();
        change(&mut config);
        let root = FakeRoot::new();
        root.write("proc/sys/kernel/hostname", "node-1\n");
        Bench::start::<NvmlPlugin>(config, root.path()).unwrap()
    }
}

/// The source of the GPU with a number.
pub(crate) fn source(board: u32) -> String {
    format!("device_00000000:{:02x}:00.0", board + 1)
}

/// The samples whose metric begins with one of these names, as sorted lines without the resource of the first GPU.
pub(crate) fn lines(samples: &[RecordedSample], names: &[&str]) -> Vec<String> {
    let wanted = samples.iter().filter(|sample| {
        let name = &sample.series.metric.name;
        names.iter().any(|wanted| name.starts_with(wanted))
    });
    sorted(wanted.map(|sample| sample.to_string().replace(" gpu:00000000:01:00.0", "")))
}

pub(crate) fn sorted(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort();
    lines
}
