//! Tables to Rust types.

use std::collections::BTreeMap;

use alumet_agent::config::KeyPath;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::sample::{Group, Mode, Sensor, load, plain, read, sensor};

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Auth {
    None,
    Token(String),
    Basic { user: String },
    Keys(u8, u8),
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Common {
    size: u8,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Flattened {
    name: String,
    #[serde(flatten)]
    common: Common,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    File { path: String },
    Server { port: u16 },
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Strict {
    host: String,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Wide {
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(default)]
    flattened: Option<Flattened>,
    #[serde(default)]
    tagged: Option<Tagged>,
    #[serde(default)]
    strict: Option<Strict>,
    #[serde(default)]
    labels: BTreeMap<String, u8>,
    #[serde(default)]
    free: Option<BTreeMap<String, serde_json::Value>>,
}

fn wide(text: &str) -> Result<Wide, String> {
    read(&load(text).unwrap(), &KeyPath::root()).map_err(|problems| problems.to_string())
}

/// The first line of the message.
fn complaint(text: &str) -> String {
    let message = wide(text).unwrap_err();
    let place = message.lines().nth(1).unwrap_or("").trim().to_owned();
    format!("{} {place}", message.lines().next().unwrap_or(""))
}

#[test]
fn an_empty_section_is_the_default() {
    let document = load("[plugins.sensor]\n").unwrap();
    assert_eq!(read::<Sensor>(&document, &sensor()).unwrap(), Sensor::default());
}

#[test]
fn every_kind_of_value_is_read() {
    let document = load(
        "[plugins.sensor]\npoll_interval = \"1s 500ms\"\nport = 80\nfactor = 2\nskip_failed = false\n\
         client_name = \"n\"\nmode = \"minimal\"\nmetrics = []\nretry.max_times = 3\n\
         [[plugins.sensor.groups]]\nexe_regex = \"x\"\nlabels = { a = \"b\" }\n",
    )
    .unwrap();
    let read: Sensor = read(&document, &sensor()).unwrap();
    assert_eq!(read.poll_interval.as_millis(), 1500);
    assert_eq!((read.port, read.factor, read.skip_failed), (80, 2.0, false));
    assert_eq!(
        (read.client_name.as_deref(), read.mode, read.retry.max_times),
        (Some("n"), Mode::Minimal, 3)
    );
    let labels = [("a".to_owned(), "b".to_owned())].into();
    assert_eq!(
        read.groups,
        [Group {
            exe_regex: "x".to_owned(),
            labels
        }]
    );
    assert!(read.metrics.is_empty());
}

#[test]
fn every_kind_of_enum_is_read() {
    let auth = |text: &str| wide(text).unwrap().auth.unwrap();
    assert_eq!(auth("auth = 'none'"), Auth::None);
    assert_eq!(auth("auth.token = 'x'"), Auth::Token("x".to_owned()));
    assert_eq!(
        auth("auth.basic.user = 'me'"),
        Auth::Basic {
            user: "me".to_owned()
        }
    );
    assert_eq!(auth("auth.keys = [1, 2]"), Auth::Keys(1, 2));
}

#[test]
fn an_enum_of_the_wrong_form_is_refused_at_its_place() {
    assert_eq!(
        complaint("auth = 3"),
        "error: wrong type at `auth`: expected a table or a string, found an integer --> alumet.toml:1:8"
    );
    assert_eq!(
        complaint("auth = { none = {}, token = 'x' }"),
        "error: unknown key `auth.none` --> alumet.toml:1:10"
    );
    let message = wide("auth.basic.users = 'me'").unwrap_err();
    assert!(
        message.contains("error: unknown key `auth.basic.users`\n --> alumet.toml:1:12"),
        "{message}"
    );
    // That `user` is missing follows from it.
    assert!(!message.contains("is missing"), "{message}");
    assert_eq!(
        complaint("auth.bsic = 'me'"),
        "error: unknown key `auth.bsic` --> alumet.toml:1:6"
    );
    assert_eq!(
        complaint("auth.none = 1"),
        "error: unknown key `auth.none` --> alumet.toml:1:6"
    );
}

#[test]
fn unknown_keys_are_found_where_serde_reads_a_struct_through_a_map() {
    let flattened = wide("flattened = { name = 'x', size = 1 }")
        .unwrap()
        .flattened
        .unwrap();
    assert_eq!(
        flattened,
        Flattened {
            name: "x".to_owned(),
            common: Common { size: 1 }
        }
    );
    assert_eq!(
        complaint("flattened = { name = 'x', size = 1, sise = 2 }"),
        "error: unknown key `flattened.sise` --> alumet.toml:1:37"
    );
    assert!(wide("tagged = { kind = 'file', path = 'x' }").is_ok());
    assert_eq!(
        complaint("tagged = { kind = 'file', path = 'x', paht = 'y' }"),
        "error: unknown key `tagged.paht` --> alumet.toml:1:39"
    );
}

#[test]
fn only_the_variant_that_a_table_is_counts() {
    assert_eq!(
        complaint("tagged = { kind = 'file', port = 1, path = 'x' }"),
        "error: unknown key `tagged.port` --> alumet.toml:1:27"
    );
    assert_eq!(
        complaint("tagged = { kind = 'server' }"),
        "error: the key `tagged.port` is missing --> alumet.toml:1:1"
    );
    assert_eq!(
        complaint("tagged = { kind = 'sever', port = 1 }"),
        "error: unknown value `sever` at `tagged.kind` --> alumet.toml:1:19"
    );
}

#[test]
fn tables_with_free_keys_take_any_key() {
    let read =
        wide("labels = { a = 1, \"b c\" = 2 }\nfree = { x = [1, { y = 2 }], d = 1979-05-27 }\n").unwrap();
    assert_eq!(read.labels.len(), 2);
    assert_eq!(read.free.unwrap().len(), 2);
    assert_eq!(
        complaint("labels = { \"b c\" = 'x' }"),
        "error: wrong type at `labels.\"b c\"`: expected a non-negative integer, found a string --> alumet.toml:1:20"
    );
}

#[test]
fn a_list_is_no_table() {
    assert_eq!(
        complaint("flattened = { name = 'x', size = 1 }\nstrict = ['x']"),
        "error: wrong type at `strict`: expected a table, found a list --> alumet.toml:2:10"
    );
}

#[test]
fn a_date_is_text() {
    let strict = wide("strict.host = 1979-05-27").unwrap().strict.unwrap();
    assert_eq!(strict.host, "1979-05-27");
    assert_eq!(
        complaint("flattened = 1979-05-27"),
        "error: wrong type at `flattened`: expected a table, found a date or time --> alumet.toml:1:13"
    );
}

#[test]
fn the_plain_tables_are_those_of_the_file() {
    let text = "a = 1\n[b]\nc = [1, \"x\", { d = 2.5 }]\n[[e]]\nf = true\n[[e]]\n";
    assert_eq!(plain(&load(text).unwrap()), toml::from_str(text).unwrap());
}

#[test]
fn only_a_table_is_found_as_one() {
    let document = load("[plugins.csv]\nport = 1\n[plugins.csv.retry]\n").unwrap();
    let is_table = |path| document.table(&KeyPath::dotted(path)).is_some();
    assert!(is_table("plugins.csv") && is_table("plugins.csv.retry"));
    assert!(!is_table("plugins.csv.port") && !is_table("plugins.csv.none"));
}

#[test]
fn a_refused_secret_is_not_repeated() {
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Guarded {
        #[serde(rename = "token")]
        _word: Option<Mode>,
        #[serde(rename = "api_key")]
        _number: Option<u8>,
        #[serde(rename = "db_password")]
        _address: Option<std::net::IpAddr>,
        #[serde(rename = "words")]
        #[schemars(extend("writeOnly" = true))]
        _words: Option<BTreeMap<String, Mode>>,
    }
    for secret in [
        "token = 'hunter2'",
        "api_key = 52345",
        "db_password = 'hunter2'",
        "words = 'hunter2'",
        "words = ['hunter2']",
        "words = { node = 'hunter2' }",
        "words.node.hunter2.x = 'hunter2'",
    ]
    .map(|text| text.replace(".hunter2.", ".deep."))
    {
        let secret = secret.as_str();
        let problems = read::<Guarded>(&load(secret).unwrap(), &KeyPath::root())
            .unwrap_err()
            .to_string();
        assert!(
            !problems.contains("hunter2") && !problems.contains("52345"),
            "{problems}"
        );
    }
}

#[test]
fn a_table_that_is_refused_as_a_whole_is_not_told_with_one_of_its_keys() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(try_from = "Choice")]
    #[schemars(with = "Choice")]
    struct Chosen;

    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Choice {
        comment: String,
        path: Option<String>,
    }

    impl TryFrom<Choice> for Chosen {
        type Error = &'static str;

        fn try_from(choice: Choice) -> Result<Self, &'static str> {
            let _ = choice.comment;
            choice.path.map(|_| Self).ok_or("give a path")
        }
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Config {
        #[expect(dead_code, reason = "it is never read")]
        chosen: Chosen,
    }

    let document = load("[chosen]\ncomment = 'mine'\n").unwrap();
    let problems = read::<Config>(&document, &KeyPath::root())
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("invalid value at `chosen`: give a path"),
        "{problems}"
    );
}
