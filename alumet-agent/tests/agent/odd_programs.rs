//! Programs that do what makes them hard to follow, and places where `exec` is hard.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};

use crate::program::{Folder, wait_until};
use crate::run_group::{own_group, summary};
use crate::watch::in_namespaces;

/// A folder with the script `busy`, which works for some time and then writes what the kernel has counted of it.
fn folder() -> Folder {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; cat /proc/$$/schedstat > new; mv new told";
    folder.write("busy", busy);
    folder
}

/// The CPU time of a script, and that of `busy`, which it runs, both in seconds.
fn cpu_and_told(folder: &Folder, script: &str) -> (f64, f64) {
    let ended = folder.run(&["exec", "--summary-json", "summary.json", "sh", "-c", script]);
    ended.expect_code(0);
    let usage = &summary(folder)["usage"];
    let cpu = ["cpu_user_seconds", "cpu_system_seconds"].map(|field| usage[field].as_f64().unwrap());
    let told = folder.read("told");
    let told: f64 = told.split(' ').next().unwrap().parse().unwrap();
    (cpu.iter().sum(), told / 1e9)
}

#[test]
fn programs_that_hide_from_their_parents_are_counted() {
    let folder = folder();
    let wait = "while ! test -e told; do sleep 0.02; done; sleep 0.05";
    let daemon = format!("(setsid sh -c '(sh busy &)' &); {wait}");
    let mut scripts = vec![
        // Twice forked, in a session of its own.
        daemon.as_str(),
        // In the place of the program itself.
        "exec sh -c 'exec sh busy'",
        "sh busy & kill -STOP $!; sleep 0.1; kill -CONT $!; wait",
    ];
    if geteuid().is_root() {
        fs::set_permissions(folder.path("."), Permissions::from_mode(0o777)).unwrap();
        scripts.push("setpriv --reuid 65534 --regid 65534 --clear-groups sh busy");
    }
    for script in scripts {
        let _ = fs::remove_file(folder.path("told"));
        let (cpu, told) = cpu_and_told(&folder, script);
        assert!(told > 0.05 && cpu > 0.99 * told, "{cpu} of {told} s: {script}");
    }
}

#[test]
fn a_child_that_leaves_the_group_of_the_run_is_counted_all_the_same() {
    let Some(own) = own_group() else { return };
    let folder = folder();
    let script = format!(
        "sh -c 'echo $$ > {}/cgroup.procs; exec sh busy'; sleep 0.05",
        own.display()
    );
    let (cpu, told) = cpu_and_told(&folder, &script);
    assert!(
        told > 0.15 && cpu > 0.9 * told && cpu < 1.5 * told,
        "{cpu} of {told} s"
    );
    assert_eq!(summary(&folder)["usage"]["counted_by"], "processes");
}

#[test]
fn five_hundred_processes_at_once_and_a_thousand_short_ones_are_no_trouble() {
    let folder = folder();
    let many = "n=0; while [ $n -lt 500 ]; do sleep 1 & n=$((n+1)); done; wait";
    let short = "n=0; while [ $n -lt 1000 ]; do /bin/true; n=$((n+1)); done";
    for script in [many, short] {
        let ended = folder.run(&["exec", "--interval", "50ms", "--", "sh", "-c", script]);
        ended.expect_code(0).expect_stderr(&["has ended: exit status: 0"]);
        assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
    }
}

#[test]
fn the_first_process_of_a_container_measures_and_leaves_no_zombie() {
    let folder = folder();
    let script = "exec \"$0\" exec -- sh -c 'test $PPID = 1; echo $?; (true &); (true &); sleep 0.3; \
                  grep -c \") Z\" /proc/[0-9]*/stat | grep -c :1'";
    let kinds = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let Some(ended) = in_namespaces(&folder, &kinds, script) else {
        return;
    };
    // Nothing is a zombie, so `grep` finds nothing.
    ended.expect_code(1);
    assert_eq!(ended.stdout, "0\n0\n");
}

#[test]
fn a_user_without_rights_in_a_folder_that_is_read_only_is_told_what_to_do() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let agent = folder.path("agent");
    fs::copy(folder.command(&[]).get_program(), &agent).unwrap();
    fs::set_permissions(folder.path("."), Permissions::from_mode(0o555)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&agent)
            .args(arguments)
            .current_dir(folder.path("."))
            .env("ALUMET_SUMMARY", "-");
        folder.start_command(command).wait()
    };
    let refused = run(&["exec", "echo", "done"]);
    refused
        .expect_code(125)
        .expect_stderr(&["alumet-output.csv", "Permission denied", "help: "]);
    assert_eq!(
        refused.stdout, "",
        "nothing runs that is not measured as was asked"
    );
    let ended = run(&["exec", "--plugins", "procfs", "echo", "done"]);
    ended.expect_code(0).expect_stderr(&["CPU time"]);
    assert_eq!(ended.stdout, "done\n");
    fs::set_permissions(folder.path("."), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_program_has_the_standard_input() {
    let folder = folder();
    let mut command = folder.command(&["exec", "cat"]);
    let input = fs::File::open("/etc/passwd").unwrap();
    command
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.stdout, fs::read("/etc/passwd").unwrap());
}

#[test]
fn a_stop_of_the_job_stops_both_and_its_continuation_ends_as_usual() {
    let folder = folder();
    let mut command = folder.command(&["exec", "sh", "-c", "echo ready; sleep 0.5; exit 3"]);
    // As a shell does that controls jobs.
    command.process_group(0);
    let agent = folder.start_command(command);
    wait_until("the program", || {
        folder.read(".stdout-0").contains("ready").then_some(())
    });
    let group = Pid::from_raw(agent.pid().cast_signed());
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{group}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    killpg(group, Signal::SIGSTOP).unwrap();
    wait_until("the stop", || (state() == 'T').then_some(()));
    killpg(group, Signal::SIGCONT).unwrap();
    agent.wait().expect_code(3);
}
