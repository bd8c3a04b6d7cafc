use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::{DropReason, Pipeline};
use alumet_plugin_opentelemetry::{Config, OpentelemetryPlugin, Protocol};
use alumet_shared_http_delivery::Compression;
use alumet_shared_output_testkit::{
    Destination, Mood, Network, account, break_in_every_way, delivered, finish, lose_and_double_nothing, run,
    until,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tonic::transport::{Identity, ServerTlsConfig};

use crate::collector::{Collector, Verdict, config, numbers};

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

fn impatient(protocol: Protocol, port: u16) -> Config {
    let mut config = config(protocol, port);
    config.http.timeout = HumanDuration::from_secs(1);
    config
}

/// Ends it, and all was delivered, but for so much.
fn end(pipeline: Pipeline, rejected: u64) -> u64 {
    let ledger = finish(&pipeline);
    let account = account(&ledger);
    let dropped = account.dropped.get(&DropReason::Rejected).copied();
    assert_eq!(
        (dropped.unwrap_or(0), account.dropped_total()),
        (rejected, rejected)
    );
    assert_eq!(account.delivered + rejected, ledger.produced);
    ledger.produced
}

/// What was taken at least once.
fn distinct(collector: &Collector) -> Vec<u64> {
    let mut numbers = collector.numbers();
    numbers.dedup();
    numbers
}

fn whatever_breaks(protocol: Protocol) {
    let collector = Collector::start(protocol);
    let network = Network::to(collector.port);
    let folder = tempfile::tempdir().unwrap();
    network.set(Mood::Away);
    let pipeline = run::<OpentelemetryPlugin>(folder.path(), impatient(protocol, network.port()), 0);
    break_in_every_way(&network, &pipeline);
    // It moves to another address.
    let other = Collector::start(protocol);
    let connections = network.connections();
    network.set(Mood::Away);
    until("it is gone", || network.connections() > connections);
    network.lead_to(other.port);
    network.set(Mood::Fine);
    until("it is found there", || other.asked() > 0);
    let produced = end(pipeline, 0);
    let mut numbers = [distinct(&collector), distinct(&other)].concat();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..produced).collect::<Vec<_>>());
}

#[test]
fn whatever_breaks_on_the_way_all_numbers_are_there_in_the_end_over_grpc() {
    whatever_breaks(Protocol::Grpc);
}

#[test]
fn whatever_breaks_on_the_way_all_numbers_are_there_in_the_end_over_http() {
    whatever_breaks(Protocol::Http);
}

#[test]
fn a_point_that_is_refused_takes_no_other_with_it() {
    for protocol in BOTH {
        let collector = Collector::judging(protocol, |request, _| match numbers(request).contains(&7) {
            true => Verdict::Refused,
            false => Verdict::Taken,
        });
        let folder = tempfile::tempdir().unwrap();
        let pipeline = run::<OpentelemetryPlugin>(folder.path(), config(protocol, collector.port), 0);
        until("some are there", || delivered(&pipeline) > 50);
        let produced = end(pipeline, 1);
        let expected: Vec<_> = (0..produced).filter(|number| *number != 7).collect();
        assert_eq!(collector.numbers(), expected);
    }
}

#[test]
fn points_that_a_collector_leaves_out_are_counted_as_rejected_and_nothing_comes_twice() {
    for protocol in BOTH {
        let is_first = AtomicBool::new(true);
        let collector = Collector::judging(protocol, move |_, _| {
            match is_first.swap(false, Ordering::Relaxed) {
                true => Verdict::Partly(3),
                false => Verdict::Partly(0),
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let pipeline = run::<OpentelemetryPlugin>(folder.path(), config(protocol, collector.port), 0);
        until("some are there", || delivered(&pipeline) > 50);
        let produced = end(pipeline, 3);
        assert_eq!(collector.numbers(), (0..produced).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_too_large_for_the_collector_comes_in_parts() {
    let collector = Collector::grpc(|_, _| Verdict::Taken, 3000, None);
    let folder = tempfile::tempdir().unwrap();
    let config = config(Protocol::Grpc, collector.port);
    let pipeline = run::<OpentelemetryPlugin>(folder.path(), config, 0);
    until("some are there", || delivered(&pipeline) > 300);
    let produced = end(pipeline, 0);
    assert_eq!(collector.numbers(), (0..produced).collect::<Vec<_>>());
}

#[test]
fn with_wrong_credentials_nothing_is_lost_until_they_are_right() {
    for protocol in BOTH {
        let collector = Collector::judging(protocol, |_, authorization| match authorization {
            "Bearer right" => Verdict::Taken,
            _ => Verdict::Stranger,
        });
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, "wrong").unwrap();
        let mut config = config(protocol, collector.port);
        config.http.token_file = Some(token.clone());
        let pipeline = run::<OpentelemetryPlugin>(folder.path(), config, 0);
        until("it has tried", || collector.asked() > 1);
        fs::write(&token, "right").unwrap();
        until("some are there", || delivered(&pipeline) > 50);
        let produced = end(pipeline, 0);
        assert_eq!(collector.numbers(), (0..produced).collect::<Vec<_>>());
    }
}

#[test]
fn calls_are_encrypted_and_compressed() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, cert.pem()).unwrap();
    let identity = Identity::from_pem(cert.pem(), signing_key.serialize_pem());
    let tls = ServerTlsConfig::new().identity(identity);
    let collector = Collector::grpc(|_, _| Verdict::Taken, usize::MAX, Some(tls));
    let mut next = 0;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut config = config(Protocol::Grpc, collector.port);
        config.collector_host = format!("https://localhost:{}", collector.port);
        config.http.compression = compression;
        config.http.tls.ca = Some(ca.clone());
        let pipeline = run::<OpentelemetryPlugin>(folder.path(), config, next);
        until("some are there", || delivered(&pipeline) > 50);
        next += end(pipeline, 0);
    }
    assert_eq!(collector.numbers(), (0..next).collect::<Vec<_>>());
}

impl Destination for Collector {
    fn requests(&self) -> usize {
        self.asked()
    }

    fn numbers(&self) -> Vec<u64> {
        // OTLP cannot say what comes again.
        distinct(self)
    }
}

#[test]
fn killed_fifty_times_it_loses_nothing() {
    lose_and_double_nothing(
        "faults::killed_fifty_times_it_loses_nothing",
        |folder, port, first| run::<OpentelemetryPlugin>(folder, config(Protocol::Grpc, port), first),
        || {
            let collector = Collector::start(Protocol::Grpc);
            let port = collector.port;
            (collector, port)
        },
    );
}
