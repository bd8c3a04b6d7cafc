//! `${VARIABLE}` in values.

use alumet_agent::config::{Document, KeyPath, Loader, Origin};

use crate::sample::{Sensor, nothing, plain, read, sensor};

fn load(text: &str) -> Document {
    let variables = [
        ("HOST", "node1"),
        ("EMPTY", ""),
        ("PORT", "8086"),
        ("YES", "true"),
        ("HALF", "0.5"),
        ("NESTED", "${HOST}"),
    ];
    let environment = move |wanted: &str| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.into())
    };
    Loader::new(&environment)
        .text("alumet.toml", text)
        .load()
        .unwrap()
}

fn value(text: &str) -> String {
    plain(&load(&format!("a = {text}")))["a"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn variables_and_their_defaults_are_replaced() {
    assert_eq!(
        value("\"http://${HOST}:${PORT}/${HOST}\""),
        "http://node1:8086/node1"
    );
    assert_eq!(value("\"${ABSENT:-a b}\""), "a b");
    assert_eq!(value("\"${EMPTY:-default}\""), "default");
    assert_eq!(value("\"[${EMPTY}]\""), "[]");
    assert_eq!(value("\"${HOST:-default}\""), "node1");
    assert_eq!(value("\"${ABSENT:-}\""), "");
    assert_eq!(value("\"x${ABSENT:-b c}${PORT}y\""), "xb c8086y");
}

#[test]
fn an_escaped_variable_is_literal() {
    assert_eq!(value("\"$${HOST}\""), "${HOST}");
    assert_eq!(value("'\\${HOST}'"), "${HOST}");
    assert_eq!(value("'a$${B}${HOST}'"), "a${B}node1");
    assert_eq!(value("\"costs 5$ or $HOST $$ {}\""), "costs 5$ or $HOST $$ {}");
}

#[test]
fn what_is_no_variable_is_refused() {
    for (text, why) in [
        ("${A", "`${` has no closing `}`"),
        ("${}", "`` is no name of a variable"),
        ("${1A}", "`1A` is no name of a variable"),
        ("${a b}", "`a b` is no name of a variable"),
        ("${:-x}", "`` is no name of a variable"),
        ("x${HOME}${A-x}", "`A-x` is no name of a variable"),
    ] {
        let environment = |name: &str| (name == "HOME").then(|| "/root".into());
        let text = format!("a = '{text}'");
        let problems = Loader::new(&environment)
            .text("alumet.toml", text)
            .load()
            .unwrap_err();
        let message = problems.to_string();
        assert!(
            message.contains(&format!("bad substitution at `a`: {why}\n")),
            "{message}"
        );
    }
}

#[test]
fn what_a_variable_brings_in_is_not_replaced_again() {
    assert_eq!(value("\"${NESTED}\""), "${HOST}");
}

#[test]
fn keys_and_comments_are_left_alone() {
    let document = load("# ${ABSENT}\n\"${ABSENT}\" = 1 # ${ABSENT\n");
    assert_eq!(plain(&document).keys().collect::<Vec<_>>(), ["${ABSENT}"]);
}

#[test]
fn a_value_from_a_flag_is_left_alone() {
    let path = KeyPath::dotted("plugins.csv.output_path");
    let document = Loader::new(&nothing)
        .set(&path, "a${b}", Origin::Flag("--output-file".to_owned()))
        .load()
        .unwrap();
    assert_eq!(
        plain(&document)["plugins"]["csv"]["output_path"].as_str(),
        Some("a${b}")
    );
}

#[test]
fn a_variable_that_another_source_overrides_may_be_missing() {
    let document = Loader::new(&nothing)
        .text("alumet.toml", "a = \"${ABSENT}\"")
        .override_with("a = 'x'")
        .load();
    assert_eq!(plain(&document.unwrap())["a"].as_str(), Some("x"));
}

#[test]
fn a_whole_variable_can_be_a_number_or_a_boolean() {
    let text = "[plugins.sensor]\nport = \"${PORT}\"\nskip_failed = \"${YES}\"\nfactor = \"${HALF}\"\n\
                output_path = \"${PORT}\"\n";
    let document = load(text);
    let read: Sensor = read(&document, &sensor()).unwrap();
    assert_eq!((read.port, read.skip_failed, read.factor), (8086, true, 0.5));
    assert_eq!(read.output_path, "8086");
}

#[test]
fn a_plain_string_and_a_part_of_one_are_no_number() {
    for text in [
        "port = \"8086\"",
        "port = \"80${EMPTY}86\"",
        "port = \"${EMPTY}${PORT}\"",
    ] {
        let document = load(&format!("[plugins.sensor]\n{text}\n"));
        assert!(read::<Sensor>(&document, &sensor()).is_err(), "{text}");
    }
}

#[test]
fn an_escape_from_before_parsing_gets_its_own_remedy() {
    let message = crate::sample::message("a = \"\\${HOST}\"\n");
    assert!(
        message.ends_with("= help: for a literal `${` write `$${`"),
        "{message}"
    );
}

#[test]
fn a_value_that_a_secret_variable_gave_is_not_repeated_when_it_is_refused() {
    let environment = |name: &str| (name == "MY_TOKEN").then(|| "hunter2".into());
    let text = "[plugins.sensor]\npoll_interval = \"${MY_TOKEN}\"\nmode = \"${MY_TOKEN}\"\n";
    let document = Loader::new(&environment)
        .text("alumet.toml", text)
        .load()
        .unwrap();
    let message = read::<Sensor>(&document, &sensor()).unwrap_err().to_string();
    assert_eq!(message.matches("it is refused").count(), 2, "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}
