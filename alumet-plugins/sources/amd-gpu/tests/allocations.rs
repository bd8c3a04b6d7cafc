//! Counts allocations, in a process of its own.

use std::time::Duration;

use alumet_core::testkit::{Allocations, Bench, CountingAllocator, FakeRoot};
use alumet_plugin_amd_gpu::{AmdGpuPlugin, Config};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_poll_of_sensors_or_processes_allocates_nothing_for_its_samples() {
    let root = FakeRoot::new();
    for number in 0..4 {
        let device = format!("sys/class/drm/card{number}/device");
        let (bus_id, chip) = (
            format!("0000:0{number}:00.0"),
            format!("{device}/hwmon/hwmon{number}"),
        );
        root.write(
            format!("{device}/uevent"),
            format!("DRIVER=amdgpu\nPCI_SLOT_NAME={bus_id}\n"),
        )
        .write(format!("{device}/gpu_busy_percent"), "5\n")
        .write(format!("{chip}/name"), "amdgpu\n")
        .write(format!("{chip}/power1_average"), "30000000\n");
        for pid in 10..30 {
            root.link(format!("proc/{pid}/fd/{number}"), "/dev/dri/renderD128").write(
                format!("proc/{pid}/fdinfo/{number}"),
                format!("drm-driver:\tamdgpu\ndrm-client-id:\t{pid}\ndrm-pdev:\t{bus_id}\ndrm-engine-gfx:\t5 ns\n"),
            );
        }
    }
    let mut bench = Bench::start::<AmdGpuPlugin>(Config::default(), root.path()).unwrap();
    for (source, expected) in [("amd-gpu", 4 * 3), ("amd-gpu-processes", 4 * 20 * 2)] {
        let mut poll = || {
            bench.advance(Duration::from_millis(100));
            bench.poll_batch(source).unwrap().len()
        };
        // Series are made with their first samples, and buffers grow.
        for _ in 0..3 {
            poll();
        }
        let (samples, cost) = Allocations::of(poll);
        assert_eq!(samples, expected);
        // What the batch holds on to.
        assert!(cost.count <= 1, "{cost:?} for {samples} samples");
    }
}
