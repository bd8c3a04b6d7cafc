//! What the elements do.

use std::net::UdpSocket;

use alumet_core::testkit::{Bench, FakeRoot, assert_lines};
use outside_plugin::{Config, LoadWatchPlugin};

#[test]
fn a_high_load_is_measured_kept_and_sent_and_a_low_one_is_not() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = Config {
        threshold: 1.0,
        address: receiver.local_addr().unwrap(),
        ..Config::default()
    };
    let root = FakeRoot::new();
    root.write("proc/loadavg", "0.50 0.40 0.30 1/234 5678\n");
    let mut bench = Bench::start::<LoadWatchPlugin>(config, root.path()).unwrap();

    let mut low = bench.poll_batch("load").unwrap();
    bench.transform(&mut low).unwrap();
    assert!(low.is_empty());

    root.write("proc/loadavg", "1.50 0.40 0.30 1/234 5678\n");
    assert_lines(
        bench.poll("load").unwrap(),
        ["load_1m local_machine local_machine {} = 1.5"],
    );
    let mut high = bench.poll_batch("load").unwrap();
    bench.transform(&mut high).unwrap();
    bench.deliver(0, high).unwrap();
    let mut datagram = [0; 64];
    let length = receiver.recv(&mut datagram).unwrap();
    assert_eq!(&datagram[..length], b"load_1m:1.5|g");
}

#[test]
fn content_that_is_no_number_is_passed_over() {
    let root = FakeRoot::new();
    root.write("proc/loadavg", "high\n");
    let mut bench = Bench::start::<LoadWatchPlugin>(Config::default(), root.path()).unwrap();
    assert!(bench.poll("load").is_err());
}
