//! `top` as text and in a terminal.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;

use crate::program::{Folder, is_installed, load, wait_until};

#[test]
fn top_as_text_shows_this_program_and_how_its_power_is_known() {
    let folder = Folder::new();
    let ended = folder.run(&[
        "top",
        "--once",
        "--interval",
        "200ms",
        "--filter",
        "[a]lumet-agent top --once",
    ]);
    ended.expect_code(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines[0].starts_with("cpu     ") && lines[0].contains("memory "),
        "{lines:?}"
    );
    assert!(lines[1].contains("ed): processes "), "{lines:?}");
    assert!(
        lines[3].starts_with("shown   processes: ") && lines[3].contains("by power"),
        "{lines:?}"
    );
    assert!(lines[4].ends_with("ENERGY J COMMAND"), "{lines:?}");
    let own = lines[5..]
        .iter()
        .find(|line| line.contains("alumet-agent top --once"));
    let own = own.unwrap_or_else(|| panic!("{lines:?}"));
    let words: Vec<&str> = own.split_whitespace().collect();
    assert!(
        words[..6].iter().all(|word| *word != "-"),
        "all is known of a process of one's own: {own}"
    );
}

#[test]
fn top_as_text_comes_as_often_as_asked_with_control_groups_too() {
    let folder = Folder::new();
    let ended = folder.run(&[
        "top",
        "-b",
        "-n",
        "3",
        "--interval",
        "100ms",
        "--groups",
        "--tree",
        "--units",
        "mW",
    ]);
    ended.expect_code(0);
    let headings = ended
        .stdout
        .lines()
        .filter(|line| line.ends_with("ENERGY mJ CONTROL GROUP"));
    assert_eq!(headings.count(), 3, "{}", ended.stdout);
}

#[test]
fn top_writes_nothing_and_takes_no_address_whatever_the_configuration_says() {
    let folder = Folder::new();
    let files = |folder: &Folder| {
        let files = fs::read_dir(folder.path("")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with(".std")).collect::<Vec<_>>()
    };
    folder
        .run(&["top", "--once", "--interval", "100ms"])
        .expect_code(0);
    assert!(files(&folder).is_empty(), "{:?}", files(&folder));
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let address = agent.connect().peer_addr().unwrap();
    let text = load()
        .replace("127.0.0.1:0", &address.to_string())
        .replace("out.csv", "other.csv");
    let config = folder.write(
        "top.toml",
        format!("state_dir = 'state'\nspool.durable = true\n{text}"),
    );
    let arguments = [
        "--config",
        config.to_str().unwrap(),
        "top",
        "--once",
        "--interval",
        "100ms",
    ];
    let ended = folder.run(&arguments);
    ended.expect_code(0);
    assert!(
        ended.stdout.lines().count() > 6,
        "all processes: {}",
        ended.stdout
    );
    agent.stop(Signal::SIGTERM).expect_code(0);
    let mut files = files(&folder);
    files.sort();
    assert_eq!(files, ["alumet-config.toml", "out.csv", "top.toml"]);
}

#[test]
fn top_without_a_terminal_says_so_and_what_works() {
    let folder = Folder::new();
    let ended = folder.run(&["top"]);
    ended
        .expect_code(2)
        .expect_stderr(&["the standard output is none", "`top --batch`"]);
    let ended = folder.run(&["top", "--interval", "1ms"]);
    ended
        .expect_code(2)
        .expect_stderr(&["--interval 1ms is too short", "100ms"]);
    let ended = folder.run(&["top", "--filter", "("]);
    ended.expect_code(2).expect_stderr(&["--filter <REGEX>"]);
}

/// `top` in a terminal of 160 by 24, whose shell tells the modes of the terminal before and after it.
struct Shown {
    _folder: Folder,
    script: Child,
    keyboard: ChildStdin,
    /// All that the terminal got, as text.
    screen: Arc<Mutex<String>>,
}

impl Shown {
    fn start(arguments: &str) -> Self {
        Self::with_environment(&[], arguments)
    }

    fn with_environment(variables: &[(&str, &str)], arguments: &str) -> Self {
        let folder = Folder::new();
        let program = env!("CARGO_BIN_EXE_alumet-agent");
        // In a file: `top` shows the command lines of others, too, with all words that are looked for.
        let commands = format!(
            "stty rows 24 cols 160; echo tty=$(tty) modes=$(stty -g)\n\
             sh -c 'echo pid=$$; exec \"{program}\" top --interval 200ms {arguments}'; echo code=$? modes=$(stty -g)\n"
        );
        folder.write("commands", commands);
        let mut command = Command::new("script");
        command
            .args(["-qec", "sh commands", "/dev/null"])
            .current_dir(folder.path(""))
            .env_remove("ALUMET_CONFIG")
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied());
        let mut script = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let keyboard = script.stdin.take().unwrap();
        let mut output = script.stdout.take().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shared.lock().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self {
            _folder: folder,
            script,
            keyboard,
            screen,
        }
    }

    fn text(&self) -> String {
        self.screen.lock().clone()
    }

    #[track_caller]
    fn wait_for(&self, what: &str) {
        self.wait_for_count(what, 1);
    }

    #[track_caller]
    fn wait_for_count(&self, what: &str, count: usize) {
        wait_until(&format!("{what:?} in {:?}", self.text()), || {
            (self.text().matches(what).count() >= count).then_some(())
        });
    }

    /// What stands behind a word that the shell has printed.
    fn value(&self, word: &str) -> String {
        self.wait_for(word);
        let text = self.text();
        let (_, rest) = text.split_once(word).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.value("pid=").parse().unwrap())
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Checks that the program has ended well, and that the terminal is as before.
    #[track_caller]
    fn expect_restored(mut self) {
        self.wait_for("code=");
        assert!(self.script.wait().unwrap().success());
        let text = self.text();
        assert!(text.contains("code=0 "), "{text:?}");
        let modes: Vec<&str> = text.split("modes=").skip(1).collect();
        let modes: Vec<_> = modes.iter().map(|rest| rest.split_whitespace().next()).collect();
        assert_eq!((modes.len(), modes[0]), (2, modes[1]), "{text:?}");
        let last = |sequence: &str| text.rfind(sequence);
        assert!(last("\x1b[?1049l") > last("\x1b[?1049h"), "{text:?}");
        assert!(
            last("\x1b[?25h") > last("\x1b[?25l"),
            "the cursor is shown again: {text:?}"
        );
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn top_in_a_terminal_shows_itself_until_q_and_follows_the_size() {
    if !is_installed("script") {
        return;
    }
    let mut top = Shown::start("--filter alumet-agen[t]");
    let pid = top.pid();
    // Numbers and words of a row come one by one, with steps of the cursor in between.
    top.wait_for(&pid.to_string());
    wait_until("its number in a row", || {
        (top.text().matches(&pid.to_string()).count() >= 2).then_some(())
    });
    top.wait_for("/alumet-agent");
    top.press("?");
    top.wait_for("stand");
    top.press("?g");
    top.wait_for("GROUP");
    let before = top.text().matches("GROUP").count();
    let tty = top.value("tty=");
    let stty = Command::new("stty")
        .args(["-F", &tty, "rows", "8", "cols", "30"])
        .status();
    assert!(stty.unwrap().success());
    // All is drawn anew.
    top.wait_for_count("GROUP", before + 1);
    top.press("q");
    top.expect_restored();
}

#[test]
fn signals_end_top_and_give_the_terminal_back() {
    if !is_installed("script") {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let top = Shown::start("");
        top.wait_for("COMMAND");
        kill(top.pid(), signal).unwrap();
        top.expect_restored();
    }
    let mut top = Shown::start("");
    top.wait_for("COMMAND");
    top.press("\x03");
    top.expect_restored();
}

#[test]
fn top_can_be_suspended_and_goes_on() {
    if !is_installed("script") {
        return;
    }
    let mut top = Shown::start("");
    top.wait_for("COMMAND");
    let pid = top.pid();
    for round in 1..=2 {
        top.press("\x1a");
        let stat = format!("/proc/{pid}/stat");
        wait_until("a stopped process", || {
            fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
        });
        top.wait_for_count("\x1b[?1049l", round);
        kill(pid, Signal::SIGCONT).unwrap();
        top.wait_for_count("\x1b[?1049h", round + 1);
        top.wait_for_count("COMMAND", round + 1);
    }
    top.press("q");
    top.expect_restored();
}

#[test]
fn top_without_colours_sends_none() {
    if !is_installed("script") {
        return;
    }
    let colours = |variable: &str| {
        let mut top = Shown::with_environment(&[("NO_COLOR", variable)], "--filter alumet-agen[t]");
        top.wait_for("/alumet-agent");
        top.press("q");
        top.wait_for("code=");
        let colours = top.text().matches("\x1b[38;5;").count();
        top.expect_restored();
        colours
    };
    assert!(colours("") > 0);
    assert_eq!(colours("1"), 0);
}
