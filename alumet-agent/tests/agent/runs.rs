//! What a run of `exec` writes and tells.

use serde_json::Value;

use crate::csv::{lines_of, lines_per_tick};
use crate::program::Folder;

#[test]
fn every_row_of_a_run_bears_its_id_and_its_labels() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    for _ in 0..2 {
        let ended = folder.run(&["exec", "--label", "experiment=a b", "--label", "n=3", "true"]);
        ended
            .expect_code(0)
            .expect_stderr(&["experiment=a b", "run_id=20"]);
    }
    let text = folder.read("out.csv");
    let header: Vec<&str> = text.lines().next().unwrap().split(';').collect();
    let column = |name| header.iter().position(|column| *column == name).unwrap();
    let (id, experiment, n) = (column("run_id"), column("experiment"), column("n"));
    let mut ids = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(';').collect();
        assert_eq!((fields[experiment], fields[n]), ("a b", "3"), "{line}");
        ids.push(fields[id].to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
    folder
        .run(&["exec", "--label", "=a", "true"])
        .expect_code(2)
        .expect_stderr(&["key=value"]);
}

#[test]
fn outputs_get_the_program_and_the_machine_and_the_rest_only_when_asked() {
    // Every process is measured.
    let folder = Folder::measuring(
        "processes.groups = [{ poll_interval = '50ms' }]\nprocesses.refresh_interval = '50ms'",
    );
    let consumers = |only: &[&str]| {
        let _ = std::fs::remove_file(folder.path("out.csv"));
        let arguments = [&["exec"], only, &["sleep", "0.3"]].concat();
        folder.run(&arguments).expect_code(0);
        let lines = lines_of(&folder.path("out.csv"));
        let mut found: Vec<_> = lines.into_iter().map(|line| line.consumer).collect();
        found.sort();
        found.dedup();
        let processes = found.iter().filter(|(kind, _)| kind == "process").count();
        (found.iter().any(|(kind, _)| kind == "local_machine"), processes)
    };
    assert_eq!(consumers(&[]), (true, 1));
    assert_eq!(consumers(&["--only", "program"]), (false, 1));
    assert_eq!(consumers(&["--only", "machine"]), (true, 0));
    let (machine, processes) = consumers(&["--only", "machine,others,program"]);
    assert!(machine && processes > 2, "{processes}");
}

#[test]
fn the_summary_for_programs_has_the_sums_of_the_rows() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let script =
        "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; for n in 1 2 3; do ls / > /dev/null; done; exit 3";
    let ended = folder.run(&["exec", "--summary-json", "summary.json", "sh", "-c", script]);
    ended.expect_code(3);
    let summary: Value = serde_json::from_str(&folder.read("summary.json")).unwrap();
    assert_eq!(summary["exit_code"], 3);
    assert_eq!(summary["command"][1], "-c");
    let usage = &summary["usage"];
    let lines = lines_of(&folder.path("out.csv"));
    let sum = |metric: &str, text: &str| {
        let lines = lines.iter().filter(|line| line.metric.starts_with(metric));
        let values = lines
            .filter(|line| line.text.contains(text))
            .map(|line| line.value);
        values.sum::<f64>()
    };
    for (field, metric, text, factor) in [
        ("cpu_user_seconds", "process_tree_cpu_time", "user", 1e-9),
        ("cpu_system_seconds", "process_tree_cpu_time", "system", 1e-9),
        ("minor_page_faults", "process_tree_page_faults", "minor", 1.0),
        ("storage_written_bytes", "process_tree_io_bytes", "write", 1.0),
    ] {
        let told = usage[field].as_f64().unwrap();
        let written = sum(metric, text) * factor;
        assert!(
            (told - written).abs() < 1e-9,
            "{field}: {told}, in the file {written}"
        );
    }
    assert!(usage["minor_page_faults"].as_u64().unwrap() > 100, "{usage}");
    assert!(
        usage["voluntary_context_switches"].as_u64().unwrap() > 0,
        "{usage}"
    );
}

#[test]
fn a_program_marks_its_phases_and_each_has_what_was_used_in_it() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let mark = format!("{} mark", env!("CARGO_BIN_EXE_alumet-agent"));
    let script = format!("{busy}; {mark} 'nearly nothing'; sleep 0.3; {mark} third && {busy}");
    let arguments = [
        "--only",
        "program",
        "--summary-json",
        "s.json",
        "sh",
        "-c",
        &script,
    ];
    // Sources would not be polled by themselves before it ends.
    let ended = folder.run(&[&["exec", "--interval", "1h"], &arguments[..]].concat());
    ended
        .expect_code(0)
        .expect_stderr(&["before the phases", "phase nearly nothing", "phase third"]);
    let summary: Value = serde_json::from_str(&folder.read("s.json")).unwrap();
    let phases = summary["phases"].as_array().unwrap();
    let names: Vec<_> = phases.iter().map(|phase| phase["name"].as_str()).collect();
    assert_eq!(names, [None, Some("nearly nothing"), Some("third")]);
    let of_phases = |field: &str| -> Vec<f64> {
        let phases = phases.iter().map(|phase| phase[field].as_f64().unwrap());
        phases.collect()
    };
    let (times, cpu) = (of_phases("duration_seconds"), of_phases("cpu_seconds"));
    let all = summary["duration_seconds"].as_f64().unwrap();
    assert!((times.iter().sum::<f64>() - all).abs() < 1e-6, "{times:?}, {all}");
    assert!(times[1] >= 0.3, "{times:?}");
    let usage = &summary["usage"];
    let all = ["cpu_user_seconds", "cpu_system_seconds"].map(|field| usage[field].as_f64().unwrap());
    let all: f64 = all.iter().sum();
    assert!((cpu.iter().sum::<f64>() - all).abs() < 1e-9, "{cpu:?}, {all}");
    assert!(2.0 * cpu[1] < cpu[0] && 2.0 * cpu[1] < cpu[2], "{cpu:?}");

    let lines = lines_of(&folder.path("out.csv"));
    let marks = lines.iter().filter(|line| line.metric == "phase_begins");
    let marks: Vec<_> = marks.map(|line| &line.text).collect();
    assert_eq!(marks.len(), 2, "{marks:?}");
    assert!(
        marks[0].contains(";nearly nothing;"),
        "a column of its own: {marks:?}"
    );
}

#[test]
fn a_summary_that_cannot_be_written_is_told_before_anything_runs() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let ended = folder.run(&["exec", "--summary-json", "no/folder/s.json", "echo", "done"]);
    ended
        .expect_code(125)
        .expect_stderr(&["no/folder/s.json", "help: "]);
    assert_eq!(ended.stdout, "");
}

#[test]
fn without_a_terminal_the_standard_error_gets_a_line_of_the_log_and_no_table() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    // In a session of its own, it has no terminal.
    let agent = folder.command(&["exec", "true"]);
    let mut command = std::process::Command::new("setsid");
    command
        .arg("--wait")
        .arg(agent.get_program())
        .args(agent.get_args());
    command.current_dir(folder.path(".")).env_remove("ALUMET_SUMMARY");
    let ended = folder.start_command(command).wait();
    ended
        .expect_code(0)
        .expect_stderr(&["duration_seconds=", "cpu_seconds="]);
    assert!(!ended.stderr.contains("peak memory  "), "{}", ended.stderr);
}

#[test]
fn everything_is_measured_as_often_as_is_asked_for() {
    let folder = Folder::measuring("processes.strategy = 'event'\nkernel.enabled = true");
    folder
        .run(&["exec", "--interval", "10ms", "sleep", "0.6"])
        .expect_code(0);
    let lines = lines_of(&folder.path("out.csv"));
    for metric in ["process_tree_cpu_time", "kernel_cpu_time"] {
        let ticks = lines_per_tick(&lines, metric).len();
        // Of sixty, on a machine that does other things as well.
        assert!(ticks > 15, "{ticks} of {metric}");
    }
    folder
        .run(&["exec", "--interval", "1us", "true"])
        .expect_code(2)
        .expect_stderr(&["1ms"]);
}

#[test]
fn the_samples_of_a_run_become_a_table_with_a_column_for_each_metric() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    folder
        .run(&["exec", "--interval", "20ms", "sleep", "0.1"])
        .expect_code(0);
    let table = folder.run(&["wide", "out.csv"]);
    table.expect_code(0);
    let mut lines = table.stdout.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(header[0], "timestamp");
    for column in ["run_id", "process_tree_cpu_time_ns_user", "process_tree_memory_B"] {
        assert!(header.contains(&column), "{column}: {header:?}");
    }
    let rows = lines.filter(|line| line.contains(",process,")).count();
    assert!(rows >= 3, "{}", table.stdout);
    folder
        .run(&["wide", "alumet-config.toml"])
        .expect_code(1)
        .expect_stderr(&["alumet-config.toml", "no file of the csv output"]);
}
