//! What a terminal sees, and what a file does not.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::program::{Folder, is_installed, load, procfs_with, wait_until};

#[test]
fn a_redirected_log_has_no_escape_sequences_and_no_live_line() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    agent.wait_until_measuring();
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);
    assert!(!ended.stderr.contains(['\x1b', '\r']), "{:?}", ended.stderr);
    assert!(!ended.stderr.contains("samples/s"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn errors_of_the_command_line_have_no_escape_sequences_in_a_file() {
    let folder = Folder::new();
    for arguments in [&["frobnicate"][..], &["--help"], &["watch", "x"]] {
        let ended = folder.run(arguments);
        assert!(
            !format!("{}{}", ended.stdout, ended.stderr).contains('\x1b'),
            "{arguments:?}"
        );
    }
}

/// What a pseudo-terminal shows of a run that SIGTERM ends after some seconds, and well; `prepare` sets the terminal up.
#[track_caller]
fn shown_at_terminal(folder: &Folder, prepare: &str) -> String {
    let program = env!("CARGO_BIN_EXE_alumet-agent");
    // `script` gives the terminal; its shell tells the process to end.
    let line = format!("{prepare}; '{program}' & agent=$!; sleep 2.5; kill -TERM $agent; wait $agent");
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(folder.path(""))
        .stdin(Stdio::null());
    let shown = wait_until("an output", || command.output().ok());
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success(), "{text}");
    text
}

#[test]
fn a_terminal_shows_one_live_line_that_is_erased_at_the_end() {
    if !is_installed("script") {
        return;
    }
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let text = shown_at_terminal(&folder, "true");
    assert!(
        text.contains("\r\x1b[K") && text.contains(" samples/s, ") && text.contains("CPU "),
        "{text:?}"
    );
    assert!(!text.contains("dropped,"), "all is well: {text:?}");
    let last = text.rsplit("\r\x1b[K").next().unwrap();
    assert!(
        !last.contains("samples/s"),
        "the line must be gone at the end: {text:?}"
    );
    // A line of the log never shares its line with the live one.
    let mixed = |line: &&str| line.contains("samples/s") && line.contains("INFO");
    let visible = text
        .split('\n')
        .map(|line| line.rsplit("\r\x1b[K").next().unwrap_or(line));
    assert_eq!(visible.into_iter().find(|line| mixed(line)), None);
}

#[test]
fn what_is_not_well_comes_first_on_the_live_line_and_the_machine_before_the_agent() {
    if !is_installed("script") {
        return;
    }
    let folder = Folder::new();
    // A queue in which nothing waits for a reader that never comes.
    let pipe = folder.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let small = "queue.capacity = 1\n";
    let table = format!("output_path = 'pipe'\n{small}");
    let text = load().replace("output_path = 'out.csv'\n", &table);
    folder.write(
        "alumet-config.toml",
        format!("pipeline.shutdown_timeout = '0s'\n{text}"),
    );
    let program = env!("CARGO_BIN_EXE_alumet-agent");
    let line = format!("'{program}' & agent=$!; sleep 3; kill -TERM $agent; wait $agent");
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(folder.path(""));
    let shown = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    let live = text
        .split("\r\x1b[K")
        .filter(|line| line.contains("CPU "))
        .last()
        .unwrap_or_default();
    let place = |part: &str| live.find(part).unwrap_or_else(|| panic!("{part}: {text:?}"));
    assert!(
        place(" dropped") < place("CPU ") && place("CPU ") < place("samples/s"),
        "{live:?}"
    );
}

#[test]
fn a_quiet_terminal_has_no_live_line_and_neither_has_one_with_a_log_as_json() {
    if !is_installed("script") {
        return;
    }
    let folder = Folder::new();
    let slow = procfs_with("load.poll_interval = '1s'");
    folder.write("alumet-config.toml", format!("[plugins.csv]\n{slow}"));
    for flags in ["-q", "--log-format json"] {
        let program = env!("CARGO_BIN_EXE_alumet-agent");
        let line = format!("'{program}' {flags} & agent=$!; sleep 2; kill -TERM $agent; wait $agent");
        let mut command = Command::new("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(folder.path(""));
        let shown = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(
            !text.contains("\x1b[K") && !text.contains("samples/s"),
            "{flags}: {text:?}"
        );
        assert_eq!(text.is_empty(), flags == "-q", "{text:?}");
    }
}

#[test]
fn a_narrow_terminal_shows_as_much_of_the_live_line_as_fits() {
    if !is_installed("script") {
        return;
    }
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let text = shown_at_terminal(&folder, "stty cols 30");
    let live = text.split("\r\x1b[K").filter(|line| line.starts_with("CPU "));
    let widths: Vec<_> = live.map(|line| line.trim_end().chars().count()).collect();
    assert!(
        !widths.is_empty() && widths.iter().all(|width| *width <= 29),
        "{widths:?} {text:?}"
    );
}

#[test]
fn ctrl_c_at_a_terminal_is_left_to_the_program() {
    if !is_installed("script") {
        return;
    }
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let program = env!("CARGO_BIN_EXE_alumet-agent");
    // A shell runs its trap after the command it waits for, so it waits for short ones; `exec` leaves no outer shell
    // that the key would end.
    let inner = "trap \"echo interrupted; exit 4\" INT; trap \"exit 66\" TERM; echo ready; \
                 while :; do sleep 0.02; done";
    let line = format!("exec '{program}' exec sh -c '{inner}'");
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(folder.path(""));
    let mut script = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keyboard, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.contains("ready\r\n") {
        let mut bytes = [0; 256];
        let count = screen.read(&mut bytes).unwrap();
        assert!(count > 0, "it ended without a word: {shown}");
        shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    keyboard.write_all(b"\x03").unwrap();
    screen.read_to_string(&mut shown).unwrap();
    assert_eq!(script.wait().unwrap().code(), Some(4), "{shown}");
    assert!(
        shown.contains("interrupted") && shown.contains("has ended: exit status: 4"),
        "{shown}"
    );
    assert!(
        !shown.contains("the signal is passed"),
        "it would come twice: {shown}"
    );
}

#[test]
fn a_log_for_which_the_disk_has_no_room_ends_nothing() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut command = folder.command(&[]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut agent = command
        .env("RUST_LOG", "debug")
        .stdout(Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    wait_until("lines", || {
        (folder.read("out.csv").lines().count() > 300).then_some(())
    });
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(agent.id().cast_signed()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert!(agent.wait().unwrap().success());
}

/// Checks that each line is an object with a level and a message; gives the messages with their levels.
#[track_caller]
fn json_lines(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        assert!(
            object["timestamp"].is_string() && object["target"].is_string(),
            "{line}"
        );
        (word(&object["level"]), word(&object["fields"]["message"]))
    };
    text.lines().map(line).collect()
}

#[test]
fn a_log_as_json_has_one_object_per_line_and_nothing_else_is_between_them() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&["--log-format", "json"]);
    agent.wait_for_log("measuring; ");
    let ended = agent.stop(Signal::SIGTERM);
    json_lines(&ended.expect_code(0).stderr);

    // The format of the configuration holds for the summary, too.
    folder.write("alumet-config.toml", format!("log.format = 'json'\n{}", load()));
    let ended = folder.run(&["exec", "true"]);
    let lines = json_lines(&ended.expect_code(0).stderr);
    let (level, summary) = lines.last().unwrap();
    assert!(
        level == "INFO" && summary.contains("CPU time") && summary.contains("out.csv"),
        "{lines:?}"
    );

    folder.write("alumet-config.toml", load());
    folder.write(
        "wrong.toml",
        "[plugins.csv]\nenable = true\ncsv_delimiter = '\"'\n",
    );
    folder.write("stuck.toml", "[plugins.csv]\noutput_path = '/proc/x/y.csv'\n");
    for (arguments, code, phrase) in [
        (&["exec", "./missing"][..], 127, "./missing"),
        (&["watch", "4194304"], 2, "no process"),
        (&["--config", "wrong.toml", "exec", "true"], 125, "csv_delimiter"),
        (&["--config", "stuck.toml", "run"], 1, "`csv` cannot start"),
        (&["--config", "none.toml"], 2, "none.toml"),
        (
            &["--config", "stuck.toml", "config", "check"],
            0,
            "would not work here",
        ),
    ] {
        let ended = folder.run(&[&["--log-format", "json"], arguments].concat());
        let lines = json_lines(&ended.expect_code(code).stderr);
        let (level, message) = lines.last().unwrap();
        assert!(message.contains(phrase), "{arguments:?}: {lines:?}");
        assert_eq!(level, if code == 0 { "WARN" } else { "ERROR" }, "{arguments:?}");
        assert!(!message.starts_with("error: "), "{message}");
    }
}
