//! Rows and files with something wrong in them.

use alumet_core::testkit::assert_lines;
use alumet_plugin_csv_replay::{Hosts, TimestampMode};

use proptest::prelude::*;

use super::*;

#[test]
fn a_bad_row_spoils_only_itself_and_is_counted() {
    let mut content = b"metric_name,gpu_id,value\nm,1,0\n".to_vec();
    for bad in [
        &b"m,1"[..],
        b"m,1,2,3",
        b"m,,2",
        b",1,2",
        b"m,1,",
        b"m,1,12abc",
        b"m,1,0x10",
        b"m,1,nan",
        b"m,1,-inf",
        b"m,\"1,2",
        b"m,\xff,2",
    ] {
        content.extend(bad);
        content.push(b'\n');
    }
    content.extend(b"\n   \nm,1,");
    content.extend(vec![b'7'; 2 << 20]);
    content.extend(b"\nm,1,1\n");
    let mut replayed = Replayed::start(content, |config| config.repeat = false);
    let all = replayed.seconds(3);
    assert_lines(
        all,
        [
            "m gpu:gpu-001 local_machine {} = 0",
            "m gpu:gpu-001 local_machine {} = 1",
            "csv_replay_bad_rows local_machine local_machine {} = 0",
            "csv_replay_bad_rows local_machine local_machine {} = 12",
        ],
    );
}

#[test]
fn of_a_wide_row_what_is_right_is_sent() {
    let content = "gpu_id,a,b\n1,oops,1\n1,2,3\n1,4,N/A\n1,,\n";
    let mut replayed = Replayed::start(content, |config| config.repeat = false);
    let samples = replayed.seconds(4);
    let of_gpu = samples
        .iter()
        .filter(|sample| sample.series.resource().kind() == "gpu");
    let lines: Vec<_> = of_gpu.map(|sample| sample.to_string()).collect();
    let at = "gpu:gpu-001 local_machine {}";
    assert_lines(
        lines,
        ["b", "a", "b", "a"]
            .into_iter()
            .zip([1, 2, 3, 4])
            .map(|(metric, value)| format!("{metric} {at} = {value}")),
    );
    assert_eq!(values(&samples).last(), Some(&3.0), "bad rows");
}

#[test]
fn a_row_whose_time_is_wanted_and_wrong_is_bad() {
    let content = "time,gpu_id,n\n2025-07-18 20:42,1,1\n2025-07-18T20:42:34Z,1,2\n";
    let mut replayed = Replayed::start(content, |config| {
        (config.timestamp, config.repeat) = (TimestampMode::Original, false);
    });
    assert_eq!(values(&replayed.seconds(1)), [2.0, 0.0, 1.0]);
}

#[test]
fn a_file_of_which_all_rows_are_bad_is_read_again_when_it_is_mended() {
    let mut replayed = Replayed::start("metric_name,gpu_id,value\nm,1,x\n", |_| {});
    assert_eq!(values(&replayed.seconds(5)), [0.0, 1.0]);
    replayed.root.write("a.csv", "metric_name,gpu_id,value\nm,1,10\n");
    assert_eq!(values(&replayed.seconds(2)), [10.0], "nothing is made up for");
}

#[test]
fn a_file_that_cannot_be_replayed_is_refused_with_what_to_do() {
    for (content, words) in [
        ("", "it is empty"),
        ("gpu_id,n\n", "there are no rows"),
        ("a,b\n1,2\n", "`id_column`"),
        ("gpu_id,name\n1,x\n", "no column of its first rows has numbers"),
        ("gpu_id,\"n\n1,2\n", "a quote is not closed"),
        ("gpu_id,a b,a_b\n1,2,3\n", "the metric `a_b`"),
    ] {
        let message = refused(content, |_| {});
        assert!(message.contains(words) && message.contains("a.csv"), "{message}");
    }
    let message = refused(WIDE, |config| config.path.push("missing"));
    assert!(
        message.contains("missing") && message.contains("`path`"),
        "{message}"
    );
    let message = refused(WIDE, |config| config.path = "/dev/null".into());
    assert!(message.contains("no regular file"), "{message}");
    let message = refused(WIDE, |config| config.timestamp = TimestampMode::Shift);
    assert!(message.contains("`time_column`"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_file_is_replayed_or_refused(
        header in "(gpu_id|uuid|x),(metric_name|hostname|n),(value|time|n)",
        rows in "([a1,\"\r\n.é]|1,2,3\n){0,40}",
        cut: bool,
        is_filtered: bool,
    ) {
        let root = FakeRoot::new();
        let mut content = format!("{header}\n{rows}").into_bytes();
        content.truncate(content.len() - usize::from(cut));
        let mut config = config(&root, content);
        config.rate = 9.0;
        if is_filtered {
            config.host_filter = Hosts::Text("1".to_owned());
        }
        if let Ok(mut bench) = Bench::start::<CsvReplayPlugin>(config, root.path()) {
            for _ in 0..4 {
                bench.poll(NAME).unwrap();
                bench.advance(Duration::from_secs(1));
            }
        }
    }
}
