//! The suite that every plugin passes.

use alumet_core::testkit::{Contract, FakeRoot};
use alumet_plugin_amd_gpu::AmdGpuPlugin;

#[test]
fn the_plugin_keeps_its_contract() {
    let root = FakeRoot::new();
    let card = "sys/class/drm/card0/device";
    root.write(format!("{card}/uevent"), "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n")
        .write(format!("{card}/hwmon/hwmon4/name"), "amdgpu\n")
        .write(format!("{card}/hwmon/hwmon4/power1_average"), "7000000\n")
        .link("proc/40/fd/5", "/dev/dri/renderD128")
        .write("proc/40/comm", "game\n")
        .write(
            "proc/40/fdinfo/5",
            "drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-pdev:\t0000:03:00.0\ndrm-engine-gfx:\t5 ns\ndrm-memory-vram:\t5 KiB\n",
        );
    Contract::<AmdGpuPlugin>::of_crate(env!("CARGO_MANIFEST_DIR"))
        .on(root.path())
        .check();
}
