use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use alumet_core::Batch;
use alumet_core::failure::Remedy;
use alumet_core::output::Output;
use alumet_plugin_csv::{ByteSize, Config, CsvOutput};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::reader::records;
use crate::rig::{Rig, values_of};

fn pipe(rig: &Rig) -> Config {
    let config = rig.config();
    mkfifo(&config.output_path, Mode::S_IRWXU).unwrap();
    config
}

/// Writes as the engine does: the same batch until it is taken.
fn write_until_taken(rig: &Rig, output: &mut CsvOutput, batch: &Batch) {
    for _ in 0..12_000 {
        match rig.write(output, batch) {
            Ok(()) => return,
            Err(failure) => assert_eq!(failure.remedy(), Remedy::Retry, "{failure}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("the batch is never taken");
}

fn read_all(path: &Path) -> thread::JoinHandle<String> {
    let (reader, start) = reader_that_waits(path);
    start.send(()).unwrap();
    reader
}

/// Opens the pipe at once, and reads it only when told to.
fn reader_that_waits(path: &Path) -> (thread::JoinHandle<String>, Sender<()>) {
    let path = path.to_owned();
    let (start, told) = channel();
    let reader = thread::spawn(move || {
        let mut file = File::open(path).unwrap();
        told.recv().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    });
    (reader, start)
}

/// Writes the same batch until the pipe is full.
fn fill(rig: &Rig, output: &mut CsvOutput, batch: &Batch) {
    loop {
        let failure = rig.write(output, batch).unwrap_err();
        assert_eq!(failure.remedy(), Remedy::Retry, "{failure}");
        if failure.to_string().contains("does not keep up") {
            return;
        }
    }
}

#[test]
fn a_slow_reader_gets_every_line_once() {
    // Several parts.
    const EACH: u64 = 20_000;
    let rig = Rig::new();
    let config = Config {
        rotate_size: Some(ByteSize(1)),
        ..pipe(&rig)
    };
    let mut output = rig.open(&config);
    let (reader, start) = reader_that_waits(&config.output_path);
    let batch = rig.counting("a", 0, EACH);
    fill(&rig, &mut output, &batch);
    start.send(()).unwrap();
    write_until_taken(&rig, &mut output, &batch);
    for part in 1..4 {
        write_until_taken(&rig, &mut output, &rig.counting("a", part * EACH, EACH));
    }
    drop(output);
    assert_eq!(
        values_of(&reader.join().unwrap(), &["a"]),
        (0..4 * EACH).collect::<Vec<_>>()
    );
    assert_eq!(rig.files(), ["out.csv"]);
}

#[test]
fn a_pipe_without_a_reader_waits_for_one() {
    let rig = Rig::new();
    let config = pipe(&rig);
    let mut output = rig.open(&config);
    let batch = rig.counting("a", 0, 2);
    let failure = rig.write(&mut output, &batch).unwrap_err().to_string();
    assert!(
        failure.contains("nobody reads") && failure.contains("out.csv"),
        "{failure}"
    );
    let reader = read_all(&config.output_path);
    write_until_taken(&rig, &mut output, &batch);
    drop(output);
    assert_eq!(values_of(&reader.join().unwrap(), &["a"]), [0, 1]);
}

#[test]
fn the_next_reader_of_a_pipe_gets_a_header_and_whole_lines() {
    let rig = Rig::new();
    let config = pipe(&rig);
    let mut output = rig.open(&config);
    let path = config.output_path.clone();
    let first = thread::spawn(move || {
        let mut lines = BufReader::new(File::open(path).unwrap()).lines();
        (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap())
    });
    // More than a pipe holds, so that the first reader goes away in the middle.
    let batch = rig.counting("a", 0, 3000);
    loop {
        let failure = rig.write(&mut output, &batch).unwrap_err();
        if first.is_finished() {
            break assert_eq!(failure.remedy(), Remedy::Retry);
        }
    }
    let (header, line) = first.join().unwrap();
    assert!(header.starts_with("metric;") && line.starts_with("n;"));
    let second = read_all(&config.output_path);
    write_until_taken(&rig, &mut output, &batch);
    write_until_taken(&rig, &mut output, &rig.counting("a", 3000, 1));
    drop(output);
    let values = values_of(&second.join().unwrap(), &["a"]);
    assert!(values[0] > 0, "whole lines are not repeated");
    assert_eq!(values, (values[0]..=3000).collect::<Vec<_>>());
}

#[test]
fn a_reset_between_two_attempts_repeats_no_whole_line() {
    let rig = Rig::new();
    let config = pipe(&rig);
    let mut output = rig.open(&config);
    let batch = rig.counting("a", 0, 3000);
    let (reader, start) = reader_that_waits(&config.output_path);
    fill(&rig, &mut output, &batch);
    output.reset();
    start.send(()).unwrap();
    let text = reader.join().unwrap();
    let whole = &text[..=text.rfind('\n').unwrap()];
    let first = values_of(whole, &["a"]);
    let reader = read_all(&config.output_path);
    write_until_taken(&rig, &mut output, &batch);
    drop(output);
    let second = values_of(&reader.join().unwrap(), &["a"]);
    assert_eq!([first, second].concat(), (0..3000).collect::<Vec<_>>());
}

#[test]
fn a_full_device_is_retried_and_named() {
    let rig = Rig::new();
    let config = Config {
        output_path: "/dev/full".into(),
        ..rig.config()
    };
    let mut output = rig.open(&config);
    for _ in 0..2 {
        let failure = rig.write(&mut output, &rig.counting("a", 0, 1)).unwrap_err();
        assert_eq!(failure.remedy(), Remedy::Retry);
        let message = failure.to_string();
        assert!(
            message.starts_with("no space left for /dev/full; free some space"),
            "{message}"
        );
        assert!(
            message.ends_with("No space left on device (os error 28)"),
            "{message}"
        );
    }
}

/// Set for a process that a test started.
const CHILD: &str = "ALUMET_CSV_TEST_CHILD";

fn child(name: &str, shell: &str) -> String {
    let command = format!("\"$0\" --ignored --exact --nocapture --test-threads=1 stream::{name} {shell}");
    let child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "")
        .output()
        .unwrap();
    String::from_utf8(child.stdout).unwrap() + &String::from_utf8(child.stderr).unwrap()
}

#[test]
fn lines_go_to_the_standard_output() {
    let text = child("child_that_writes_to_its_standard_output", "");
    let start = text.find("metric;").expect("there is a header");
    let lines: String = text[start..]
        .lines()
        .take(11)
        .flat_map(|line| [line, "\n"])
        .collect();
    let lines = records(&lines, ';');
    assert_eq!(
        lines
            .iter()
            .skip(1)
            .map(|line| line[2].as_str())
            .collect::<Vec<_>>(),
        ["0", "1", "value", "0", "1", "2", "3", "4", "value", "5"]
    );
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_that_writes_to_its_standard_output() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let rig = Rig::new();
    for (path, first, count) in [("-", 0, 2), ("/dev/stdout", 0, 5), ("/dev/fd/1", 5, 1)] {
        let mut output = rig.open(&Config {
            output_path: path.into(),
            ..rig.config()
        });
        rig.write(&mut output, &rig.counting("a", first, count)).unwrap();
    }
}

#[test]
fn the_output_ends_when_nobody_reads_the_standard_output_any_more() {
    let text = child(
        "child_whose_standard_output_is_closed",
        "| sed '/metric;/q' >/dev/null",
    );
    assert!(
        text.contains("ended: the reader of the standard output has gone"),
        "{text}"
    );
}

#[test]
#[ignore = "run in a process of its own by the test above"]
fn child_whose_standard_output_is_closed() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let rig = Rig::new();
    let mut output = rig.open(&Config {
        output_path: "-".into(),
        ..rig.config()
    });
    for first in 0..800 {
        match rig.write(&mut output, &rig.counting("a", first, 1)) {
            Ok(()) => thread::sleep(Duration::from_millis(20)),
            Err(failure) => {
                assert_eq!(failure.remedy(), Remedy::End);
                eprintln!("ended: {failure}");
                return;
            }
        }
    }
    panic!("the reader is still there");
}
