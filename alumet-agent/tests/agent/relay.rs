//! The flags `--relay-out` and `--relay-in`: an address is all that it takes.

use crate::program::Folder;

/// The configuration in effect.
fn shown(folder: &Folder, arguments: &[&str]) -> toml::Table {
    let ended = folder.run(&[&["config", "show"], arguments].concat());
    ended.expect_code(0);
    ended.stdout.parse().unwrap()
}

#[test]
fn an_address_enables_the_plugin_that_the_default_configuration_lacks_or_switches_off() {
    let folder = Folder::new();
    let full = folder.run(&["config", "default", "--full"]).stdout;
    for (flag, plugin, key) in [
        ("--relay-out", "relay-client", "relay_server"),
        ("--relay-in", "relay-server", "address"),
    ] {
        let check = |is_enabled_before| {
            let without = shown(&folder, &[])["plugins"].get(plugin).cloned();
            let is_enabled = without.and_then(|table| table["enabled"].as_bool());
            assert_eq!(is_enabled, is_enabled_before, "{plugin}");
            let with = &shown(&folder, &[flag, "127.0.0.1:7"])["plugins"][plugin];
            assert_eq!(with["enabled"].as_bool(), Some(true), "{plugin}");
            assert_eq!(with[key].as_str(), Some("127.0.0.1:7"));
        };
        check(None);
        folder.write("alumet-config.toml", &full);
        check(Some(false));
        std::fs::remove_file(folder.path("alumet-config.toml")).unwrap();
    }
}

#[test]
fn an_address_enables_its_plugin_beside_an_explicit_choice_of_others() {
    let folder = Folder::new();
    folder.run(&["config", "regen"]).expect_code(0);
    let ended = folder.run(&[
        "--plugins",
        "csv",
        "--relay-out",
        "127.0.0.1:7",
        "config",
        "check",
    ]);
    ended.expect_code(0);
    assert!(
        ended.stdout.contains("csv") && ended.stdout.contains("relay-client"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("procfs"), "{}", ended.stdout);
}

#[test]
fn an_agent_starts_and_measures_with_no_server_in_reach() {
    let folder = Folder::new();
    // Nobody listens at port 1.
    let mut agent = folder.start(&["--plugins", "procfs,csv", "--relay-out", "127.0.0.1:1"]);
    agent.wait_until_measuring();
    std::thread::sleep(std::time::Duration::from_millis(1200));
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = agent.wait();
    assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
    assert!(folder.read("alumet-output.csv").lines().count() > 10);
}
