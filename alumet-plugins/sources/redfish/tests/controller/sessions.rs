//! Who is let in, and how.

use serde_json::{Value as Json, json};

use crate::rig::{Controller, Door, Reply, Run, SESSIONS, of, to, until};

fn resources() -> [(&'static str, Json); 3] {
    [
        ("Chassis", of(&["Chassis/1"])),
        ("Chassis/1", json!({ "Id": "1", "Power": to("Chassis/1/Power") })),
        (
            "Chassis/1/Power",
            json!({ "PowerControl": [{ "Name": "all", "PowerConsumedWatts": 77 }] }),
        ),
    ]
}

const POWER: &str = "redfish_power {chassis=1, sensor=all} = 77";

#[test]
fn a_session_is_begun_once_renewed_when_it_has_ended_and_ended_with_the_program() {
    let controller = Controller::with(Door::Sessions, &resources());
    let run = Run::start(controller.config());
    run.until(POWER);
    let before = run.samples().len();
    until("more samples", || run.samples().len() > before + 3);
    assert_eq!(controller.sessions_begun(), 1);
    controller.expire();
    until("a new session", || controller.sessions_begun() == 2);
    let before = run.samples().len();
    until("more samples", || run.samples().len() > before);
    assert!(controller.has_session());
    run.stop();
    assert!(!controller.has_session(), "the session was left open");
    let requests = controller.server.received();
    let said = |text: &str| {
        let mut requests = requests.clone();
        requests.retain(|request| {
            String::from_utf8_lossy(&request.body).contains(text) || request.headers.contains(text)
        });
        requests
    };
    let begin = format!("POST {SESSIONS} ");
    let with_password = said("hunter2");
    assert!(
        with_password
            .iter()
            .all(|request| request.line.starts_with(&begin))
    );
    assert_eq!(with_password.len(), 2);
    assert!(said("uthorization").is_empty());
}

#[test]
fn a_resource_that_is_refused_leaves_no_sessions_behind() {
    let controller = Controller::with(Door::Sessions, &resources());
    controller.set("Chassis", Reply::Shows(of(&["Chassis/secret", "Chassis/1"])));
    controller.set("Chassis/secret", Reply::Says("401 Unauthorized", ""));
    let run = Run::start(controller.config());
    run.until(POWER);
    controller.set("Chassis/1/Power", Reply::Says("401 Unauthorized", ""));
    until("it has begun anew", || controller.sessions_begun() > 4);
    controller.set("Chassis/1/Power", Reply::Shows(resources()[2].1.clone()));
    let before = run.samples().len();
    until("more samples", || run.samples().len() > before);
    assert_eq!(controller.sessions_left(), 1);
    run.stop();
    assert_eq!(controller.sessions_left(), 0);
}

#[test]
fn a_controller_without_sessions_gets_the_password_in_each_request() {
    let controller = Controller::with(Door::Basic, &resources());
    let run = Run::start(controller.config());
    run.until(POWER);
    run.stop();
    assert_eq!(controller.sessions_begun(), 0);
}

#[test]
fn whoever_is_not_let_in_is_told_which_keys_to_check() {
    let controller = Controller::with(Door::Sessions, &resources());
    let mut config = controller.config();
    config.http.password = Some(alumet_shared_trust::Secret("wrong".to_owned()));
    let run = Run::start(config);
    run.until_it_says("no session begins at");
    run.until_it_says("password_file");
    run.stop();

    let controller = Controller::with(Door::Basic, &resources());
    let mut config = controller.config();
    config.http.user = Some("nobody".to_owned());
    let run = Run::start(config);
    run.until_it_says("answers 401 Unauthorized: ; check `user` and `password_file`");
    run.stop();
}
