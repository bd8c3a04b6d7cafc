//! What controllers show, and what becomes of it.

use std::time::Duration;

use alumet_core::testkit::ManualClock;
use serde_json::json;

use crate::rig::{Controller, Door, Reply, Run, of, text, to, until};

#[test]
fn an_environment_gives_power_and_the_energy_that_was_counted() {
    let show = |joules: f64| {
        Reply::Shows(json!({
            "@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics",
            "PowerWatts": { "DataSourceUri": "/redfish/v1/Chassis/Self/Sensors/p", "Reading": 312.5 },
            "EnergyJoules": { "Reading": joules },
            "TemperatureCelsius": { "Reading": 31 },
        }))
    };
    let controller = Controller::with(
        Door::Open,
        &[
            ("Chassis", of(&["Chassis/Self", "Chassis/Empty"])),
            ("Chassis/Empty", json!({ "Id": "Empty" })),
            (
                "Chassis/Self",
                json!({
                    "Id": "Self",
                    "EnvironmentMetrics": to("Chassis/Self/EnvironmentMetrics"),
                    "Power": to("Chassis/Self/Power"),
                }),
            ),
            // The same once more.
            (
                "Chassis/Self/Power",
                json!({ "PowerControl": [{ "PowerConsumedWatts": 312 }] }),
            ),
        ],
    );
    let environment = "Chassis/Self/EnvironmentMetrics";
    controller.set(environment, show(5000.0));
    let run = Run::start(controller.config());
    run.until("redfish_power {chassis=Self, sensor=PowerWatts} = 312.5");
    run.until("redfish_energy {chassis=Self, sensor=EnergyJoules} = 0");
    run.clock.advance(Duration::from_secs(10));
    controller.set(environment, show(8125.25));
    run.until("redfish_energy {chassis=Self, sensor=EnergyJoules} = 3125.25");
    // The controller was set back: what it counted meanwhile is not known.
    controller.set(environment, show(3.0));
    run.until("redfish_refused_values {reason=reset} = 1");
    assert!(
        run.samples()
            .iter()
            .all(|sample| !text(sample).contains("Control"))
    );
    assert_eq!(controller.most_at_once(), 1);
    run.stop();
}

#[test]
fn the_older_resource_of_power_gives_its_controls() {
    let controller = Controller::with(
        Door::Open,
        &[
            ("Chassis", of(&["Chassis/1/"])),
            (
                "Chassis/1/",
                json!({ "Id": "1", "ChassisType": "RackMount", "Power": to("Chassis/1/Power/") }),
            ),
            (
                "Chassis/1/Power/",
                json!({
                    "@odata.type": "#Power.v1_5_4.Power",
                    "PowerControl": [{
                        "@odata.id": "/redfish/v1/Chassis/1/Power/#/PowerControl/0",
                        "MemberId": "0",
                        "Name": "System Power Control",
                        "PowerCapacityWatts": 1600,
                        "PowerConsumedWatts": 590,
                        "PowerMetrics": { "IntervalInMin": 20, "AverageConsumedWatts": 587 },
                    }],
                    "PowerSupplies": [{ "MemberId": "0", "PowerInputWatts": 301 }],
                }),
            ),
        ],
    );
    let run = Run::start(controller.config());
    run.until("redfish_power {chassis=1, sensor=System Power Control} = 590");
    assert!(run.samples().iter().all(|sample| sample.value.as_f64() != 301.0));
    run.stop();
}

#[test]
fn sensors_of_several_pages_give_power_and_energy_at_the_time_of_the_reading() {
    let sensor =
        |id: &str, kind: &str, reading: f64| json!({ "Id": id, "ReadingType": kind, "Reading": reading });
    let mut first_page = of(&["Chassis/c/Sensors/fan", "Chassis/c/Sensors/kwh"]);
    first_page["Members@odata.nextLink"] = "/redfish/v1/Chassis/c/Sensors?$skip=2".into();
    let controller = Controller::with(
        Door::Open,
        &[
            ("Chassis", of(&["Chassis/c"])),
            ("Chassis/c", json!({ "Sensors": to("Chassis/c/Sensors") })),
            ("Chassis/c/Sensors", first_page),
            (
                "Chassis/c/Sensors?$skip=2",
                of(&["Chassis/c/Sensors/total_power"]),
            ),
            ("Chassis/c/Sensors/fan", sensor("fan", "Rotational", 9000.0)),
            ("Chassis/c/Sensors/kwh", sensor("kwh", "EnergykWh", 12.0)),
        ],
    );
    // A clock that was never set, and a reading that is two seconds old.
    let total = |body: &'static str| {
        let says = Reply::Says("200 OK\r\nDate: Thu, 01 Jan 1970 05:00:02 GMT", body);
        controller.set("Chassis/c/Sensors/total_power", says);
    };
    total(r#"{"Id":"total_power","ReadingType":"Power","Reading":95,"ReadingTime":"1970-01-01T05:00:00Z"}"#);
    let run = Run::start(controller.config());
    run.until("redfish_power {chassis=c, sensor=total_power} = 95");
    // Asked for several times more, and nothing new.
    let asked = controller.server.received().len();
    until("it is asked again", || {
        controller.server.received().len() > asked + 8
    });
    total(r#"{"Id":"total_power","ReadingType":"Power","Reading":95,"ReadingTime":"1970-01-01T05:00:01Z"}"#);
    let powers = || {
        let mut samples = run.samples();
        samples.retain(|sample| sample.series.metric.name == "redfish_power");
        samples
    };
    until("the second reading", || powers().len() > 1);
    let ages: Vec<_> = powers()
        .iter()
        .map(|sample| {
            ManualClock::START
                .checked_since(sample.timestamp)
                .unwrap()
                .as_secs()
        })
        .collect();
    assert_eq!(ages, [2, 1]);

    run.clock.advance(Duration::from_secs(10));
    controller.set(
        "Chassis/c/Sensors/kwh",
        Reply::Shows(sensor("kwh", "EnergykWh", 12.001)),
    );
    run.until("redfish_energy {chassis=c, sensor=kwh} = 3600");
    run.stop();
}

#[test]
fn chassis_are_chosen_by_their_id() {
    let chassis = |id: &str| json!({ "Id": id, "Power": to(&format!("Chassis/{id}/Power")) });
    let power = |watts: u32| json!({ "PowerControl": [{ "Name": "all", "PowerConsumedWatts": watts }] });
    let controller = Controller::with(
        Door::Open,
        &[
            ("Chassis", of(&["Chassis/node1", "Chassis/rack"])),
            ("Chassis/node1", chassis("node1")),
            ("Chassis/node1/Power", power(200)),
            ("Chassis/rack", chassis("rack")),
            ("Chassis/rack/Power", power(9000)),
        ],
    );
    let mut config = controller.config();
    config.chassis = vec!["node*".to_owned()];
    let run = Run::start(config);
    run.until("redfish_power {chassis=node1, sensor=all} = 200");
    let lines = controller.server.received();
    assert!(lines.iter().all(|request| !request.line.contains("rack/Power")));
    run.stop();
}
