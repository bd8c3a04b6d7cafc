//! Files, folders, overrides and flags in their order.

use std::fs;

use alumet_agent::config::{Document, KeyPath, Loader, Origin};

use crate::sample::{load, message, nothing, plain};

fn keys(document: &Document, path: &str) -> Vec<String> {
    document
        .table(&KeyPath::dotted(path))
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

/// Where the value of a key stands.
fn place(document: &Document, key: &[&str]) -> String {
    let problem = document.refused(key, "").to_string();
    let place = problem.lines().nth(1).unwrap();
    place.trim_start().strip_prefix("--> ").unwrap().to_owned()
}

#[test]
fn the_default_configuration_of_the_original_loads_in_its_order() {
    let document = Loader::new(&nothing)
        .path("tests/fixtures/original-default-config.toml")
        .load()
        .unwrap();
    let names = keys(&document, "plugins");
    assert_eq!(names.len(), 27);
    assert_eq!(names[..4], ["csv", "prometheus-exporter", "influxdb", "mongodb"]);
    assert_eq!(names[names.len() - 1], "quarch");
    let processes = document
        .table(&KeyPath::dotted("plugins.procfs.processes"))
        .unwrap();
    assert_eq!(processes["groups"][0]["memory_mode"].as_str(), Some("quick"));
}

#[test]
fn what_is_added_later_wins_and_a_default_never() {
    let path = KeyPath::dotted("plugins.csv.path");
    let given = |count: usize| {
        let layers: [fn(Loader<'static>) -> Loader<'static>; 3] = [
            |loader| loader.text("alumet.toml", "plugins.csv.path = 'file'"),
            |loader| loader.override_with("plugins.csv.path = 'override'"),
            |loader| {
                let origin = Origin::Flag("--output-file".to_owned());
                loader.set(&KeyPath::dotted("plugins.csv.path"), "flag", origin)
            },
        ];
        let layers = layers[..count].iter();
        let loader = layers.fold(Loader::new(&nothing), |loader, add| add(loader));
        let mut document = loader.load().unwrap();
        document.fill(toml::from_str("plugins.csv.path = 'default'").unwrap());
        document
    };
    for (count, expected) in [(0, "default"), (1, "file"), (2, "override"), (3, "flag")] {
        let table = plain(&given(count));
        assert_eq!(table["plugins"]["csv"]["path"].as_str(), Some(expected), "{path}");
    }
    for (count, expected) in [(0, "default"), (1, "alumet.toml:1:20"), (3, "flag --output-file")] {
        let place = place(&given(count), &["plugins", "csv", "path"]);
        assert_eq!(place, expected);
    }
}

#[test]
fn the_fragments_of_a_folder_are_merged_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("20-site.toml", "[plugins.csv]\nport = 2\n[plugins.rapl]\n"),
        (
            "10-base.toml",
            "[plugins.csv]\nport = 1\npath = \"x\"\n[plugins.procfs]\n",
        ),
        ("30-note.txt", "this is no TOML"),
        (".40-hidden.toml", "neither is this"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::create_dir(folder.path().join("50-folder.toml")).unwrap();
    let document = Loader::new(&nothing).path(folder.path()).load().unwrap();
    assert_eq!(keys(&document, "plugins"), ["csv", "procfs", "rapl"]);
    let csv = document.table(&KeyPath::dotted("plugins.csv")).unwrap();
    assert_eq!(*csv, toml::from_str("port = 2\npath = \"x\"").unwrap());
    let place = place(&document, &["plugins", "csv", "path"]);
    let file = folder.path().join("10-base.toml");
    assert_eq!(place, format!("{}:3:8", file.display()));
}

#[test]
fn the_problems_of_all_fragments_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), "a = ").unwrap();
    fs::write(folder.path().join("b.toml"), "b = ").unwrap();
    let problems = Loader::new(&nothing)
        .path(folder.path())
        .override_with("c = ")
        .load()
        .unwrap_err();
    assert_eq!(problems.to_string().matches("error: ").count(), 3);
}

#[test]
fn overrides_are_merged_in_their_order() {
    let document = Loader::new(&nothing)
        .text(
            "alumet.toml",
            "[plugins.rapl]\npoll_interval = \"1s\"\nflush_interval = \"5s\"\n",
        )
        .override_with("plugins.rapl.poll_interval='1ms'")
        .override_with("plugins.rapl.poll_interval='2ms'\nplugins.csv.port=1")
        .load()
        .unwrap();
    let expected = "[plugins.rapl]\npoll_interval = '2ms'\nflush_interval = '5s'\n[plugins.csv]\nport = 1\n";
    assert_eq!(plain(&document), toml::from_str(expected).unwrap());
    let place = place(&document, &["plugins", "csv", "port"]);
    assert_eq!(place, "--config-override #2:2:18");
}

#[test]
fn sections_keep_the_order_of_the_file_and_not_that_of_the_default() {
    let mut document = load("[plugins.c]\n[plugins.z]\n[plugins.a]\n").unwrap();
    document.fill(toml::from_str("[plugins.a]\nx = 1\n[plugins.b]\n[plugins.c]\n").unwrap());
    assert_eq!(keys(&document, "plugins"), ["c", "z", "a", "b"]);
    assert_eq!(keys(&document, "plugins.a"), ["x"]);
}

#[test]
fn a_table_and_a_plain_value_replace_each_other() {
    let load = |first: &str, second: &str| {
        let document = Loader::new(&nothing)
            .text("a.toml", first)
            .text("b.toml", second)
            .load()
            .unwrap();
        plain(&document)
    };
    assert_eq!(
        load("auth = 'none'", "auth.basic.user = 'me'"),
        toml::from_str("auth.basic.user = 'me'").unwrap()
    );
    assert_eq!(
        load("auth.basic.user = 'me'", "auth = 'none'"),
        toml::from_str("auth = 'none'").unwrap()
    );
    assert_eq!(
        load("list = [1, 2]", "list = [3]"),
        toml::from_str("list = [3]").unwrap()
    );
}

#[test]
fn an_empty_file_and_a_byte_order_mark_are_fine() {
    assert!(plain(&load("").unwrap()).is_empty());
    assert_eq!(
        plain(&load("\u{feff}a = 1\n").unwrap())["a"].as_integer(),
        Some(1)
    );
}

#[test]
fn dates_signs_and_bases_are_read() {
    let text = "a = 1979-05-27T07:32:00Z\nb = -17\nc = 0xff\nd = 1_000\ne = -inf\nf = 6.5e-3\ng = 0b101\nh = 07:32:00\n";
    assert_eq!(plain(&load(text).unwrap()), toml::from_str(text).unwrap());
}

#[test]
fn a_long_text_of_anything_is_read_or_refused() {
    const SIZE: usize = 256 * 1024;
    let numbered: String = (0..SIZE / 12).map(|n| format!("k{n:07} = 1\n")).collect();
    let lists = "[[a]]\n".repeat(SIZE / 6);
    let deep = "[".repeat(SIZE);
    let noise = "=".repeat(SIZE);
    let lines = "a = ${\n".repeat(SIZE / 7);
    let text = format!("a = \"{}\"", "${".repeat(SIZE / 2));
    let one_line: String = (0..SIZE / 12).map(|n| format!("k{n:07} = 1,")).collect();
    let one_line = format!("\"é\" = {{ {one_line} }}\n");
    assert!(load(&one_line).unwrap().show(false).len() > SIZE / 2);
    assert_eq!(
        load(&numbered).unwrap().table(&KeyPath::root()).unwrap().len(),
        SIZE / 12
    );
    assert!(load(&lists).is_ok());
    for text in [deep, noise, lines, text] {
        assert!(message(&text).len() < 10_000);
    }
}

#[test]
fn more_than_the_limit_is_refused_before_it_is_parsed() {
    let message = message(&" ".repeat(16 * 1024 * 1024 + 1));
    assert!(
        message.starts_with("error: the configuration of alumet.toml is larger than 16 MiB"),
        "{message}"
    );
}
