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

/// A thread gives itself its name only once it runs, and is gone only some time after it was told to go.
#[track_caller]
fn wait_for_threads(count: usize) {
    let start = Instant::now();
    while threads() != count {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{} threads instead of {count}",
            threads()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn there_is_one_thread_while_the_plugin_runs_and_none_afterwards() {
    let mut builder = PipelineBuilder::new();
    builder.plugin::<CgroupsPlugin>(Config::default()).unwrap();
    let pipeline = builder.start().unwrap();
    wait_for_threads(1);
    pipeline.stop_plugin(CgroupsPlugin::ID).unwrap();
    wait_for_threads(0);
    pipeline.stop(Duration::from_secs(5));
}
