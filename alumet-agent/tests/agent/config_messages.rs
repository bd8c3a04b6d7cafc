//! Wrong configurations: each message tells what, where, and how to mend it.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::program::{Folder, procfs_with};

/// Checks what is said of a configuration, by `config check` and by `run` alike.
#[track_caller]
fn refused(text: &str, phrases: &[&str]) {
    let folder = Folder::new();
    folder.write("alumet-config.toml", text);
    for command in [&["config", "check"][..], &["run"]] {
        let ended = folder.run(command);
        ended
            .expect_code(2)
            .expect_stderr(&["error: "])
            .expect_stderr(phrases);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_wrong_type() {
    refused(
        "[plugins.csv]\nforce_flush = 'yes'\n",
        &[
            "wrong type at `plugins.csv.force_flush`: expected a boolean, found a string",
            "--> alumet-config.toml:2:15",
        ],
    );
    refused(
        "[plugins.csv]\n[pipeline]\ningest_capacity = -1\n",
        &["pipeline.ingest_capacity", "alumet-config.toml:3:19"],
    );
    refused(
        "plugins.csv = 3\n",
        &["plugins.csv", "a table", "alumet-config.toml:1:"],
    );
    refused(
        "[plugins.procfs]\nkernel.poll_interval = 'soon'\n",
        &["plugins.procfs.kernel.poll_interval", ":2:24"],
    );
    // The keys of a plan stand beside those of its group.
    refused(
        "[plugins.procfs]\nprocesses.groups = [{ pid = 1, flush_interval = 'never' }]\n",
        &["plugins.procfs.processes.groups[0].flush_interval", ":2:49"],
    );
    refused(
        "[plugins.csv]\n[health]\naddress = 'localhost'\n",
        &[
            "health.address",
            "alumet-config.toml:3:11",
            "write for example \"127.0.0.1:9100\"",
        ],
    );
}

#[test]
fn a_plugin_that_is_no_table_is_told_once() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", "[plugins]\ncsv = 3\n");
    for arguments in [&["config", "check"][..], &["--plugins", "csv"]] {
        let ended = folder.run(arguments);
        ended
            .expect_code(2)
            .expect_stderr(&["wrong type at `plugins.csv`: expected a table"]);
        assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_value_that_cannot_work() {
    refused(
        "[plugins.procfs]\nkernel.poll_interval = '0s'\n",
        &["plugins.procfs.kernel.poll_interval", ":2:24"],
    );
    refused(
        "[plugins.procfs]\nprocesses.groups = [{}, { exe_regex = '(' }]\n",
        &[
            "plugins.procfs.processes.groups[1].exe_regex",
            "alumet-config.toml:2:",
        ],
    );
    refused(
        "[plugins.csv]\non_error = 'panic'\n",
        &["plugins.csv.on_error", "`fail`, `disable`, `retry`", ":2:12"],
    );
    refused(
        "[plugins.csv]\ncsv_delimiter = '\"'\n",
        &["plugins.csv.csv_delimiter", ":2:17"],
    );
    refused(
        "[plugins.csv]\n[pipeline]\ntransforms = ['csv', 'nope']\n",
        &[
            "pipeline.transforms[1]",
            "no plugin `nope` is enabled",
            "alumet-config.toml:3:22",
        ],
    );
}

#[test]
fn an_interval_of_polling_that_would_fill_the_disk_is_refused_with_its_rate() {
    for (table, key) in [
        (
            "[plugins.procfs]\nkernel.poll_interval",
            "plugins.procfs.kernel.poll_interval",
        ),
        (
            "[plugins.procfs]\nprocesses.refresh_interval",
            "plugins.procfs.processes.refresh_interval",
        ),
        (
            "[plugins.procfs]\nprocesses.events.poll_interval",
            "plugins.procfs.processes.events.poll_interval",
        ),
        ("[plugins.rapl]\npoll_interval", "plugins.rapl.poll_interval"),
        (
            "[plugins.energy-estimation-tdp]\npoll_interval",
            "plugins.energy-estimation-tdp.poll_interval",
        ),
        ("[plugins.csv]\n[pipeline]\nself_metrics", "pipeline.self_metrics"),
    ] {
        let (rate, bytes) = (
            "every 1ns would be 1000000000 times a second",
            "5700000 MB a minute",
        );
        refused(
            &format!("{table} = '1ns'\n"),
            &[key, rate, bytes, "at least \"1ms\""],
        );
    }
    refused(
        "[plugins.csv]\nrotate_interval = '1ms'\n",
        &[
            "plugins.csv.rotate_interval",
            "1000 times a second",
            "at least \"1s\"",
        ],
    );
    refused(
        "[plugins.csv]\n[telemetry]\nendpoint = 'http://localhost:1'\ninterval = '1us'\n",
        &[
            "telemetry.interval",
            "1000000 times a second",
            "at least \"10ms\"",
        ],
    );
}

#[test]
fn sources_that_make_much_are_told_at_the_start() {
    let folder = Folder::new();
    let start = |table: &str| {
        let text = format!(
            "pipeline.self_metrics = '0s'\n[plugins.csv]\n{}",
            procfs_with(table)
        );
        folder.write("alumet-config.toml", text);
        folder.start(&[])
    };
    let mut agent = start("kernel.poll_interval = '1ms'");
    agent.wait_for_log(" of them sources/procfs/kernel");
    let much = agent.stop(Signal::SIGTERM);
    much.expect_code(0)
        .expect_stderr(&[" samples a second, ", " MB a minute as text"]);

    let mut agent = start("load.poll_interval = '1s'");
    agent.wait_until_measuring();
    std::thread::sleep(Duration::from_millis(1500));
    let little = agent.stop(Signal::SIGTERM).stderr;
    assert!(!little.contains("a minute as text"), "{little}");
}

#[test]
fn a_value_that_its_type_refuses_is_told_in_one_line() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", "[plugins.csv]\nrotate_size = '3 apples'\n");
    let ended = folder.run(&["config", "check"]);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(
        lines[0].starts_with("error: invalid value at `plugins.csv.rotate_size`: "),
        "{}",
        ended.stderr
    );
    assert_eq!(lines[1], " --> alumet-config.toml:2:15");
}

#[test]
fn an_unknown_key() {
    refused(
        "[plugins.csv]\noutput_pth = 'x'\n",
        &[
            "unknown key `plugins.csv.output_pth`",
            "--> alumet-config.toml:2:1",
            "did you mean `output_path`?",
        ],
    );
    refused(
        "[plugins.csv]\n[pipelin]\n",
        &["unknown key `pipelin`", ":2:2", "did you mean `pipeline`?"],
    );
    refused(
        "[plugins.procfs]\nkernel.pol_interval = '1s'\n",
        &["plugins.procfs.kernel.pol_interval", "`poll_interval`"],
    );
}

#[test]
fn an_unknown_plugin() {
    refused(
        "[plugins.cvs]\n",
        &[
            "there is no plugin `cvs`",
            "--> alumet-config.toml:1:10",
            "did you mean `csv`?",
        ],
    );
    refused(
        "[plugins.quite-another-thing]\n",
        &["there is no plugin `quite-another-thing`", "this program has: "],
    );
    let folder = Folder::new();
    folder.run(&["--plugins", "cvs"]).expect_code(2).expect_stderr(&[
        "there is no plugin `cvs`",
        "did you mean `csv`?",
        "this program has: ",
    ]);
    // Blanks behind commas are what people write.
    folder.write("alumet-config.toml", "[plugins.csv]\n");
    folder
        .run(&["--plugins", "csv, procfs", "config", "check"])
        .expect_code(0);
}

#[test]
fn a_list_of_plugins_without_a_name_is_told_as_such() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", "[plugins.csv]\n");
    for plugins in ["", " , "] {
        folder
            .run(&["--plugins", plugins, "config", "check"])
            .expect_code(2)
            .expect_stderr(&["--plugins names no plugin", "this program has: "]);
    }
    folder
        .run(&["--plugins", "csv,", "config", "check"])
        .expect_code(0);
}

#[test]
fn several_problems_are_told_at_once() {
    refused(
        "[plugins.csv]\noutput_pth = 'x'\nforce_flush = 'yes'\n[plugins.cvs]\n",
        &[
            "there is no plugin `cvs`",
            "unknown key `plugins.csv.output_pth`",
            "wrong type at `plugins.csv.force_flush`",
        ],
    );
    // Of every kind, one each.
    refused(
        "[plugins.csv]\nenable = true\nenabled = true\noutput_path = '${NOT_SET_ANYWHERE}'\nqueue.capcity = 1\n\
         csv_delimiter = '§'\nkeep_files = 0\nrotate_size = '3 apples'\n[plugins.procfs]\nkernel.poll_interval = '0s'\n\
         [spool]\nmax_age = '0s'\n[log]\nlevel = 'inof'\n[pipeline]\ntransforms = ['filter']\n",
        &[
            "`plugins.csv.enable` is the old name of `plugins.csv.enabled`",
            "`NOT_SET_ANYWHERE` is not set",
            "unknown key `plugins.csv.queue.capcity`",
            "`plugins.csv.csv_delimiter`",
            "`plugins.csv.keep_files`",
            "`plugins.csv.rotate_size`",
            "`plugins.procfs.kernel.poll_interval`",
            "`spool.max_age`",
            "`log.level`",
            "`pipeline.transforms[0]`",
        ],
    );
}

#[test]
fn a_missing_variable() {
    refused(
        "[plugins.csv]\noutput_path = '${NOT_SET_ANYWHERE}/x'\n",
        &[
            "environment variable `NOT_SET_ANYWHERE` is not set, and `plugins.csv.output_path` needs it",
            "--> alumet-config.toml:2:16",
            "${NOT_SET_ANYWHERE:-default}",
        ],
    );
}

#[test]
fn a_text_that_is_no_toml() {
    refused(
        "[plugins.csv\n",
        &["cannot read this as TOML", "--> alumet-config.toml:1:13"],
    );
    refused(
        "[plugins.csv]\nforce_flush = true\nforce_flush = false\n",
        &[
            "`force_flush` is given twice",
            "alumet-config.toml:3:1",
            "keep one of the two",
        ],
    );
}

#[test]
fn a_file_that_is_no_text_or_cannot_be_read() {
    let folder = Folder::new();
    folder.write("latin.toml", b"# caf\xe9\n");
    let ended = folder.run(&["--config", "latin.toml"]);
    ended
        .expect_code(2)
        .expect_stderr(&["not UTF-8", "latin.toml:1:6", "save the file as UTF-8"]);
    // Reading the first page of memory is an error for every user.
    let ended = folder.run(&["--config", "/proc/self/mem"]);
    ended
        .expect_code(2)
        .expect_stderr(&["cannot read `/proc/self/mem`", "name a readable file"]);
}

#[test]
fn a_configuration_without_plugins_names_the_file_and_what_to_add() {
    refused(
        "",
        &[
            "no plugin is enabled in alumet-config.toml",
            "[plugins.procfs]",
            "this program has: ",
        ],
    );
    refused(
        "[plugins.csv]\nenabled = false\n",
        &["no plugin is enabled in alumet-config.toml"],
    );
    let folder = Folder::new();
    folder.write("mine.toml", "# nothing\n");
    folder
        .run(&["--config", "mine.toml"])
        .expect_code(2)
        .expect_stderr(&["no plugin is enabled in mine.toml"]);
}

#[test]
fn an_override_that_is_wrong_is_placed_in_its_flag() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", "[plugins.csv]\n");
    let ended = folder.run(&["--config-override", "plugins.csv.output_pth='x'"]);
    ended
        .expect_code(2)
        .expect_stderr(&["plugins.csv.output_pth", "--config-override", "did you mean"]);
    let ended = folder.run(&["--config-override", "plugins.csv.output_path=x"]);
    ended.expect_code(2).expect_stderr(&["--config-override", "TOML"]);
}

#[test]
fn a_wrong_level_of_the_log_is_told() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", "log.level = 'loud=very'\n[plugins.csv]\n");
    folder.run(&[]).expect_code(2).expect_stderr(&[
        "log.level",
        "loud=very",
        "write for example \"info\"",
        ":1:13",
    ]);
    // A misspelt level must not silence the log.
    refused(
        "[plugins.csv]\n[log]\nlevel = 'inof'\n",
        &[
            "log.level",
            "inof",
            "error, warn, info, debug, trace, off",
            "alumet-config.toml:3:9",
        ],
    );
    folder.write("alumet-config.toml", "[plugins.csv]\n");
    let mut command = folder.command(&[]);
    command.env("RUST_LOG", "info=loud");
    folder
        .start_command(command)
        .wait()
        .expect_code(2)
        .expect_stderr(&["RUST_LOG", "info=loud", "write for example"]);
}

#[test]
fn a_check_warns_of_what_would_not_work_on_this_machine() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        "[plugins.csv]\noutput_path = 'alumet-config.toml/x.csv'\n",
    );
    folder
        .run(&["config", "check"])
        .expect_code(0)
        .expect_stderr(&["warning: the plugin `csv` would not work here as it should"]);
}

#[test]
fn a_check_reads_but_never_writes() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", "[plugins.csv]\noutput_path = 'never.csv'\n");
    folder.run(&["config", "check"]).expect_code(0);
    let files = fs::read_dir(folder.path(""))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    let files: Vec<_> = files
        .filter(|name| !name.to_string_lossy().starts_with('.'))
        .collect();
    assert_eq!(files, ["alumet-config.toml"]);
}

#[test]
fn a_server_that_cannot_be_reached_is_a_failure_if_one_asks_for_that() {
    let folder = Folder::new();
    // Nobody listens on a port below 1024 that no service has.
    let text = "[plugins.relay-client]\nrelay_server = '127.0.0.1:9'\n[plugins.procfs]\n";
    folder.write("alumet-config.toml", text);
    folder.run(&["config", "check"]).expect_code(0);
    let ended = folder.run(&["config", "check", "--connect"]);
    let phrases = [
        "error: the plugin `relay-client` would not work here as it should",
        "127.0.0.1:9",
    ];
    ended.expect_code(1).expect_stderr(&phrases);
    assert_eq!(ended.stdout, "");
}
