//! The control group of a run.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::program::Folder;

/// The group of this process, if groups can be made in it.
#[expect(clippy::print_stdout, reason = "a test that checks nothing says so")]
pub(crate) fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let group = Path::new(mount?.split(' ').nth(1)?).join(own?);
    let trial = group.join(format!("alumet-test-{}", std::process::id()));
    let made = fs::create_dir(&trial);
    let _ = fs::remove_dir(&trial);
    if let Err(error) = made {
        println!("skipped: no group can be made in {}: {error}", group.display());
        return None;
    }
    Some(group)
}

pub(crate) fn summary(folder: &Folder) -> Value {
    serde_json::from_str(&folder.read("summary.json")).unwrap()
}

#[test]
fn children_that_nobody_waits_for_count_as_long_as_they_worked() {
    if own_group().is_none() {
        return;
    }
    let folder = Folder::measuring("processes.strategy = 'event'");
    // The shell ignores the end of its children, so the kernel tells nobody what they used.
    let child =
        "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; read line < /proc/$$/schedstat; echo ${line%% *}";
    let script = format!("trap '' CHLD; for n in $(seq 50); do sh -c '{child}'; done");
    let ended = folder.run(&["exec", "--summary-json", "summary.json", "bash", "-c", &script]);
    ended.expect_code(0);
    let usage = &summary(&folder)["usage"];
    assert_eq!(usage["counted_by"], "control_group");
    let nanoseconds = ended.stdout.lines().map(|line| line.parse::<f64>().unwrap());
    let children = nanoseconds.sum::<f64>() / 1e9;
    let counted = usage["cpu_user_seconds"].as_f64().unwrap() + usage["cpu_system_seconds"].as_f64().unwrap();
    assert!(
        counted >= children && children > 0.02,
        "{counted} s instead of {children} s"
    );
}

#[test]
fn what_outlives_the_program_is_moved_back_and_no_group_stays() {
    let Some(own) = own_group() else { return };
    let folder = Folder::measuring("processes.strategy = 'event'");
    let agent = folder.start(&[
        "exec",
        "sh",
        "-c",
        "sleep 30 > /dev/null 2>&1 & cat /proc/self/cgroup; echo $!",
    ]);
    let number = agent.pid();
    let ended = agent.wait();
    let group = format!("alumet-run-{number}");
    assert!(ended.stdout.contains(&group), "{}", ended.stdout);
    let child: i32 = ended.stdout.lines().last().unwrap().parse().unwrap();
    let now = fs::read_to_string(format!("/proc/{child}/cgroup")).unwrap();
    kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
    ended.expect_code(0).expect_stderr(&[&format!("{child} sleep")]);
    assert!(!now.contains(&group), "{now}");
    assert!(!own.join(group).exists());
}

#[test]
fn the_group_of_an_agent_that_was_killed_goes_with_the_next_run() {
    let Some(own) = own_group() else { return };
    // A number that no process has.
    let left = own.join("alumet-run-4194305");
    fs::create_dir(&left).unwrap();
    let folder = Folder::measuring("processes.strategy = 'event'");
    folder.run(&["exec", "true"]).expect_code(0);
    let is_there = left.exists();
    let _ = fs::remove_dir(&left);
    assert!(!is_there);
}
