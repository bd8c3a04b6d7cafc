//! A machine of which the test says what it draws: with RAPL, control groups of a pod and a job, and a GPU. CPU time and memory of
//! the whole are those of the real machine.

use std::fs::{OpenOptions, create_dir_all, rename, write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use alumet_core::testkit::FakeRoot;
use alumet_core::time::{Clock, SystemClock};

/// Zones of powercap with their names and watts; the processor contains its cores.
const ZONES: [(&str, &str, f64); 3] = [
    ("intel-rapl:0", "package-0", 20.0),
    ("intel-rapl:0:0", "core", 12.0),
    ("intel-rapl:0:1", "dram", 3.0),
];
/// What processors and memory draw together.
pub(crate) const CPU_WATTS: f64 = 23.0;
/// What the graphics processor draws.
pub(crate) const GPU_WATTS: f64 = 100.0;

/// The uid of the pod `cart`.
pub(crate) const POD: &str = "6f0c1cf4-5b1a-4b4c-9f3b-0e2f7f0f6a01";

/// Control groups, and how many CPUs each uses.
const GROUPS: [(&str, f64); 5] = [
    ("kubepods.slice", 0.2),
    (
        "kubepods.slice/kubepods-pod6f0c1cf4_5b1a_4b4c_9f3b_0e2f7f0f6a01.slice",
        0.2,
    ),
    ("system.slice", 0.3),
    ("system.slice/slurmstepd.scope", 0.3),
    ("system.slice/slurmstepd.scope/job_7", 0.3),
];

/// The machine. It uses energy until this is dropped.
pub(crate) struct Machine {
    root: Arc<FakeRoot>,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<()>>,
}

impl Machine {
    pub(crate) fn start() -> Self {
        let root = Arc::new(FakeRoot::new());
        for file in [
            "stat",
            "meminfo",
            "loadavg",
            "cpuinfo",
            "sys",
            "pressure",
            "net",
            "diskstats",
            "uptime",
        ] {
            root.link(format!("proc/{file}"), format!("/proc/{file}"));
        }
        root.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
            .write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
            .write("sys/devices/system/cpu/online", "0\n");
        for file in ["physical_package_id", "die_id", "core_id"] {
            root.write(format!("sys/devices/system/cpu/cpu0/topology/{file}"), "0\n");
        }
        for (zone, name, _) in ZONES {
            let folder = folder_of(zone);
            root.write(format!("{folder}/name"), format!("{name}\n"))
                .write(format!("{folder}/max_energy_range_uj"), "262143328850\n")
                .link(format!("sys/class/powercap/{zone}"), format!("../../../{folder}"));
        }
        for (group, _) in GROUPS {
            let folder = format!("sys/fs/cgroup/{group}");
            root.write(format!("{folder}/cgroup.procs"), "")
                .write(format!("{folder}/memory.current"), "104857600\n")
                .write(format!("{folder}/memory.max"), "max\n");
        }
        build_driver(&root.at("driver"));
        let began = Instant::now();
        tick(&root, began);
        let stop = Arc::new(AtomicBool::new(false));
        let (of_thread, stopped) = (Arc::clone(&root), Arc::clone(&stop));
        let running = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
                tick(&of_thread, began);
            }
        });
        Self {
            root,
            stop,
            running: Some(running),
        }
    }

    /// What stands for `/`.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The library of the driver of the graphics processor.
    pub(crate) fn driver(&self) -> PathBuf {
        self.root.at("driver/libnvidia-ml.so.1")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.running.take().map(JoinHandle::join);
    }
}

fn folder_of(zone: &str) -> String {
    format!(
        "sys/devices/virtual/powercap/intel-rapl/{}",
        zone.replace(':', "_")
    )
}

/// The simulated driver with which the plugin itself is tested.
fn build_driver(folder: &Path) {
    create_dir_all(folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../alumet-plugins/sources/nvml/tests/simulated/nvml.c");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .arg(folder.join("libnvidia-ml.so.1"))
        .arg(source)
        .arg("-ldl")
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "a C compiler is needed"
    );
}

/// Brings all counters to what they are now.
fn tick(root: &FakeRoot, began: Instant) {
    let seconds = 1.0 + began.elapsed().as_secs_f64();
    for (zone, _, watts) in ZONES {
        let text = format!("{:020}\n", (watts * seconds * 1e6) as u64);
        set(&root.at(format!("{}/energy_uj", folder_of(zone))), &text);
    }
    for (group, cpus) in GROUPS {
        let micros = (cpus * seconds * 1e6) as u64;
        let half = micros / 2;
        let text = format!("usage_usec {micros}\nuser_usec {half}\nsystem_usec {half}\n");
        set(&root.at(format!("sys/fs/cgroup/{group}/cpu.stat")), &text);
    }
    let millijoules = (GPU_WATTS * seconds * 1e3) as u64;
    let micros = SystemClock.now().wall.as_nanos() / 1000;
    let pid = std::process::id();
    // The numbers of fields are those of nvml.h: total energy, power, and memory errors that were corrected or not.
    let script = [
        format!("0.field.83 {millijoules}"),
        format!("0.field.186 {}", GPU_WATTS * 1e3),
        "0.field.3 0\n0.field.4 0\n0.limit 300000\n0.temperature 61".to_owned(),
        "0.gpu_utilization 40\n0.memory_utilization 10\n0.total 1000000000\n0.used 400000000".to_owned(),
        format!("0.compute {pid}:4096\n0.uses {pid}:{micros}:40:10:0:0"),
        format!("0.xids {}", vec!["79"; 1 + seconds as usize / 5].join(",")),
    ];
    let new = root.at("driver/new");
    write(&new, script.join("\n") + "\n").unwrap();
    rename(new, root.at("driver/script")).unwrap();
}

/// Changes a file in one step, as files of the kernel change.
fn set(path: &Path, text: &str) {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap();
    file.write_all_at(text.as_bytes(), 0).unwrap();
}
