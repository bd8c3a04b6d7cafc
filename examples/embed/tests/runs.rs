//! The examples as a user runs them.

use std::process::Command;

#[expect(clippy::unwrap_used, reason = "the functions that tests share are tests, too")]
fn run(program: &str) -> String {
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_example_measures_all_its_work() {
    let text = run(env!("CARGO_BIN_EXE_example-embed"));
    let (samples, total) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(
        samples
            .lines()
            .all(|line| line.contains("sorted_numbers local_machine process:")),
        "{text}"
    );
    assert!(total.contains("numbers in"), "{text}");
}

#[test]
fn measured_work_has_a_result_and_a_cost_with_a_pipeline_and_without() {
    let text = run(env!("CARGO_BIN_EXE_measure"));
    let costs = text
        .lines()
        .filter(|line| line.starts_with("17984 primes: Usage"));
    assert_eq!(costs.count(), 2, "{text}");
    assert!(text.contains("no energy: ") || text.contains(" J of "), "{text}");
    assert!(!text.contains("not everything"), "{text}");
}

#[test]
fn a_program_finds_its_own_cpu_time_memory_and_io_and_nothing_else() {
    let text = run(env!("CARGO_BIN_EXE_this-process"));
    let (series, _) = text.trim_end().rsplit_once('\n').unwrap();
    for metric in [
        "cpu_percent",
        "cpu_time_delta",
        "memory_usage",
        "process_io_bytes",
    ] {
        assert!(series.lines().any(|line| line.starts_with(metric)), "{text}");
    }
    assert!(series.lines().all(|line| line.contains(" process:")), "{text}");
}

#[test]
fn what_code_counts_is_all_there_in_the_end() {
    let text = run(env!("CARGO_BIN_EXE_instruments"));
    for (series, value) in [
        ("requests local", 1000),
        ("requests_waiting local", 0),
        ("latency_count local", 1000),
    ] {
        let mut lines = text.lines().filter(|line| line.starts_with(series));
        let line = lines.next().unwrap();
        assert!(line.ends_with(&format!("{{}} = {value}")), "{text}");
    }
    let all = text.lines().find(|line| line.contains("le=+Inf")).unwrap();
    assert!(all.ends_with(" = 1000"), "{text}");
}

#[test]
fn what_libraries_count_and_time_is_there() {
    let text = run(env!("CARGO_BIN_EXE_bridges"));
    for (series, value) in [
        ("{parity=even}", 3),
        ("{parity=odd}", 2),
        ("{le=+Inf, span=handle, target=bridges}", 5),
    ] {
        assert!(text.contains(&format!("{series} = {value}\n")), "{text}");
    }
}
