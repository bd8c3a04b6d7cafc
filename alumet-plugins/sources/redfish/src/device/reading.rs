//! What resources show of power and energy.
//!
//! Shapes: the DMTF schemas `EnvironmentMetrics` 1.3, `Power` 1.7 and `Sensor` 1.9 (DSP8010).

use std::time::Duration;

use serde_json::Value as Json;

/// A number of a resource that is measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// What the resource calls it.
    pub(crate) sensor: String,
    /// Where it is in the resource (RFC 6901).
    pub(crate) pointer: String,
    pub(crate) quantity: Quantity,
}

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Quantity {
    /// Watts.
    Power,
    /// A counter of energy; so many joules for 1.
    Energy(f64),
}

/// What a resource shows now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shown {
    /// This.
    Number(f64),
    /// That it is not known now.
    Unknown,
    /// Something else than a number.
    Nonsense,
    /// Nothing, for the resource has changed.
    Nothing,
}

/// Joules of a kilowatt hour.
const KWH: f64 = 3.6e6;

/// An older reading is not believed to be one: its clock was never set.
const OLDEST: Duration = Duration::from_secs(600);

/// What the environment of a chassis shows as a whole.
pub(crate) fn of_environment(resource: &Json) -> Vec<Reading> {
    let reading = |(property, quantity): (&str, Quantity)| {
        let pointer = format!("/{property}/Reading");
        resource.pointer(&pointer)?.as_f64()?;
        Some(Reading {
            sensor: property.to_owned(),
            pointer,
            quantity,
        })
    };
    let power = reading(("PowerWatts", Quantity::Power));
    // Both count the same.
    let energies = [
        ("EnergyJoules", Quantity::Energy(1.0)),
        ("EnergykWh", Quantity::Energy(KWH)),
    ];
    power
        .into_iter()
        .chain(energies.into_iter().find_map(reading))
        .collect()
}

/// What the older resource of power shows: its controls, else what its supplies draw.
pub(crate) fn of_power(resource: &Json) -> Vec<Reading> {
    let readings = |list: &str, property: &str| {
        let members = resource.get(list).and_then(Json::as_array);
        let mut readings: Vec<Reading> = Vec::new();
        for (position, member) in members.into_iter().flatten().enumerate() {
            if member.get(property).is_none_or(|value| !value.is_number()) {
                continue;
            }
            let place = format!("{list}/{position}");
            let name = ["Name", "MemberId"].iter();
            let name = name.filter_map(|key| member.get(key)?.as_str());
            let name = name.map(str::trim).find(|name| !name.is_empty());
            let sensor = match name {
                Some(name) if readings.iter().all(|other| other.sensor != name) => name.to_owned(),
                _ => place.clone(),
            };
            readings.push(Reading {
                sensor,
                pointer: format!("/{place}/{property}"),
                quantity: Quantity::Power,
            });
        }
        readings
    };
    let controls = readings("PowerControl", "PowerConsumedWatts");
    match controls.is_empty() {
        true => readings("PowerSupplies", "PowerInputWatts"),
        false => controls,
    }
}

/// What a sensor shows, if that is power or energy.
pub(crate) fn of_sensor(resource: &Json) -> Option<Reading> {
    resource.get("Reading")?.as_f64()?;
    let text = |key: &str| resource.get(key)?.as_str();
    let quantity = match text("ReadingType")? {
        "Power" => Quantity::Power,
        "EnergyJoules" => Quantity::Energy(1.0),
        "EnergyWh" => Quantity::Energy(KWH / 1000.0),
        "EnergykWh" => Quantity::Energy(KWH),
        _ => return None,
    };
    Some(Reading {
        sensor: text("Id").or(text("Name"))?.to_owned(),
        pointer: "/Reading".to_owned(),
        quantity,
    })
}

/// What is at the place of a reading.
pub(crate) fn shown(resource: &Json, reading: &Reading) -> Shown {
    match resource.pointer(&reading.pointer) {
        None => Shown::Nothing,
        Some(Json::Null) => Shown::Unknown,
        Some(value) => value.as_f64().map_or(Shown::Nonsense, Shown::Number),
    }
}

/// How old a reading was when it was shown, if it says when it was taken; both on the clock of the controller, whatever that
/// shows.
pub(crate) fn age(resource: &Json, date: Option<i64>) -> Option<Duration> {
    let taken: jiff::Timestamp = resource.get("ReadingTime")?.as_str()?.parse().ok()?;
    let shown = jiff::Timestamp::from_second(date?).ok()?;
    let age = Duration::try_from(shown.duration_since(taken)).ok()?;
    (age <= OLDEST).then_some(age)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn named(readings: &[Reading]) -> Vec<(&str, &str, Quantity)> {
        let named = |reading: &'static Reading| {
            (
                reading.sensor.as_str(),
                reading.pointer.as_str(),
                reading.quantity,
            )
        };
        readings.to_vec().leak().iter().map(named).collect()
    }

    #[test]
    fn an_environment_shows_power_and_one_counter_of_energy() {
        let both = json!({
            "PowerWatts": { "Reading": 312.5 },
            "EnergykWh": { "Reading": 7.25 },
            "EnergyJoules": { "Reading": 26_100_000 },
        });
        assert_eq!(
            named(&of_environment(&both)),
            [
                ("PowerWatts", "/PowerWatts/Reading", Quantity::Power),
                ("EnergyJoules", "/EnergyJoules/Reading", Quantity::Energy(1.0)),
            ]
        );
        let coarse = json!({ "PowerWatts": { "Reading": null }, "EnergykWh": { "Reading": 7.25 } });
        assert_eq!(
            named(&of_environment(&coarse)),
            [("EnergykWh", "/EnergykWh/Reading", Quantity::Energy(3.6e6))]
        );
    }

    #[test]
    fn supplies_count_only_where_no_control_does_and_each_name_is_there_once() {
        let mut power = json!({
            "PowerControl": [
                { "MemberId": "0", "Name": "Chassis", "PowerConsumedWatts": 590 },
                { "MemberId": "1", "PowerConsumedWatts": null },
                { "MemberId": "2", "Name": "Chassis", "PowerConsumedWatts": 80 },
            ],
            "PowerSupplies": [
                { "Name": "", "MemberId": "PSU0", "PowerInputWatts": 300.0 },
                { "MemberId": "PSU1", "PowerInputWatts": "300" },
            ],
        });
        assert_eq!(
            named(&of_power(&power)),
            [
                ("Chassis", "/PowerControl/0/PowerConsumedWatts", Quantity::Power),
                (
                    "PowerControl/2",
                    "/PowerControl/2/PowerConsumedWatts",
                    Quantity::Power
                ),
            ]
        );
        power["PowerControl"] = json!([]);
        assert_eq!(
            named(&of_power(&power)),
            [("PSU0", "/PowerSupplies/0/PowerInputWatts", Quantity::Power)]
        );
    }

    #[test]
    fn a_sensor_is_measured_if_it_shows_power_or_energy() {
        for (kind, quantity) in [
            ("Power", Some(Quantity::Power)),
            ("EnergyJoules", Some(Quantity::Energy(1.0))),
            ("EnergyWh", Some(Quantity::Energy(3600.0))),
            ("EnergykWh", Some(Quantity::Energy(3.6e6))),
            ("Temperature", None),
        ] {
            let sensor = json!({ "Id": "total", "ReadingType": kind, "Reading": 1 });
            assert_eq!(of_sensor(&sensor).map(|reading| reading.quantity), quantity);
        }
    }

    #[test]
    fn an_age_is_taken_on_the_clock_of_the_controller_alone() {
        let at = |time: &str| json!({ "ReadingTime": time });
        let date = Some(1_000_000_000);
        for (time, seconds) in [
            ("2001-09-09T01:46:38Z", Some(2)),
            ("2001-09-09T03:46:38.000+02:00", Some(2)),
            ("2001-09-09T01:46:42Z", None),
            ("1970-01-01T00:00:00Z", None),
            ("soon", None),
        ] {
            assert_eq!(age(&at(time), date), seconds.map(Duration::from_secs), "{time}");
        }
        assert_eq!(age(&at("2001-09-09T01:46:38Z"), None), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(
            bytes: Vec<u8>,
            text in r#"\{"(PowerWatts|PowerControl|Reading|ReadingTime)":(\[|\{"Reading":)?(null|-?1e9|"x")(\}|\])?\}"#,
        ) {
            for bytes in [&bytes[..], text.as_bytes()] {
                let Ok(json) = serde_json::from_slice(bytes) else { continue };
                let readings = of_environment(&json).into_iter().chain(of_power(&json)).chain(of_sensor(&json));
                for reading in readings {
                    prop_assert!(matches!(shown(&json, &reading), Shown::Number(_)));
                }
                let _ = age(&json, Some(0));
            }
        }
    }
}
