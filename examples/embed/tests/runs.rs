//! The example as a user runs it.

use std::process::Command;

#[test]
fn the_example_measures_all_its_work() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-embed"))
        .output()
        .expect("the example");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (samples, total) = text.trim_end().rsplit_once('\n').expect("several lines");
    assert!(
        samples
            .lines()
            .all(|line| line.contains("sorted_numbers local_machine process:")),
        "{text}"
    );
    assert!(total.contains("numbers in"), "{text}");
}
