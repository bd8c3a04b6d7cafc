//! The configuration in force, as text.

use alumet_agent::config::{Document, KeyPath, Loader, Origin};

use crate::sample::plain;

fn document() -> Document {
    let environment = |name: &str| (name == "DB_PASSWORD").then(|| "hunter2".into());
    Loader::new(&environment)
        .text(
            "alumet.toml",
            "top = 1\n[plugins.csv]\npath = \"a \\\"b\\\"\\n\"\nlist = [1, { x = 2 }]\n[plugins.csv.retry]\nmax = 1\n\
             [plugins.rapl]\n[plugins.influxdb]\ntoken = \"hunter2\"\nurl = \"http://me:${DB_PASSWORD}@host\"\n\
             auth = { my-password = \"hunter2\" }\n[plugins.influxdb.secret]\ninner = [\"hunter2\"]\n\
             [[plugins.procfs.groups]]\nexe = \"x\"\n[[plugins.procfs.groups]]\nexe = \"y\"\n",
        )
        .override_with("plugins.csv.retry.max = 2")
        .set(&KeyPath::dotted("plugins.csv.flag"), true, Origin::Flag("--flag".to_owned()))
        .load()
        .unwrap()
}

#[test]
fn the_merged_configuration_is_shown_without_secrets() {
    assert_eq!(
        document().show(false),
        r#"top = 1

[plugins.csv]
path = "a \"b\"\n"
list = [1, { x = 2 }]
flag = true

[plugins.csv.retry]
max = 2

[plugins.rapl]

[plugins.influxdb]
token = "***"
url = "***"

[plugins.influxdb.auth]
my-password = "***"

[plugins.influxdb.secret]
inner = ["***"]

[[plugins.procfs.groups]]
exe = "x"

[[plugins.procfs.groups]]
exe = "y"
"#
    );
}

#[test]
fn every_key_can_tell_who_gave_it() {
    let shown = document().show(true);
    for line in [
        "top = 1 # alumet.toml:1:7",
        "flag = true # flag --flag",
        "[plugins.csv.retry] # alumet.toml:5:14",
        "max = 2 # --config-override #1:1:25",
        "[[plugins.procfs.groups]] # alumet.toml:16:1",
    ] {
        assert!(
            shown.lines().any(|shown| shown == line),
            "{line} is not in\n{shown}"
        );
    }
}

#[test]
fn what_is_shown_can_be_read_again() {
    for origins in [false, true] {
        let shown = document().show(origins);
        let again: toml::Table = toml::from_str(&shown).unwrap();
        assert_eq!(
            again["plugins"]["procfs"],
            plain(&document())["plugins"]["procfs"]
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
