//! The configurations in `examples/server`, as programs that work together.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic when its tools fail")]

mod gpus;
#[path = "../server/process.rs"]
mod process;
mod shape;
mod single;

use std::process::Command;

use crate::shape::{Program, example};

#[test]
fn each_shape_is_a_valid_configuration_of_its_program() {
    for (program, name) in [
        (Program::Server, "laptop.toml"),
        (Program::Server, "one-server.toml"),
        (Program::Server, "pipeline/collector.toml"),
        (Program::Server, "pipeline/gateway.toml"),
        (Program::Agent, "pipeline/streamer.toml"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("telemetry.csv"),
            "gpu_id,utilization\ngpu-001,85.5\n",
        )
        .unwrap();
        let mut check = Command::new(program.path());
        check.arg("--config").arg(example(name)).args(["config", "check"]);
        let checked = check.current_dir(folder.path()).output().unwrap();
        assert!(checked.status.success(), "{name}: {checked:?}");
    }
}
