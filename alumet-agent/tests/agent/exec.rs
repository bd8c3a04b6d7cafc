//! `exec`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::csv::{Line, lines_of, lines_per_tick, of_process};
use crate::program::{Ended, Folder, load, procfs_with, wait_until};

/// Announced processes only, which are polled rarely: what is in the file comes from the first and the last poll.
fn folder() -> Folder {
    let folder = Folder::new();
    let processes = "processes.strategy = 'event'\nprocesses.events.poll_interval = '1h'";
    folder.write(
        "alumet-config.toml",
        format!(
            "[plugins.csv]\noutput_path = 'out.csv'\n{}",
            procfs_with(processes)
        ),
    );
    folder
}

/// The pid that the title of the summary tells.
fn pid_of(ended: &Ended) -> u32 {
    let title = ended.stderr.split("(process ").nth(1).unwrap();
    title.split(')').next().unwrap().parse().unwrap()
}

/// The lines of the program that was run.
fn lines(folder: &Folder, ended: &Ended) -> Vec<Line> {
    of_process(&lines_of(&folder.path("out.csv")), pid_of(ended))
}

/// CPU time of the program in the file, in nanoseconds; the guest's is part of the user's.
fn cpu_time(lines: &[Line]) -> f64 {
    let is_part = |line: &&Line| line.metric == "cpu_time_delta_ns" && !line.text.contains("guest");
    lines.iter().filter(is_part).map(|line| line.value).sum()
}

/// The first quantity behind `name` in the summary, in seconds or bytes.
fn told(ended: &Ended, name: &str) -> f64 {
    let line = ended
        .stderr
        .lines()
        .find_map(|line| line.trim().strip_prefix(name));
    quantity(line.unwrap().trim_start())
}

fn quantity(line: &str) -> f64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    let value: f64 = words[0]
        .parse()
        .unwrap_or_else(|_| panic!("no number in {line:?}"));
    value
        * match words[1] {
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" => 1e-6,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            unit => panic!("the unit {unit} in {line}"),
        }
}

#[test]
fn the_exit_code_of_the_program_is_passed_on() {
    let folder = folder();
    for code in [0, 1, 2, 7, 101, 255] {
        let ended = folder.run(&["exec", "--", "sh", "-c", &format!("exit {code}")]);
        ended
            .expect_code(code)
            .expect_stderr(&[&format!("has ended: exit status: {code}")]);
    }
}

#[test]
fn the_exit_code_can_be_ignored() {
    folder()
        .run(&["exec", "--ignore-exit-code", "sh", "-c", "exit 7"])
        .expect_code(0);
}

#[test]
fn a_program_that_a_signal_ended_gives_128_and_its_number() {
    let folder = folder();
    for (signal, code) in [("KILL", 137), ("SEGV", 139), ("TERM", 143)] {
        let ended = folder.run(&["exec", "sh", "-c", &format!("kill -{signal} $$")]);
        ended
            .expect_code(code)
            .expect_stderr(&[&format!("(SIG{signal})")]);
    }
}

#[test]
fn a_program_that_does_not_exist_gives_127_and_a_hint() {
    let folder = folder();
    folder
        .run(&["exec", "nosuchprogram-at-all"])
        .expect_code(127)
        .expect_stderr(&[
            "error: there is no program `nosuchprogram-at-all`",
            "help: check the spelling",
            "PATH",
        ]);
    assert!(!folder.path("out.csv").exists(), "nothing is measured for it");
    folder.write("measure-me", "");
    let near = folder.run(&["exec", "./mesure-me"]);
    near.expect_code(127).expect_stderr(&[
        "there is no program `./mesure-me`",
        "did you mean `./measure-me`?",
    ]);
}

#[test]
fn a_program_that_may_not_be_run_gives_126_and_a_remedy() {
    let folder = folder();
    folder.write("data.txt", "no program");
    folder
        .run(&["exec", "./data.txt"])
        .expect_code(126)
        .expect_stderr(&["./data.txt", "chmod +x ./data.txt"]);
    fs::create_dir(folder.path("folder")).unwrap();
    folder
        .run(&["exec", "./folder"])
        .expect_code(126)
        .expect_stderr(&["`./folder` cannot be run", "it is a folder"]);
}

#[test]
fn a_script_that_names_no_interpreter_is_run_by_the_shell() {
    let folder = folder();
    let script = folder.write("script", "exit 7\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    folder.run(&["exec", "./script"]).expect_code(7);
}

#[test]
fn a_script_whose_interpreter_is_missing_is_not_called_missing_itself() {
    let folder = folder();
    let script = folder.write("script", "#!/no/such/interpreter\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let ended = folder.run(&["exec", "./script"]);
    ended
        .expect_code(126)
        .expect_stderr(&["`./script` cannot be run", "the first line of ./script"]);
    assert!(!ended.stderr.contains("did you mean"), "{}", ended.stderr);
}

#[test]
fn a_folder_of_path_that_may_not_be_searched_does_not_hide_that_a_program_is_missing() {
    let folder = folder();
    // A file in place of a folder gives an error of its own, for every user.
    let obstacle = folder.write("obstacle", "");
    let mut command = folder.command(&["exec", "nosuchprogram-at-all"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", obstacle.display()));
    folder
        .start_command(command)
        .wait()
        .expect_code(127)
        .expect_stderr(&["there is no program `nosuchprogram-at-all`"]);
    let mut command = folder.command(&["exec", "data"]);
    folder.write("data", "no program");
    command.env("PATH", folder.path(""));
    let ended = folder.start_command(command).wait();
    ended.expect_code(126).expect_stderr(&["chmod +x", "/data`"]);
}

#[test]
fn the_standard_output_is_that_of_the_program_alone() {
    let ended = folder().run(&["exec", "sh", "-c", "printf 'a\\nb\\tc'; echo complaint >&2"]);
    ended.expect_code(0).expect_stderr(&[
        "complaint\n",
        "duration",
        "CPU time",
        "peak memory",
        "storage I/O",
        "energy",
    ]);
    assert_eq!(ended.stdout, "a\nb\tc");
}

#[test]
fn arguments_are_passed_as_they_are() {
    let ended = folder().run(&[
        "exec",
        "printf",
        "[%s]",
        "--config",
        "-h",
        "a b",
        "",
        "*",
        "--",
        "--plugins",
    ]);
    ended.expect_code(0);
    assert_eq!(ended.stdout, "[--config][-h][a b][][*][--][--plugins]");
}

#[test]
fn the_cpu_time_of_a_busy_program_is_right_in_the_summary_and_in_the_file() {
    let folder = folder();
    // The kernel's own count of nanoseconds on the CPU, read by the shell itself just before it ends.
    let script =
        "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; read line < /proc/$$/schedstat; echo $line";
    let ended = folder.run(&["exec", "sh", "-c", script]);
    ended.expect_code(0);
    let nanoseconds: f64 = ended.stdout.split(' ').next().unwrap().parse().unwrap();
    let real = nanoseconds / 1e9;
    assert!(real > 0.05, "not busy for long enough: {real} s");
    let in_summary = told(&ended, "CPU time");
    assert!(
        (in_summary / real - 1.0).abs() < 0.05,
        "{in_summary} s instead of {real} s"
    );
    let in_file = cpu_time(&lines(&folder, &ended)) / 1e9;
    assert!(
        (in_file / real - 1.0).abs() < 0.05,
        "{in_file} s instead of {real} s"
    );
}

#[test]
fn the_peak_memory_of_a_program_that_uses_256_mib_is_told() {
    // dd reads one block into memory, which is larger than the agent ever is: a program never seems smaller than the agent
    // that started it, and one with debug information can have 70 MiB of its own file in RAM.
    let ended = folder().run(&["exec", "dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1"]);
    ended.expect_code(0);
    let mebibytes = told(&ended, "peak memory") / 1024.0 / 1024.0;
    assert!((256.0..264.0).contains(&mebibytes), "{mebibytes}");
}

#[test]
fn a_program_is_measured_at_its_start_and_at_its_end() {
    let folder = folder();
    let ended = folder.run(&["exec", "sleep", "0.5"]);
    ended.expect_code(0);
    let duration = Duration::from_secs_f64(told(&ended, "duration"));
    assert!(duration >= Duration::from_millis(500), "{duration:?}");
    let lines = lines(&folder, &ended);
    let ticks = lines_per_tick(&lines, "cpu_time_delta");
    assert!(ticks.len() >= 2, "{ticks:?}");
    let seconds = |time: &String| time[17..29].parse::<f64>().unwrap();
    let (first, last) = (
        seconds(ticks.keys().next().unwrap()),
        seconds(ticks.keys().last().unwrap()),
    );
    assert!((last - first).rem_euclid(60.0) >= 0.45, "{first} to {last}");
}

#[test]
fn around_a_short_program_the_machine_is_measured_twice_and_the_program_once() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        format!(
            "[plugins.csv]\noutput_path = 'out.csv'\n{}",
            procfs_with("kernel.poll_interval = '1h'")
        ),
    );
    folder.run(&["exec", "--", "true"]).expect_code(0);
    let lines = lines_of(&folder.path("out.csv"));
    let count = |metric: &str| {
        lines
            .iter()
            .filter(|line| line.metric.starts_with(metric))
            .count()
    };
    assert_eq!(count("kernel_context_switches"), 2);
    // User and kernel mode: a 0 at the begin, and all of it.
    assert_eq!(count("process_tree_cpu_time"), 4);
}

#[test]
fn even_the_shortest_program_has_its_cpu_time_billed() {
    let folder = folder();
    let ended = folder.run(&["exec", "true"]);
    ended.expect_code(0);
    let nanoseconds = cpu_time(&lines(&folder, &ended));
    assert!(nanoseconds > 50_000.0 && nanoseconds < 1e9, "{nanoseconds} ns");
}

#[test]
fn sigterm_is_passed_to_the_program_and_everything_is_written() {
    let folder = folder();
    let mut agent = folder.start(&[
        "exec",
        "--only",
        "program,machine,others",
        "sh",
        "-c",
        "trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    wait_until("the program", || {
        folder.read(".stdout-0").contains("ready").then_some(())
    });
    assert!(!agent.has_ended());
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(9).expect_stderr(&[
        "the signal is passed to the program signal=\"SIGTERM\"",
        "has ended: exit status: 9",
    ]);
    assert_eq!(ended.stdout, "ready\nasked\n");
    let lines = lines(&folder, &ended);
    assert!(
        lines_per_tick(&lines, "cpu_time_delta").len() >= 2,
        "a first and a last sample"
    );
    assert_eq!(ended.accounts().dropped, 0);
}

#[test]
fn the_last_samples_of_a_load_are_written_before_the_end() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let ended = folder.run(&["exec", "--only", "program,machine,others", "sleep", "0.3"]);
    ended.expect_code(0);
    let accounts = ended.accounts();
    assert_eq!(
        (lines_of(&folder.path("out.csv")).len() as u64, accounts.dropped),
        (accounts.produced, 0)
    );
}

#[test]
fn sigint_that_comes_from_no_terminal_is_passed_as_sigint() {
    let folder = folder();
    let script = "trap 'exit 5' INT; trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done";
    let agent = folder.start(&["exec", "sh", "-c", script]);
    wait_until("the program", || {
        folder.read(".stdout-0").contains("ready").then_some(())
    });
    agent.stop(Signal::SIGINT).expect_code(5);
}

#[test]
fn a_pipeline_that_is_stuck_never_leaves_the_program_behind() {
    let folder = Folder::new();
    mkfifo(&folder.path("out.csv"), Mode::S_IRWXU).unwrap();
    let queue = "queue = { capacity = 10, on_full = 'block' }";
    let config = load()
        .replace(
            "output_path = 'out.csv'",
            &format!("output_path = 'out.csv'\n{queue}"),
        )
        .replace(
            "pipeline.self",
            "pipeline.ingest_capacity = 10\npipeline.shutdown_timeout = '200ms'\npipeline.self",
        );
    folder.write("alumet-config.toml", config);
    // Nobody reads, so the first measurement has no answer for 5 s, and the program has ended by then or not.
    let ended = folder.run(&["exec", "sh", "-c", "sleep 6; echo done"]);
    assert_eq!(ended.stdout, "done\n");
    ended.expect_code(125).expect_stderr(&[
        "could not be measured at once",
        "has ended: exit status: 0",
        "samples were dropped",
    ]);
}

/// Runs a script of the shell, in which `$0` is the agent.
fn in_shell(folder: &Folder, script: &str) -> Ended {
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", script])
        .arg(folder.command(&[]).get_program())
        .current_dir(folder.path("."))
        .env("ALUMET_SUMMARY", "-");
    folder.start_command(shell).wait()
}

#[test]
fn what_children_of_an_earlier_program_in_this_process_used_is_not_that_of_the_measured_one() {
    let folder = folder();
    // As `cargo run` does: a child that works, and then the agent in the place of its parent.
    let ended = in_shell(
        &folder,
        "timeout 1 sh -c 'while :; do :; done'; exec \"$0\" exec -- true",
    );
    ended.expect_code(0);
    let cpu = told(&ended, "CPU time");
    assert!(cpu < 0.1, "{cpu} s for `true`: {}", ended.stderr);
}

/// The sum of a metric of the program and its descendants.
fn of_tree(lines: &[Line], metric: &str) -> f64 {
    lines
        .iter()
        .filter(|line| line.metric == metric)
        .map(|line| line.value)
        .sum()
}

#[test]
fn rows_and_summary_count_the_whole_tree_and_agree() {
    let folder = folder();
    // Each child tells what the kernel counted of it; the shell itself does next to nothing.
    let child =
        "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done; read line < /proc/$$/schedstat; echo $line";
    let script = format!("for n in 1 2 3 4 5; do sh -c '{child}'; done; (sh -c '{child}' &); sleep 0.5");
    let ended = folder.run(&["exec", "sh", "-c", &script]);
    ended.expect_code(0);
    let real: f64 = ended
        .stdout
        .lines()
        .map(|line| line.split(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    let in_file = of_tree(&lines(&folder, &ended), "process_tree_cpu_time_ns");
    assert!(
        ended.stdout.lines().count() == 6 && real > 5e7,
        "{}",
        ended.stdout
    );
    assert!(
        in_file > 0.99 * real && in_file < 1.1 * real + 2e7,
        "{in_file} ns instead of {real} ns"
    );
    // Three digits are printed.
    let told = told(&ended, "CPU time");
    assert!(
        (told - in_file / 1e9).abs() <= 0.006 * told,
        "{told} s, in the file {in_file} ns"
    );
}

#[test]
fn what_children_write_counts_once() {
    let folder = folder();
    let script = "sh -c 'dd if=/dev/zero of=file bs=1M count=8 conv=fsync'; sleep 0.1";
    let ended = folder.run(&["exec", "sh", "-c", script]);
    ended.expect_code(0);
    let mebibytes = of_tree(&lines(&folder, &ended), "process_tree_io_bytes_B") / 1024.0 / 1024.0;
    // A file system in memory has no storage.
    assert!(mebibytes < 12.0, "{mebibytes} MiB");
}

#[test]
fn the_peak_memory_of_one_process_is_told_from_that_of_all() {
    let folder = folder();
    let script = "for n in 1 2 3; do dd if=/dev/zero of=/dev/null bs=40M count=40 2>&- & done; wait";
    let ended = folder.run(&["exec", "sh", "-c", script]);
    ended.expect_stderr(&["(the largest process)", "(all at one instant)"]);
    let largest = told(&ended, "peak memory") / 1024.0 / 1024.0;
    assert!((40.0..48.0).contains(&largest), "{largest} MiB");
}

#[test]
fn a_program_smaller_than_the_agent_has_its_own_peak() {
    let ended = folder().run(&["exec", "sleep", "0.3"]);
    let line = ended
        .stderr
        .lines()
        .find(|line| line.contains("peak memory"))
        .unwrap();
    assert!(line.contains("(the program when last seen; at most"), "{line}");
    assert!(told(&ended, "peak memory") < 4.0 * 1024.0 * 1024.0, "{line}");
}

#[test]
fn children_that_outlive_the_program_are_named() {
    let folder = folder();
    let ended = folder.run(&["exec", "sh", "-c", "sleep 30 > /dev/null 2>&1 & echo $!"]);
    ended.expect_code(0);
    let child: i32 = ended.stdout.trim().parse().unwrap();
    kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
    ended.expect_stderr(&["still running  ", &format!("  {child} sleep\n")]);
}

#[test]
fn orphans_that_end_are_waited_for() {
    // The first shell is not their parent any more, so that they come to the agent.
    let script = "(true &); (sh -c 'exit 3' &); sleep 0.5; grep -c \") Z $PPID \" /proc/[0-9]*/stat | grep -c ':1'; exit 4";
    let ended = folder().run(&["exec", "sh", "-c", script]);
    ended.expect_code(4).expect_stderr(&["has ended: exit status: 4"]);
    assert_eq!(ended.stdout, "0\n", "zombies");
}

#[test]
fn every_signal_that_would_end_the_agent_reaches_the_program() {
    let folder = folder();
    let signals = "HUP QUIT USR1 USR2 ALRM VTALRM PROF WINCH CONT TSTP IO PWR XCPU STKFLT 40";
    let script = format!(
        "for s in {signals}; do trap \"echo got $s\" $s; done; echo ready; while :; do sleep 0.02; done"
    );
    // Bash knows the signals by number, too.
    let agent = folder.start(&["exec", "bash", "-c", &script]);
    wait_until("the program", || {
        folder.read(".stdout-0").contains("ready").then_some(())
    });
    for signal in signals.split(' ') {
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &agent.pid().to_string()])
            .status();
        assert!(sent.unwrap().success(), "{signal}");
        wait_until(signal, || {
            folder
                .read(".stdout-0")
                .contains(&format!("got {signal}\n"))
                .then_some(())
        });
    }
    agent.stop(Signal::SIGTERM).expect_code(143);
}

#[test]
fn signals_that_the_caller_ignores_are_ignored_by_the_program() {
    let folder = folder();
    let ended = in_shell(
        &folder,
        "trap '' HUP INT; exec \"$0\" exec -- grep SigIgn /proc/self/status",
    );
    assert!(ended.stdout.ends_with("3\n"), "{}", ended.stdout);
}

#[test]
fn a_failure_of_the_agent_is_told_from_one_of_the_program() {
    let folder = folder();
    folder
        .run(&["--config", "missing.toml", "exec", "true"])
        .expect_code(125);
    folder.write("alumet-config.toml", "[plugins.csv]\noutput_path = 7\n");
    folder.run(&["exec", "sh", "-c", "exit 1"]).expect_code(125);
}
