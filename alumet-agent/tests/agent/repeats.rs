//! `exec` with several runs.

use serde_json::Value;

use crate::program::Folder;

#[test]
fn commands_are_compared_with_the_first() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let ended = folder.run(&[
        "exec",
        "--repeat",
        "3",
        "--warmup",
        "1",
        "--export-json",
        "r.json",
        "--export-csv",
        "r.csv",
        "--export-markdown",
        "r.md",
        "--compare",
        "sleep 0.05",
        "sleep 0.3",
    ]);
    ended.expect_code(0);
    for text in [
        "sleep 0.05",
        "runs",
        "3, after 1 that warmed up",
        "time",
        " ± ",
        "compared with sleep 0.05",
        "p ",
    ] {
        assert!(ended.stdout.contains(text), "{text}:\n{}", ended.stdout);
    }
    let results: Value = serde_json::from_str(&folder.read("r.json")).unwrap();
    let variant = &results["variants"][1];
    assert_eq!(variant["runs"].as_array().unwrap().len(), 3);
    assert_eq!(variant["runs"][2]["labels"]["run"], "3");
    let mean = variant["statistics"]["duration_seconds"]["mean"]
        .as_f64()
        .unwrap();
    let runs = variant["runs"].as_array().unwrap().iter();
    let sum: f64 = runs.map(|run| run["duration_seconds"].as_f64().unwrap()).sum();
    assert!((mean - sum / 3.0).abs() < 1e-9 && mean > 0.3, "{variant}");
    let ratio = results["comparisons"][0]["quantities"]["duration_seconds"]["ratio"]
        .as_f64()
        .unwrap();
    assert!(ratio > 1.0, "{results}");
    let csv = folder.read("r.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    let columns = |line: &str| line.split(',').count();
    assert!(
        lines.iter().all(|line| columns(line) == columns(lines[0])),
        "{csv}"
    );
    assert!(
        folder.read("r.md").contains("| `sleep 0.3` |"),
        "{}",
        folder.read("r.md")
    );
    // Each run has rows of its own.
    let rows = folder.read("out.csv");
    for run in ["warmup", "sleep 0.3"] {
        assert!(rows.contains(run), "no row of {run}");
    }
}

#[test]
fn parameters_take_their_places_in_each_command_also_in_a_shell() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let ended = folder.run(&[
        "exec",
        "--shell",
        "--show-output",
        "--parameter",
        "n=1,2",
        "--parameter",
        "m=a",
        "--",
        "echo {n}{m} | tr a b",
    ]);
    ended.expect_code(0);
    assert!(ended.stdout.starts_with("1b\n2b\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("echo 2a | tr a b\n"), "{}", ended.stdout);
    folder
        .run(&["exec", "--parameter", "n=1,2", "true"])
        .expect_code(2)
        .expect_stderr(&["{n}"]);
    folder
        .run(&["exec", "--compare", "echo 'a"])
        .expect_code(2)
        .expect_stderr(&["close its quotes"]);
}

#[test]
fn a_run_that_fails_ends_the_comparison_with_its_code_unless_that_is_ignored() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let ended = folder.run(&["exec", "--repeat", "2", "sh", "-c", "echo hidden; exit 3"]);
    ended
        .expect_code(3)
        .expect_stderr(&["has ended with the code 3", "--show-output"]);
    assert!(!ended.stdout.contains("hidden"));
    folder
        .run(&[
            "exec",
            "--repeat",
            "2",
            "--ignore-exit-code",
            "sh",
            "-c",
            "exit 3",
        ])
        .expect_code(0);
    folder
        .run(&["exec", "--repeat", "2", "no-such-program-at-all"])
        .expect_code(127);
}

#[test]
fn what_all_runs_have_to_say_is_said_once() {
    let folder = Folder::measuring("processes.strategy = 'event'");
    let ended = folder.run(&["exec", "--repeat", "3", "--max-update-interval", "1s", "true"]);
    ended.expect_code(0);
    let said = ended.stderr.matches("max_update_interval has no effect").count();
    assert_eq!(said, 1, "{}", ended.stderr);
}
