//! `doctor`: the program itself, on this machine, on captured ones, and with configurations that are wrong.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder in which the program is run.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_alumet-agent"))
            .arg("doctor")
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .env_remove("ALUMET_CONFIG")
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    }

    /// The exit code and what it says as JSON.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[&["--json"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let json = serde_json::from_str(&text);
        let json = json.unwrap_or_else(|error| panic!("{error}: {text}{:?}", output.stderr));
        (output.status.code().unwrap(), json)
    }

    /// An override that makes `name` the system root.
    fn root(&self, name: &str) -> String {
        format!("system_root = '{}'", self.path(name).display())
    }
}

/// The finding about a subject.
#[track_caller]
fn find<'a>(json: &'a Value, plugin: &str, subject: &str) -> &'a Value {
    let findings = json["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .find(|finding| finding["plugin"] == plugin && finding["subject"] == subject);
    found.unwrap_or_else(|| panic!("no {plugin}/{subject} in {json:#}"))
}

#[test]
fn this_machine_is_told_in_sections_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let output = folder.run(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let sections: Vec<_> = text
        .lines()
        .filter(|line| ["agent", "csv", "procfs"].contains(line))
        .collect();
    assert_eq!(sections.first(), Some(&"agent"));
    assert_eq!(sections.len(), 3, "{text}");
    for phrase in [
        "  works    kernel",
        "Linux ",
        "  works    CPU time",
        "alumet-output.csv, to be created",
    ] {
        assert!(text.contains(phrase), "{phrase}: {text}");
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn every_finding_of_the_json_has_a_plugin_a_subject_a_verdict_and_a_detail() {
    let (code, json) = Folder::new().json(&[]);
    assert_eq!(code, 0);
    assert!(["works", "limited"].contains(&json["verdict"].as_str().unwrap()));
    for finding in json["findings"].as_array().unwrap() {
        for key in ["plugin", "subject", "verdict", "detail"] {
            assert!(finding[key].is_string(), "{key}: {finding}");
        }
    }
    assert_eq!(find(&json, "procfs", "start")["verdict"], "works");
    assert_eq!(find(&json, "agent", "configuration")["verdict"], "absent");
}

#[test]
fn a_root_without_anything_is_broken_and_says_what_is_missing() {
    let folder = Folder::new();
    folder.write("bare/proc/readme", "");
    let (code, json) = folder.json(&["--config-override", &folder.root("bare")]);
    assert_eq!((code, &json["verdict"]), (1, &Value::from("broken")));
    let root = find(&json, "agent", "system root");
    assert_eq!(root["verdict"], "broken");
    assert!(root["remedy"].as_str().unwrap().contains("system_root"), "{root}");
    assert_eq!(find(&json, "procfs", "CPU time")["verdict"], "broken");
    assert_eq!(find(&json, "procfs", "process list")["verdict"], "broken");
    assert_eq!(find(&json, "procfs", "pressure (PSI)")["verdict"], "absent");
    // What cannot be known is not guessed.
    assert!(!json.to_string().contains("privileges"), "{json:#}");
}

#[test]
fn a_captured_machine_is_told_by_its_own_files() {
    let folder = Folder::new();
    for (file, text) in [
        (
            "proc/stat",
            "cpu  1 2 3 4 5 6 7 0 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\n",
        ),
        ("proc/sys/kernel/osrelease", "5.15.0-captured\n"),
        (
            "proc/self/status",
            "Uid:\t1000\t1000\t1000\t1000\nGid:\t5\t5\t5\t5\nCapEff:\t0000000000000000\n",
        ),
        (
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            "hpet\n",
        ),
    ] {
        folder.write(&format!("host/{file}"), text);
    }
    let (_, json) = folder.json(&["--config-override", &folder.root("host")]);
    for (subject, verdict, phrase) in [
        ("kernel", "works", "5.15.0-captured"),
        ("privileges", "limited", "user 1000"),
        ("clock", "limited", "hpet"),
    ] {
        let finding = find(&json, "agent", subject);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(finding["detail"].as_str().unwrap().contains(phrase), "{finding}");
        assert!(verdict == "works" || finding["remedy"].is_string(), "{finding}");
    }
}

#[test]
fn a_wrong_configuration_is_a_finding_and_the_defaults_are_looked_at() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", "[plugins.csv]\noutput_paht = 'x.csv'\n");
    let (code, json) = folder.json(&[]);
    assert_eq!(code, 1);
    let configuration = find(&json, "agent", "configuration");
    assert_eq!(configuration["verdict"], "broken");
    let detail = configuration["detail"].as_str().unwrap();
    assert!(detail.contains("output_paht"), "{detail}");
    assert_eq!(find(&json, "procfs", "start")["verdict"], "works");
    assert!(
        find(&json, "csv", "file")["detail"]
            .as_str()
            .unwrap()
            .contains("alumet-output.csv")
    );

    for arguments in [["--config", "missing.toml"], ["--plugins", "nothing-like-that"]] {
        let (code, json) = folder.json(&arguments);
        assert_eq!(code, 1);
        assert_eq!(find(&json, "agent", "configuration")["verdict"], "broken");
    }
}

#[test]
fn only_enabled_plugins_are_looked_at_with_their_own_configuration() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\noutput_path = '/proc/x/y.csv'\n",
    );
    let (code, json) = folder.json(&[]);
    assert_eq!(code, 1);
    assert_eq!(
        find(&json, "agent", "configuration")["detail"],
        "alumet-config.toml"
    );
    let plugins = find(&json, "agent", "plugins")["detail"].as_str().unwrap();
    assert!(
        plugins.starts_with("csv; not enabled: ") && plugins.contains("procfs"),
        "{plugins}"
    );
    let start = find(&json, "csv", "start");
    assert_eq!(start["verdict"], "broken");
    assert!(start["detail"].as_str().unwrap().contains("/proc/x"), "{start}");

    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\noutput_path = 'alumet-config.toml/y.csv'\n",
    );
    let (code, json) = folder.json(&[]);
    assert_eq!(code, 1);
    let start = find(&json, "csv", "start");
    assert_eq!(start["verdict"], "broken");
    assert!(
        start["remedy"].as_str().unwrap().contains("plugins.csv.on_error"),
        "{start}"
    );
    assert!(!json.to_string().contains("\"plugin\":\"procfs\""));
}

#[test]
fn whoever_could_measure_energy_is_looked_at_though_it_is_not_enabled_and_breaks_nothing() {
    let folder = Folder::new();
    let zone = "root/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0";
    fs::create_dir_all(folder.path(zone)).unwrap();
    fs::create_dir_all(folder.path("root/proc")).unwrap();
    for (file, text) in [
        ("name", "package-0"),
        ("max_energy_range_uj", "1000"),
        ("energy_uj", "none"),
    ] {
        folder.write(&format!("{zone}/{file}"), text);
    }
    folder.write("alumet-config.toml", "system_root = 'root'\n[plugins.csv]\n");
    let (_, json) = folder.json(&[]);
    // Those for which there is nothing are named in one line.
    let nothing = find(&json, "agent", "other sensors")["detail"].as_str().unwrap();
    assert!(
        nothing.contains("hwmon-power") && !nothing.contains("rapl"),
        "{nothing}"
    );
    let plugin = find(&json, "rapl", "plugin");
    assert_eq!(plugin["verdict"], "absent", "{plugin}");
    assert!(
        plugin["remedy"].as_str().unwrap().contains("[plugins.rapl]"),
        "{plugin}"
    );
    let of_rapl = json["findings"].as_array().unwrap().iter();
    let verdicts: Vec<_> = of_rapl.filter(|finding| finding["plugin"] == "rapl").collect();
    assert!(verdicts.len() > 1, "{verdicts:?}");
    assert!(
        verdicts.iter().all(|finding| finding["verdict"] != "broken"),
        "{verdicts:?}"
    );
}

#[test]
fn files_that_are_there_stay_as_they_are() {
    let folder = Folder::new();
    let foreign = "a,b\n1,2\n";
    folder.write("alumet-output.csv", foreign);
    let (code, json) = folder.json(&[]);
    assert_eq!(code, 0);
    assert_eq!(find(&json, "csv", "file")["verdict"], "limited");
    assert_eq!(
        fs::read_to_string(folder.path("alumet-output.csv")).unwrap(),
        foreign
    );
    assert_eq!(folder.names(), ["alumet-output.csv"]);
}

#[test]
fn the_help_tells_the_exit_codes() {
    let folder = Folder::new();
    let help = folder.run(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(
        text.contains("Exit codes: 0 nothing is broken, 1 something is broken, 2 wrong command line"),
        "{text}"
    );
    assert_eq!(folder.run(&["--nonsense"]).status.code(), Some(2));
}

#[test]
fn the_sum_of_the_parts_is_held_against_the_meter_of_the_machine() {
    let folder = Folder::new();
    let counters = |name: &str| format!("host/sys/cray/pm_counters/{name}");
    let zone = |name: &str| format!("host/sys/class/powercap/intel-rapl:0/{name}");
    // In place and of one length: the files stay open, and are read at any moment.
    let show = |name: String, text: String| {
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.path(&name));
        std::os::unix::fs::FileExt::write_all_at(&file.unwrap(), text.as_bytes(), 0).unwrap();
    };
    folder.write(&zone("name"), "package-0\n");
    std::os::unix::fs::symlink("/proc", folder.path("host/proc")).unwrap();
    folder.write(&zone("max_energy_range_uj"), "262143328850\n");
    for (file, text) in [
        ("generation", "1"),
        ("startup", "1591394000000000"),
        ("version", "2"),
    ] {
        folder.write(&counters(file), text);
    }
    // A package of 500 W, in a node of which the meter shows so much.
    let begin = std::time::Instant::now();
    let tick = |watts: u32| {
        let elapsed = begin.elapsed();
        show(
            zone("energy_uj"),
            format!("{}\n", 1_000_000_000 + elapsed.as_micros() * 500),
        );
        show(counters("power"), format!("{watts} W 1591394934123456 us\n"));
        show(
            counters("freshness"),
            format!("{}\n", 1_000_000 + elapsed.as_millis()),
        );
    };
    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\n[plugins.rapl]\ninterface = 'powercap'\n[plugins.cray-pm-counters]\n",
    );
    let balance = |watts: u32| {
        tick(watts);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    tick(watts);
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
            });
            let (_, json) = folder.json(&["--config-override", &folder.root("host")]);
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            find(&json, "agent", "balance").clone()
        })
    };
    let finding = balance(900);
    assert_eq!(finding["verdict"], "works", "{finding}");
    let detail = finding["detail"].as_str().unwrap();
    let percent: f64 = detail
        .split_once("W: ")
        .unwrap()
        .1
        .split_once(" %")
        .unwrap()
        .0
        .parse()
        .unwrap();
    assert!(
        detail.starts_with("CPU packages ") && (50.0..=61.0).contains(&percent),
        "{detail}"
    );
    assert!(
        detail.contains("of the 900.0 W that the node controller shows"),
        "{detail}"
    );
    let finding = balance(300);
    assert_eq!(finding["verdict"], "limited", "{finding}");
    let (_, json) = folder.json(&["--plugins", "csv,rapl"]);
    let findings = json["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|finding| finding["subject"] != "balance"),
        "{json:#}"
    );
}
