//! What a controller does that is slow, away, broken or changed.

use std::time::Duration;

use alumet_core::plugin::{Finding, Verdict};
use alumet_core::testkit;
use alumet_plugin_redfish::{Config, RedfishPlugin};
use serde_json::{Value as Json, json};

use crate::rig::{Controller, Door, Reply, Run, of, to, until};

fn power(watts: &Json) -> Json {
    json!({ "PowerControl": [{ "Name": "all", "PowerConsumedWatts": watts }] })
}

/// Two chassis, each with a power.
fn two() -> Controller {
    let chassis = |id: &str| json!({ "Id": id, "Power": to(&format!("Chassis/{id}/Power")) });
    Controller::with(
        Door::Open,
        &[
            ("Chassis", of(&["Chassis/a", "Chassis/b"])),
            ("Chassis/a", chassis("a")),
            ("Chassis/a/Power", power(&json!(1))),
            ("Chassis/b", chassis("b")),
            ("Chassis/b/Power", power(&json!(2))),
        ],
    )
}

#[test]
fn what_is_broken_or_hangs_keeps_nothing_else_from_being_measured() {
    let controller = two();
    let mut config = controller.config();
    config.http.timeout = "200ms".parse().unwrap();
    let run = Run::start(config);
    run.until("redfish_power {chassis=b, sensor=all} = 2");
    for (number, trouble) in [
        Reply::Says("500 Internal Server Error", "busy"),
        Reply::Says("200 OK", "{\"PowerControl\":"),
        Reply::Says("200 OK", "[[[["),
        Reply::Shows(power(&json!(-5))),
        Reply::Shows(power(&json!("9"))),
        Reply::Shows(power(&Json::Null)),
        Reply::Hangs,
    ]
    .into_iter()
    .enumerate()
    {
        controller.set("Chassis/a/Power", trouble);
        let watts = 100 + number;
        controller.set("Chassis/b/Power", Reply::Shows(power(&json!(watts))));
        run.until(&format!("redfish_power {{chassis=b, sensor=all}} = {watts}"));
    }
    run.until("redfish_refused_values {reason=unreadable} = 1");
    run.until("redfish_refused_values {reason=excess} = 1");
    controller.set("Chassis/a/Power", Reply::Shows(power(&json!(9))));
    run.until("redfish_power {chassis=a, sensor=all} = 9");
    run.stop();
}

#[test]
fn a_controller_that_hangs_is_asked_once_at_a_time_and_keeps_nothing_from_ending() {
    let controller = two();
    let run = Run::start(controller.config());
    run.until("redfish_power {chassis=a, sensor=all} = 1");
    controller.set("Chassis/a/Power", Reply::Hangs);
    controller.set("Chassis/b/Power", Reply::Hangs);
    until("it hangs", || controller.hanging() == 1);
    run.stop();
    assert_eq!((controller.hanging(), controller.most_at_once()), (1, 1));
}

#[test]
fn what_has_vanished_is_looked_for_again_and_the_rest_goes_on() {
    let controller = two();
    let run = Run::start(controller.config());
    run.until("redfish_power {chassis=a, sensor=all} = 1");
    let listed = || {
        let requests = controller.server.received();
        requests
            .iter()
            .filter(|request| request.line.contains("/v1/Chassis "))
            .count()
    };
    assert_eq!(listed(), 1);
    controller.set("Chassis/a/Power", Reply::Says("404 Not Found", ""));
    controller.set(
        "Chassis/a",
        Reply::Shows(json!({ "Id": "a", "Power": to("Chassis/a/New") })),
    );
    controller.set("Chassis/a/New", Reply::Shows(power(&json!(3))));
    let asked = controller.server.received().len();
    until("it is asked in vain", || {
        controller.server.received().len() > asked + 6
    });
    assert_eq!(listed(), 1);
    run.clock.advance(Duration::from_secs(60));
    run.until("redfish_power {chassis=a, sensor=all} = 3");
    assert_eq!(listed(), 2);
    run.stop();
}

fn findings(config: Config) -> Vec<Finding> {
    testkit::findings::<RedfishPlugin>(config, "/")
}

#[test]
fn a_trial_names_what_there_is_or_why_there_is_nothing() {
    assert_eq!(findings(Config::default())[0].verdict, Verdict::Absent);

    let controller = two();
    let found = findings(controller.config());
    assert_eq!(found[1].verdict, Verdict::Works);
    assert_eq!(found[1].detail, "all of a, all of b");

    let mut others = controller.config();
    others.chassis = vec!["c".to_owned()];
    assert!(findings(others)[1].detail.ends_with("there are a, b as well"));

    controller.set("", Reply::Says("200 OK", "<html>"));
    let found = findings(controller.config());
    assert_eq!(found[1].verdict, Verdict::Limited);
    assert!(found[1].detail.contains("not the root of Redfish"), "{found:?}");
}
