//! What rows of each form become.

use std::collections::BTreeSet;

use alumet_core::testkit::assert_lines;
use alumet_plugin_csv_replay::TimestampMode;
use alumet_shared_output_testkit::dcgm_dump;

use super::*;

#[test]
fn in_the_wide_form_each_column_with_numbers_is_a_metric() {
    let mut replayed = Replayed::start(WIDE, |_| {});
    assert!(replayed.bench.catalog().declared_attributes().is_empty());
    assert_lines(
        replayed.seconds(2),
        [
            "utilization gpu:gpu-001 local_machine {} = 85.5",
            "temperature gpu:gpu-001 local_machine {} = 72.3",
            "memory_used gpu:gpu-001 local_machine {} = 4096",
            "utilization gpu:gpu-002 local_machine {} = 90.2",
            "temperature gpu:gpu-002 local_machine {} = 75.1",
            "memory_used gpu:gpu-002 local_machine {} = 8192",
        ],
    );
}

#[test]
fn in_the_wide_form_identity_is_attributes_text_is_left_out_and_truth_is_a_number() {
    let content = "\u{feff}UUID,gpu_id,Hostname,modelName,pod,namespace,driver,Power [W],throttled\r\n\
                   GPU-a,3,n1,H100,train-0,ml,535.129.03,70.5,True\r\n\
                   GPU-b,,n1,,,,535.129.03,,no\r\n\
                   ,7,n2,,,,535,1e2,\r\n";
    let mut replayed = Replayed::start(content, |_| {});
    let declared = replayed.bench.catalog().declared_attributes();
    let declared: Vec<_> = declared.iter().map(|key| &**key).collect();
    assert_eq!(declared, ["index", "model", "namespace", "node", "pod"]);
    let of_a = "gpu:GPU-a local_machine {index=3, model=H100, namespace=ml, node=n1, pod=train-0}";
    assert_lines(
        replayed.seconds(3),
        [
            &format!("Power__W_ {of_a} = 70.5"),
            &format!("throttled {of_a} = 1"),
            "throttled gpu:GPU-b local_machine {node=n1} = 0",
            "Power__W_ gpu:gpu-007 local_machine {node=n2} = 100",
        ],
    );
}

#[test]
fn the_dump_of_dcgm_is_the_series_of_all_its_gpus() {
    let dump = dcgm_dump(247);
    let mut replayed = Replayed::start(dump, |config| {
        config.rate = 2470.0;
        (config.timestamp, config.repeat) = (TimestampMode::Original, false);
    });
    let samples = replayed.seconds(1);
    assert_eq!(samples.len(), 2470);
    assert_lines(
        &samples[..1],
        [
            "DCGM_FI_DEV_GPU_UTIL gpu:GPU-00000000-0000-4000-8000-000000000000 local_machine \
          {device=nvidia0, index=0, model=NVIDIA H100 80GB HBM3, node=gpu-node-001} = 0",
        ],
    );
    let distinct = |of: fn(&RecordedSample) -> String| samples.iter().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(|sample| sample.series.to_string()), 2470);
    assert_eq!(distinct(|sample| sample.series.metric.name.to_string()), 10);
    assert_eq!(distinct(|sample| sample.series.resource().to_string()), 247);
    let node = |sample: &RecordedSample| sample.series.attributes().get("node").unwrap().to_string();
    assert_eq!(distinct(node), 31);
    assert_eq!(distinct(|sample| sample.timestamp.to_string()), 4);
}

#[test]
fn a_row_of_the_long_form_without_a_uuid_is_of_its_number() {
    let content = "timestamp,metric_name,gpu_id,uuid,hostname,model_name,value,labels\n\
                   x,util,3,,n1,,5,a=b;c=d\n\
                   x,util,3,GPU-a,n1,H100,6,\n";
    let mut replayed = Replayed::start(content, |_| {});
    assert_lines(
        replayed.seconds(2),
        [
            "util gpu:gpu-003 local_machine {node=n1} = 5",
            "util gpu:GPU-a local_machine {index=3, model=H100, node=n1} = 6",
        ],
    );
}

#[test]
fn whoever_uses_a_gpu_next_has_a_series_of_its_own() {
    let content = "card,gpu_id,host,pod,n\nA,0,n1,p1,1\nA,0,n1,p2,2\nA,0,n2,p2,3\nA,1,n2,p2,4\n";
    let mut replayed = Replayed::start(content, |config| config.id_column = Some("card".to_owned()));
    assert_lines(
        replayed.seconds(4),
        [
            "n gpu:A local_machine {index=0, node=n1, pod=p1} = 1",
            "n gpu:A local_machine {index=0, node=n1, pod=p2} = 2",
            "n gpu:A local_machine {index=0, node=n2, pod=p2} = 3",
            "n gpu:A local_machine {index=1, node=n2, pod=p2} = 4",
        ],
    );
}

#[test]
fn series_that_come_and_go_do_not_stay_for_ever() {
    let rows: String = (0..70_000).map(|gpu| format!("{gpu},1\n")).collect();
    let mut replayed = Replayed::start(format!("gpu_id,n\n{rows}"), |config| config.rate = 70_000.0);
    replayed.bench.advance(Duration::from_secs(1));
    let sent: usize = (0..3)
        .map(|_| replayed.bench.poll_batch(NAME).unwrap().len())
        .sum();
    assert_eq!(sent, 70_000);
    let live = replayed.bench.catalog().live_series();
    assert!(live < 65_536, "{live}");
}

#[test]
fn a_metric_may_be_called_like_one_of_a_plugin() {
    let mut replayed = Replayed::start("gpu_id,csv_replay_bad_rows\n1,5\n", |_| {});
    let samples = replayed.seconds(1);
    assert_lines(samples, ["csv_replay_bad_rows gpu:gpu-001 local_machine {} = 5"]);
}
