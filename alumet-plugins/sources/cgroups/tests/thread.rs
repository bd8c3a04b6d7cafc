//! The thread that waits for control groups.

use std::fs;
use std::time::{Duration, Instant};

use alumet_core::pipeline::PipelineBuilder;
use alumet_core::plugin::Plugin;
use alumet_plugin_cgroups::{CgroupsPlugin, Config};

fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks
        .map(name)
        .filter(|name| name.trim() == "alumet-cgroups")
        .count()
}

#[test]
fn there_is_one_thread_while_the_plugin_runs_and_none_afterwards() {
    let mut builder = PipelineBuilder::new();
    builder.plugin::<CgroupsPlugin>(Config::default()).unwrap();
    let pipeline = builder.start().unwrap();
    assert_eq!(threads(), 1);
    pipeline.stop_plugin(CgroupsPlugin::ID).unwrap();
    let start = Instant::now();
    while threads() > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "the thread goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
    pipeline.stop(Duration::from_secs(5));
}
