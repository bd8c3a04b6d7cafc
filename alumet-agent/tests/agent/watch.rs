//! `watch`.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use nix::sys::signal::Signal;

use crate::csv::{lines_of, lines_per_tick, of_process};
use crate::program::{Folder, load, procfs_with, wait_until};

/// A process that is killed when the test ends.
struct Sleeper(Child);

impl Sleeper {
    fn new(seconds: &str) -> Self {
        Self(
            Command::new("sleep")
                .arg(seconds)
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config() -> String {
    let processes = "processes.strategy = 'event'";
    format!(
        "[plugins.csv]\noutput_path = 'out.csv'\n{}",
        procfs_with(processes)
    )
}

#[test]
fn a_process_is_followed_to_its_end() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let mut sleeper = Sleeper::new("0.7");
    let agent = folder.start(&["watch", &sleeper.pid().to_string()]);
    let pid = sleeper.pid();
    sleeper.0.wait().unwrap();
    let ended = agent.wait();
    ended.expect_code(0).expect_stderr(&[
        &format!("process {pid}: the process has ended"),
        "duration",
        "memory usage resident",
    ]);
    let lines = of_process(&lines_of(&folder.path("out.csv")), pid);
    assert!(
        !lines_per_tick(&lines, "memory_usage").is_empty(),
        "no sample of the process"
    );
}

#[test]
fn signals_end_watching_while_the_process_goes_on() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", config());
    let mut sleeper = Sleeper::new("60");
    let mut agent = folder.start(&["watch", &sleeper.pid().to_string()]);
    agent.wait_for_log("the plugin has started plugin=\"procfs\"");
    wait_until("a thread that watches", || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid()))
            .unwrap()
            .flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names
            .into_iter()
            .any(|name| name.trim() == "alumet-watch")
            .then_some(())
    });
    // Both at once, as `timeout` does: that is one request, and drops nothing.
    agent.signal(Signal::SIGINT);
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0).expect_stderr(&["came, the process goes on"]);
    assert!(!ended.stderr.contains("second signal"), "{}", ended.stderr);
    assert!(sleeper.0.try_wait().unwrap().is_none(), "the process must live");
    let lines = of_process(&lines_of(&folder.path("out.csv")), sleeper.pid());
    assert!(
        lines_per_tick(&lines, "memory_usage").len() >= 2,
        "a first and a last sample"
    );
}

#[test]
fn a_process_that_does_not_exist_is_an_error_of_usage() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    // Above the largest number that Linux gives.
    let ended = folder.run(&["watch", "4194305"]);
    ended
        .expect_code(2)
        .expect_stderr(&["there is no process 4194305", "help: ", "ps -e"]);
    folder
        .run(&["watch", "4294967295"])
        .expect_code(2)
        .expect_stderr(&["there is no process 4294967295"]);
    folder.run(&["watch", "0"]).expect_code(2);
    folder.run(&["watch", "init"]).expect_code(2);
}

#[test]
fn a_thread_is_no_process_and_the_message_names_its_process() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let (tell, tid) = channel();
    let (release, wait) = channel::<()>();
    let thread = std::thread::spawn(move || {
        tell.send(nix::unistd::gettid()).unwrap();
        let _ = wait.recv();
    });
    let tid = tid.recv().unwrap();
    let ended = folder.run(&["watch", &tid.to_string()]);
    ended.expect_code(2).expect_stderr(&[
        &format!("{tid} is a thread, not a process"),
        &format!("help: watch its process, which is {}", std::process::id()),
    ]);
    drop(release);
    thread.join().unwrap();
}
