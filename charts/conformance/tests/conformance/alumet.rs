//! What seeds 000 and 001 promise of the charts that install the agent and its server.

use std::collections::BTreeMap;

use crate::chart::{ALUMET, Helm};
use crate::program::root;
use crate::render::{containers, text};
use crate::rows::hold;

/// The switches of the plugins of the client, with their defaults and the plugins that they switch.
pub(crate) const CLIENT_PLUGINS: [(&str, bool, &str); 15] = [
    ("csv", false, "csv"),
    ("aggregation", false, "aggregation"),
    ("energyAttribution", false, "energy-attribution"),
    ("EnergyEstimationTdpPlugin", false, "energy-estimation-tdp"),
    ("jetson", false, "jetson"),
    ("k8s", true, "k8s"),
    ("nvml", false, "nvml"),
    ("oar", false, "oar"),
    ("perf", false, "perf"),
    ("procfs", false, "procfs"),
    ("rapl", false, "rapl"),
    ("relay_client", true, "relay-client"),
    ("socket_control", false, "socket-control"),
    ("opentelemetry", false, "opentelemetry"),
    ("prometheusExporter", false, "prometheus-exporter"),
];

/// Those of the server.
pub(crate) const SERVER_PLUGINS: [(&str, bool, &str); 5] = [
    ("influxdb", true, "influxdb"),
    ("csv", false, "csv"),
    ("mongodb", false, "mongodb"),
    ("opentelemetry", false, "opentelemetry"),
    ("prometheusExporter", false, "prometheus-exporter"),
];

/// What has to be said besides, so that a plugin has all that it needs.
pub(crate) fn needs(plugin: &str) -> &'static str {
    match plugin {
        "mongodb" => " --set alumet-relay-server.plugins.mongodb.existingSecret=mongo",
        _ => "",
    }
}

/// Images that are not of this project.
pub(crate) const OF_OTHERS: [&str; 2] = ["/influxdb:", "/busybox:"];

const EXPORTER: &str = "--set alumet-relay-client.plugins.prometheusExporter.enable=true";

#[test]
fn every_object_has_the_documented_name_and_values() {
    let Some(helm) = Helm::find() else { return };
    hold(&helm, ALUMET, include_str!("alumet.txt"));
}

#[test]
fn the_plugins_of_seed_001_are_on_by_default_and_no_others_of_those_with_a_switch() {
    let Some(helm) = Helm::find() else { return };
    let render = helm.render(ALUMET, "");
    for (config, switches) in [
        ("test-alumet-alumet-relay-client-config", &CLIENT_PLUGINS[..]),
        ("test-alumet-alumet-relay-server-config", &SERVER_PLUGINS[..]),
    ] {
        let on = render.plugins(config);
        let found: BTreeMap<_, _> = switches
            .iter()
            .map(|(_, _, id)| (*id, on.contains_key(*id)))
            .collect();
        let wanted: BTreeMap<_, _> = switches.iter().map(|(_, is_on, id)| (*id, *is_on)).collect();
        assert_eq!(found, wanted, "{config}");
    }
}

#[test]
fn each_switch_moves_its_plugin_as_a_boolean_and_as_a_text() {
    let Some(helm) = Helm::find() else { return };
    for (part, switches) in [("client", &CLIENT_PLUGINS[..]), ("server", &SERVER_PLUGINS[..])] {
        for set in ["--set", "--set-string"] {
            for (name, is_on, id) in switches {
                let key = format!("alumet-relay-{part}.plugins.{name}.enable");
                // Something has to be left that takes the samples.
                let other = match (part, *id) {
                    ("client", "relay-client") => format!(" {EXPORTER}"),
                    ("server", "influxdb") => " --set alumet-relay-server.plugins.csv.enable=true".to_owned(),
                    _ => needs(id).to_owned(),
                };
                let render = helm.render(ALUMET, &format!("{set} {key}={}{other}", !is_on));
                let on = render.plugins(&format!("test-alumet-alumet-relay-{part}-config"));
                assert_eq!(on.contains_key(*id), !is_on, "{key}");
            }
        }
    }
}

#[test]
fn every_spelling_of_a_switch_that_was_ever_documented_works() {
    let Some(helm) = Helm::find() else { return };
    for (spelling, value, id) in [
        ("K8s", false, "k8s"),
        ("EnergyEstimationTdp", true, "energy-estimation-tdp"),
        ("energyEstimationTdp", true, "energy-estimation-tdp"),
    ] {
        let line = format!("--set alumet-relay-client.plugins.{spelling}.enable={value} {EXPORTER}");
        let on = helm
            .render(ALUMET, &line)
            .plugins("test-alumet-alumet-relay-client-config");
        assert_eq!(on.contains_key(id), value, "{spelling}");
    }
}

#[test]
fn the_preset_of_seed_000_has_its_plugins() {
    let Some(helm) = Helm::find() else { return };
    let on = helm
        .render(ALUMET, "-f charts/alumet/values-seed000.yaml")
        .plugins("test-alumet-alumet-relay-client-config");
    for (id, is_on) in [
        ("k8s", true),
        ("rapl", false),
        ("energy-estimation-tdp", true),
        ("energy-attribution", false),
        ("procfs", true),
        ("perf", true),
    ] {
        assert_eq!(on.contains_key(id), is_on, "{id}");
    }
}

#[test]
fn one_registry_is_that_of_all_images() {
    let Some(helm) = Helm::find() else { return };
    let everything = "--set alumet-api.enabled=true --set global.image.registry=r.x/y";
    for (registry, arguments) in [("r.x/y/", everything), ("ghcr.io/alumet-dev/", "")] {
        let render = helm.render(ALUMET, arguments);
        for (_, pod) in render.pods() {
            for container in containers(pod) {
                let image = text(&container["image"]);
                // These are somebody else's, unless a registry of one's own has them.
                let is_other = arguments.is_empty() && OF_OTHERS.iter().any(|other| image.contains(other));
                assert!(image.starts_with(registry) || is_other, "{image}");
            }
        }
    }
}

#[test]
fn the_two_places_that_name_the_secret_of_influxdb_have_to_agree() {
    let Some(helm) = Helm::find() else { return };
    for arguments in [
        "--set influxdb2.adminUser.existingSecret=s",
        "--set alumet-relay-server.plugins.influxdb.existingSecret=s",
        "--set influxdb2.adminUser.existingSecret=s --set alumet-relay-server.plugins.influxdb.existingSecret=t",
    ] {
        let message = helm.refusal(ALUMET, arguments);
        for key in [
            "influxdb2.adminUser.existingSecret",
            "alumet-relay-server.plugins.influxdb.existingSecret",
        ] {
            assert!(message.contains(key), "{message}");
        }
    }
    let message = helm.refusal(ALUMET, "--set influxdb2.existingSecret=s");
    assert!(message.contains("set adminUser.existingSecret"), "{message}");
}

#[test]
fn the_notes_say_what_was_installed_and_how_to_get_the_credentials() {
    let Some(helm) = Helm::find() else { return };
    let notes = helm.notes(ALUMET, "");
    let version = format!("Your installed version  {}", env!("CARGO_PKG_VERSION"));
    for line in [
        "Installing alumet",
        &version,
        "Your instance name is:  test-alumet",
        "influxdb plugin is enabled, a secret to get access to influxdb database must be defined",
        "A secret test-alumet-influxdb2-auth was created",
        r#"-n test get secret test-alumet-influxdb2-auth -o jsonpath="{.data.admin-password}" | base64 -d"#,
        r#"-n test get secret test-alumet-influxdb2-auth -o jsonpath="{.data.admin-token}" | base64 -d"#,
    ] {
        assert!(notes.contains(line), "`{line}` is missing in:\n{notes}");
    }
    let typo = helm.notes(ALUMET, "--set global.image.registry=ghrc.io/alumet-dev");
    assert!(typo.contains("ghcr.io"), "{typo}");
}

#[test]
fn the_documents_tell_the_documented_commands() {
    let readme = std::fs::read_to_string(root().join("charts/alumet/README.md")).unwrap_or_default();
    for text in [
        "helm repo add alumet https://alumet-dev.github.io/helm-charts/",
        "helm install test-alumet",
        "create secret docker-registry gh-registry-secret --docker-server=ghcr.io/alumet-dev",
        "--set global.secret=gh-registry-secret",
        r#"-o jsonpath="{.data.admin-password}" | base64 -d"#,
        "--from-literal=admin-token=",
        "--from-literal=admin-password=",
        "node-role.kubernetes.io/control-plane",
        "local.md",
    ] {
        assert!(
            readme.contains(text),
            "`{text}` is missing in charts/alumet/README.md"
        );
    }
    assert!(root().join("charts/local.md").is_file());
}
