//! Old names of keys.

use alumet_agent::config::{Alias, Document, KeyPath, Loader, Origin, Problems};

use crate::sample::{nothing, plain};

fn aliases() -> [Alias; 4] {
    [
        ("plugins.*.auth.basic.user", "plugins.*.user"),
        ("plugins.*.enable", "plugins.*.enabled"),
        ("max_update_interval", "pipeline.max_update_interval"),
        ("plugins.EnergyAttribution", "plugins.energy-attribution"),
    ]
    .map(|(old, new)| Alias {
        old: old.into(),
        new: new.into(),
    })
}

fn load(text: &str) -> Result<Document, Problems> {
    Loader::new(&nothing)
        .aliases(aliases())
        .text("alumet.toml", text)
        .load()
}

#[test]
fn an_old_name_works_and_warns_with_its_place() {
    let document = load("[plugins.csv]\npath = \"x\"\nenable = false\nport = 1\n").unwrap();
    let csv = document.table(&KeyPath::dotted("plugins.csv")).unwrap();
    assert_eq!(csv.keys().collect::<Vec<_>>(), ["path", "port", "enabled"]);
    assert_eq!(
        plain(&document)["plugins"]["csv"]["enabled"].as_bool(),
        Some(false)
    );
    assert_eq!(document.warnings().len(), 1);
    assert_eq!(
        document.warnings()[0].to_string(),
        "`plugins.csv.enable` is now called `plugins.csv.enabled`\n --> alumet.toml:3:1\n  |\n\
         3 | enable = ***\n  | ^^^^^^\n  = help: rename the key; the old name still works"
    );
}

#[test]
fn an_old_name_in_many_tables_warns_once() {
    let document =
        load("[plugins.csv]\nenable = false\n[plugins.k8s]\nenable = true\n[plugins.oar]\nenable = true\n")
            .unwrap();
    let plugins = &plain(&document)["plugins"];
    let enabled = ["csv", "k8s", "oar"].map(|id| plugins[id]["enabled"].as_bool());
    assert_eq!(enabled, [Some(false), Some(true), Some(true)]);
    assert_eq!(document.warnings().len(), 1);
    let warning = document.warnings()[0].to_string();
    assert!(warning.contains("`plugins.csv.enable`"), "{warning}");
    assert!(warning.contains("here and in 2 other tables"), "{warning}");
}

#[test]
fn the_new_name_does_not_warn() {
    let document = load("[plugins.csv]\nenabled = false\n").unwrap();
    assert_eq!(document.warnings(), &[] as &[String]);
}

#[test]
fn both_names_in_one_source_are_refused() {
    let problems = load("[plugins.csv]\nenable = false\nenabled = true\n").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "error: `plugins.csv.enable` is the old name of `plugins.csv.enabled`, and both are given\n \
         --> alumet.toml:2:1\n  |\n2 | enable = ***\n  | ^^^^^^\n  \
         = help: remove `plugins.csv.enable`; the new name stands at alumet.toml:3:1"
    );
}

#[test]
fn a_flag_wins_over_the_old_name_in_a_file() {
    let path = KeyPath::dotted("plugins.csv.enabled");
    let document = Loader::new(&nothing)
        .aliases(aliases())
        .text("alumet.toml", "[plugins.csv]\nenable = false\n")
        .set(&path, true, Origin::Flag("--plugins".to_owned()))
        .load()
        .unwrap();
    assert_eq!(
        plain(&document)["plugins"]["csv"]["enabled"].as_bool(),
        Some(true)
    );
}

#[test]
fn a_key_moves_to_another_table_and_a_table_to_another_name() {
    let document =
        load("max_update_interval = \"2s\"\n[plugins.a]\n[plugins.EnergyAttribution]\nx = 1\n[plugins.b]\n")
            .unwrap();
    let expected: toml::Table = toml::from_str(
        "[plugins.a]\n[plugins.energy-attribution]\nx = 1\n[plugins.b]\n[pipeline]\nmax_update_interval = \"2s\"\n",
    )
    .unwrap();
    assert_eq!(plain(&document), expected);
    let plugins = document.table(&KeyPath::dotted("plugins")).unwrap();
    assert_eq!(
        plugins.keys().collect::<Vec<_>>(),
        ["a", "b", "energy-attribution"]
    );
    assert_eq!(document.warnings().len(), 2);
}

#[test]
fn tables_in_which_nothing_is_left_go_away() {
    let document =
        load("[plugins.a.auth.basic]\nuser = \"u\"\n[plugins.b.auth]\nbasic = { user = \"v\", x = 1 }\n")
            .unwrap();
    let expected: toml::Table =
        toml::from_str("[plugins.a]\nuser = \"u\"\n[plugins.b]\nuser = \"v\"\nauth.basic.x = 1\n").unwrap();
    assert_eq!(plain(&document), expected);
}
