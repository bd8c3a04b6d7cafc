//! What is found out about a collector while the plugin is only tried.

use std::sync::Arc;

use alumet_core::plugin::{Host, Plugin, StartContext, Verdict as Finding};
use alumet_core::testkit::ManualClock;
use alumet_plugin_opentelemetry::{OpentelemetryPlugin, Protocol};
use alumet_shared_output_testkit::free_port;

use crate::collector::{Collector, Verdict, config};

#[test]
fn a_trial_says_what_is_wrong_and_sends_no_points() {
    let (grpc, http) = (Collector::start(Protocol::Grpc), Collector::start(Protocol::Http));
    let stranger = |protocol| Collector::judging(protocol, |_, _| Verdict::Stranger);
    let strangers = [stranger(Protocol::Grpc), stranger(Protocol::Http)];
    for (protocol, port, verdict, words) in [
        (Protocol::Grpc, grpc.port, Finding::Works, "200 OK"),
        (Protocol::Http, http.port, Finding::Works, "200 OK"),
        (
            Protocol::Grpc,
            strangers[0].port,
            Finding::Limited,
            "check `token`",
        ),
        (
            Protocol::Http,
            strangers[1].port,
            Finding::Limited,
            "check `token`",
        ),
        (
            Protocol::Grpc,
            http.port,
            Finding::Limited,
            "check that gRPC is spoken there",
        ),
        (Protocol::Http, grpc.port, Finding::Limited, "HTTP"),
        (Protocol::Grpc, free_port(), Finding::Limited, "cannot connect"),
    ] {
        let host = Host::trial(Arc::new(ManualClock::new()), "/");
        let mut context = StartContext::new(&host);
        OpentelemetryPlugin::start(config(protocol, port), &mut context).unwrap();
        let found = &context.findings()[0];
        assert_eq!(found.verdict, verdict, "{found:?}");
        assert!(found.detail.contains(words), "{protocol:?}: {}", found.detail);
    }
    assert!(grpc.points().is_empty() && http.points().is_empty());
}
