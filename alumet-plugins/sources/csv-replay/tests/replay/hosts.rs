//! Rows of some hosts only.

use std::process::Command;

use alumet_plugin_csv_replay::{Hosts, NoMatch};

use super::*;

const TWO_HOSTS: &str = "Hostname,gpu_id,n\nn1,1,1\nn2,1,2\nn1,1,3\nN2,1,4\n";

#[test]
fn only_rows_of_these_hosts_are_sent_and_they_keep_the_pace() {
    let mut replayed = Replayed::start(TWO_HOSTS, |config| {
        config.host_filter = Hosts::Text("n2, n9".to_owned());
    });
    assert_eq!(values(&replayed.seconds(3)), [2.0, 4.0, 2.0]);
}

#[test]
fn a_row_with_too_few_fields_is_bad_whoever_it_is_of() {
    let mut replayed = Replayed::start(format!("{TWO_HOSTS}n1\n"), |config| {
        config.host_filter = Hosts::Text("n2".to_owned());
    });
    let samples = replayed.seconds(3);
    assert_eq!(samples.last().unwrap().series.metric.name, "csv_replay_bad_rows");
}

#[test]
fn hosts_can_come_from_the_environment() {
    if std::env::var_os("HOSTNAME_LIST").is_none() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let test = "hosts::hosts_can_come_from_the_environment";
        let again = again.args(["--exact", test]).env("HOSTNAME_LIST", "n8,n2");
        return assert!(again.status().unwrap().success());
    }
    let mut replayed = Replayed::start(TWO_HOSTS, |_| {});
    assert_eq!(values(&replayed.seconds(2)), [2.0, 4.0]);
}

#[test]
fn where_no_row_matches_all_are_sent_once_the_file_is_known() {
    let mut replayed = Replayed::start(TWO_HOSTS, |config| {
        config.host_filter = Hosts::Text("n9".to_owned());
        config.repeat = false;
    });
    assert_eq!(values(&replayed.seconds(5)), [1.0, 2.0, 3.0, 4.0]);
    replayed.end();
}

#[test]
fn where_no_row_matches_nothing_is_sent_if_that_is_wished_until_the_file_has_one() {
    let mut replayed = Replayed::start(TWO_HOSTS, |config| {
        config.host_filter = Hosts::Text("n9".to_owned());
        config.on_no_match = NoMatch::None;
    });
    assert_eq!(replayed.seconds(3), []);
    replayed.root.write("a.csv", format!("{TWO_HOSTS}n9,1,9\n"));
    assert_eq!(values(&replayed.seconds(2)), [9.0], "nothing is made up for");
}

#[test]
fn a_file_without_hosts_is_sent_or_refused() {
    let mut replayed = Replayed::start(WIDE, |config| config.host_filter = Hosts::Text("n1".to_owned()));
    assert_eq!(replayed.seconds(1).len(), 3);
    let message = refused(WIDE, |config| {
        config.host_filter = Hosts::Text("n1".to_owned());
        config.on_no_match = NoMatch::None;
    });
    assert!(message.contains("`host_column`"), "{message}");
}
