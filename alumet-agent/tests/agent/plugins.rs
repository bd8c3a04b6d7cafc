//! `plugins`.

use serde_json::Value;

use crate::program::{Folder, load};

#[test]
fn the_list_has_one_line_per_plugin() {
    let ended = Folder::new().run(&["plugins", "list"]);
    ended.expect_code(0);
    let ids: Vec<_> = ended
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(ids.contains(&"csv") && ids.contains(&"procfs"), "{ids:?}");
}

#[test]
fn the_status_says_what_is_enabled_and_what_cannot_start() {
    let folder = Folder::new();
    folder.write("in-the-way", "a file where a folder should be");
    folder.write(
        "alumet-config.toml",
        load().replace("out.csv", "in-the-way/out.csv"),
    );
    let ended = folder.run(&["plugins", "list", "--status"]);
    ended.expect_code(0);
    let line = |id: &str| {
        ended
            .stdout
            .lines()
            .find(|line| line.starts_with(id))
            .unwrap()
            .to_owned()
    };
    let (csv, procfs) = (line("csv "), line("procfs "));
    assert!(
        csv.contains(" enabled ") && csv.contains("cannot start: ") && csv.contains("in-the-way"),
        "{csv}"
    );
    assert!(
        procfs.contains(" enabled ") && procfs.ends_with("can start"),
        "{procfs}"
    );

    let ended = folder.run(&["plugins", "list", "--status", "--plugins", "procfs"]);
    assert!(
        ended
            .stdout
            .lines()
            .any(|line| line.starts_with("csv") && line.ends_with("disabled")),
        "{}",
        ended.stdout
    );
}

#[test]
fn asking_for_the_status_changes_no_file() {
    let folder = Folder::new();
    folder.run(&["plugins", "list", "--status"]).expect_code(0);
    assert!(!folder.path("alumet-config.toml").exists());
    assert!(!folder.path("alumet-output.csv").exists());

    folder.write("alumet-output.csv", "somebody else's");
    folder.run(&["plugins", "list", "--status"]).expect_code(0);
    assert_eq!(folder.read("alumet-output.csv"), "somebody else's");
}

#[test]
fn json_has_everything_about_every_plugin() {
    let ended = Folder::new().run(&["plugins", "list", "--json"]);
    ended.expect_code(0);
    let plugins: Value = serde_json::from_str(&ended.stdout).unwrap();
    let procfs = plugins
        .as_array()
        .unwrap()
        .iter()
        .find(|plugin| plugin["id"] == "procfs")
        .unwrap();
    assert_eq!(procfs["enabled_by_default"], true);
    let metrics = procfs["metrics"].as_array().unwrap();
    let cpu_time = metrics
        .iter()
        .find(|metric| metric["name"] == "cpu_time_delta")
        .unwrap();
    assert_eq!(
        (&cpu_time["kind"], &cpu_time["unit"]),
        (&Value::from("delta"), &Value::from("ns"))
    );
    assert!(
        procfs["configuration_toml"]
            .as_str()
            .unwrap()
            .contains("[plugins.procfs.kernel]")
    );
    Folder::new()
        .run(&["plugins", "list", "--json", "--status"])
        .expect_code(2);
}

#[test]
fn info_tells_metrics_and_configuration() {
    let folder = Folder::new();
    let ended = folder.run(&["plugins", "info", "procfs"]);
    ended.expect_code(0);
    for phrase in [
        "Metrics",
        "kernel_cpu_time",
        "Configuration",
        "[plugins.procfs.processes]",
    ] {
        assert!(ended.stdout.contains(phrase), "{phrase}");
    }
    let unknown = folder.run(&["plugins", "info", "nothing-like-that"]);
    unknown
        .expect_code(2)
        .expect_stderr(&["there is no plugin `nothing-like-that`", "this program has: "]);
}

#[test]
fn the_configuration_that_info_prints_is_valid() {
    let folder = Folder::new();
    for id in ["csv", "procfs"] {
        let info = folder.run(&["plugins", "info", id]);
        let (_, text) = info.stdout.split_once("Configuration\n").unwrap();
        folder.write("alumet-config.toml", text);
        folder.run(&["config", "check"]).expect_code(0);
    }
}
