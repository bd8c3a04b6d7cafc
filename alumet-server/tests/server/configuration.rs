//! The default configuration, and the plugins that it enables.

use crate::program::Folder;

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

fn is_enabled(config: &toml::Table, plugin: &str) -> Option<bool> {
    config["plugins"].get(plugin)?.get("enabled")?.as_bool()
}

#[test]
fn the_default_configuration_receives_stores_and_answers_and_passes_its_own_check() {
    let folder = Folder::new();
    let text = folder.run(&["config", "default", "--full"]).stdout;
    let config = table(&text);
    assert_eq!(is_enabled(&config, "socket-control"), Some(false));
    let enabled = config["plugins"].as_table().unwrap().keys();
    let enabled: Vec<&str> = enabled
        .map(String::as_str)
        .filter(|plugin| is_enabled(&config, plugin) != Some(false))
        .collect();
    assert_eq!(enabled, ["relay-server", "rest-api", "store"]);

    folder.write("c.toml", &text);
    let ended = folder.run(&["--config", "c.toml", "config", "check"]);
    ended.expect_code(0);
    assert!(ended.stdout.contains("relay-server"), "{ended:?}");
}

#[test]
fn the_default_file_shows_few_keys_and_is_the_same_configuration_as_that_with_all() {
    let folder = Folder::new();
    let shown = |arguments: &[&str]| {
        let text = folder.run(&[&["config", "default"], arguments].concat()).stdout;
        folder.write("alumet-server-config.toml", &text);
        let ended = folder.run(&["config", "show"]);
        let mut config = table(&ended.expect_code(0).stdout);
        let plugins = config["plugins"].as_table_mut().unwrap();
        plugins.retain(|_, plugin| plugin["enabled"].as_bool() != Some(false));
        (text, config)
    };
    let (short, with_short) = shown(&[]);
    let keys = short
        .lines()
        .filter(|line| line.contains(" = ") && !line.contains('`'));
    assert_eq!(keys.count(), 13, "{short}");
    assert!(short.contains("`alumet-server config default --full`"), "{short}");
    let (_, with_full) = shown(&["--full"]);
    assert_eq!(with_full, with_short);
}

#[test]
fn the_tokens_of_the_nodes_are_never_shown() {
    let folder = Folder::new();
    folder.write(
        "c.toml",
        "[plugins.csv]\n\n[plugins.relay-server.tokens]\nnode1 = \"0123456789abcdef\"\n",
    );
    let shown = folder.run(&["--config", "c.toml", "config", "show"]).stdout;
    assert!(
        shown.contains("node1 = \"***\"") && !shown.contains("0123456789abcdef"),
        "{shown}"
    );
    folder.write(
        "c.toml",
        "[plugins.csv]\n\n[plugins.relay-server]\ntokesn.node1 = \"0123456789abcdef\"\n",
    );
    let refused = folder.run(&["--config", "c.toml", "config", "check"]).stderr;
    assert!(
        refused.contains("did you mean `tokens`?") && !refused.contains("0123456789abcdef"),
        "{refused}"
    );
}

#[test]
fn the_list_of_plugins_holds_what_a_server_needs() {
    let list = Folder::new().run(&["plugins", "list"]).stdout;
    let ids: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for needed in [
        "csv",
        "nats-input",
        "relay-server",
        "rest-api",
        "socket-control",
        "store",
    ] {
        assert!(ids.contains(&needed), "{ids:?}");
    }
    for measuring in ["perf", "k8s", "relay-client"] {
        assert!(!ids.contains(&measuring), "{ids:?}");
    }
}

#[test]
fn a_plugin_that_only_agents_have_is_named_as_such() {
    let folder = Folder::new();
    folder.write("c.toml", "[plugins.perf]\n\n[plugins.csv]\n");
    let ended = folder.run(&["--config", "c.toml", "config", "check"]);
    ended.expect_code(2);
    assert!(ended.stderr.contains("perf"), "{ended:?}");
    assert!(!ended.stderr.contains("did you mean"), "{ended:?}");
}

#[test]
fn relay_in_sets_the_address_and_enables_the_plugin_that_listens() {
    let folder = Folder::new();
    folder.write(
        "c.toml",
        "[plugins.csv]\n\n[plugins.relay-server]\nenabled = false\n",
    );
    let show = ["--config", "c.toml", "config", "show"];
    let without = table(&folder.run(&show).stdout);
    assert_eq!(is_enabled(&without, "relay-server"), Some(false));

    let flag = ["--relay-in", "127.0.0.1:50999"];
    let with = table(&folder.run(&[&show[..], &flag].concat()).stdout);
    assert_eq!(is_enabled(&with, "relay-server"), Some(true));
    let address = with["plugins"]["relay-server"]["address"].as_str();
    assert_eq!(address, Some("127.0.0.1:50999"));

    // Also beside an explicit choice.
    let check = ["--config", "c.toml", "--plugins", "csv", "config", "check"];
    let ended = folder.run(&[&check[..], &flag].concat());
    assert!(ended.stdout.contains("relay-server"), "{ended:?}");
    assert!(!folder.run(&check).stdout.contains("relay-server"));
}

#[test]
fn the_files_of_a_server_are_others_than_those_of_an_agent_in_the_same_folder() {
    let folder = Folder::new();
    let config = table(&folder.run(&["config", "default", "--full"]).stdout);
    let plugins = &config["plugins"];
    let output = "alumet-server-output.csv";
    assert_eq!(plugins["csv"]["output_path"].as_str(), Some(output));
    let socket = plugins["socket-control"]["socket_path"].as_str();
    assert_eq!(socket, Some("alumet-server-control.sock"));

    let ended = folder.run(&["ctl", "ping"]);
    assert!(ended.stderr.contains("alumet-server-control.sock"), "{ended:?}");

    folder.run(&["config", "regen"]).expect_code(0);
    assert_eq!(folder.names(), ["alumet-server-config.toml"]);
    assert!(
        folder
            .run(&["--help"])
            .stdout
            .contains("[default: alumet-server-config.toml]")
    );
}

#[test]
fn a_short_configuration_gets_the_defaults_of_the_server_too_and_its_own_values_win() {
    let folder = Folder::new();
    folder.write("alumet-server-config.toml", "[plugins.csv]\n");
    let output = |arguments: &[&str]| {
        let shown = folder.run(&[&["config", "show"], arguments].concat());
        let path = table(&shown.expect_code(0).stdout)["plugins"]["csv"]["output_path"].clone();
        path.as_str().unwrap().to_owned()
    };
    assert_eq!(output(&[]), "alumet-server-output.csv");
    assert_eq!(output(&["--output-file", "a.csv"]), "a.csv");
    folder.write("alumet-server-config.toml", "[plugins.relay-server]\n");
    assert_eq!(output(&["--output-file", "a.csv"]), "a.csv");
    folder.write(
        "alumet-server-config.toml",
        "[plugins.csv]\noutput_path = \"b.csv\"\n",
    );
    assert_eq!(output(&[]), "b.csv");
    folder.write("alumet-server-config.toml", "");
    assert_eq!(output(&["--plugins", "csv"]), "alumet-server-output.csv");
}

#[test]
fn the_description_of_a_plugin_has_the_defaults_of_the_server() {
    let folder = Folder::new();
    let info = folder.run(&["plugins", "info", "csv"]).stdout;
    assert!(
        info.contains("output_path = \"alumet-server-output.csv\""),
        "{info}"
    );
}
