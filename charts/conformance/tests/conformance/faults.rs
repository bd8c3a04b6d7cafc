//! What was wrong in earlier charts of Alumet, and is not here: one test for each fault that a render shows.

use crate::alumet::OF_OTHERS;
use crate::chart::{ALUMET, Chart, Helm, NAMESPACE};
use crate::reference;
use crate::render::{Render, containers, list, text, title};

const CLIENT: &str = "DaemonSet/test-alumet-alumet-relay-client";
const SERVER: &str = "Deployment/test-alumet-alumet-relay-server";
const EXPORTER: &str = "--set alumet-relay-client.plugins.prometheusExporter.enable=true";

/// A release of another name.
fn named(release: &'static str) -> Chart {
    Chart { release, ..ALUMET }
}

/// A render in which all names resolve.
fn sound(helm: &Helm, chart: Chart, arguments: &str) -> Render {
    let render = helm.render(chart, arguments);
    assert_eq!(reference::dangling(&render, &[]), [""; 0], "{arguments}");
    render
}

fn is_absent(render: &Render, place: &str) {
    assert_eq!(render.at(place), None, "{place}");
}

#[test]
fn a_number_as_the_tag_of_an_image_is_a_tag() {
    let Some(helm) = Helm::find() else { return };
    for tag in ["2", "1.10", "v3"] {
        let render = helm.render(ALUMET, &format!("--set alumet-relay-client.image.tag={tag}"));
        let image = render.at(&format!("{CLIENT} pod containers 0 image")).unwrap();
        assert!(text(&image).ends_with(&format!(":{tag}")), "{image}");
    }
}

#[test]
fn the_notes_hold_no_secret() {
    let Some(helm) = Helm::find() else { return };
    let secrets =
        "--set influxdb2.adminUser.password=s3cret-pass --set influxdb2.adminUser.token=s3cret-token";
    let notes = helm.notes(ALUMET, secrets);
    assert!(!notes.is_empty() && !notes.contains("s3cret"), "{notes}");
}

#[test]
fn a_secret_that_does_not_exist_yet_can_be_named() {
    let Some(helm) = Helm::find() else { return };
    let existing = "--set influxdb2.adminUser.existingSecret=later \
        --set alumet-relay-server.plugins.influxdb.existingSecret=later";
    assert!(helm.notes(ALUMET, existing).contains("later"));
}

#[test]
fn two_releases_in_one_namespace_select_only_their_own_pods() {
    let Some(helm) = Helm::find() else { return };
    let everything = "--set alumet-api.enabled=true";
    let mut both = helm.render(named("one"), everything);
    both.0.extend(helm.render(named("two"), everything).0);
    assert_eq!(reference::dangling(&both, &[]), [""; 0]);
}

#[test]
fn the_same_release_in_two_namespaces_has_two_cluster_roles() {
    let Some(helm) = Helm::find() else { return };
    let here = helm.render(ALUMET, "");
    let there = helm.render(ALUMET, "--namespace other");
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        for object in here.all(kind) {
            let name = text(&object["metadata"]["name"]);
            assert!(there.find(kind, name).is_none(), "{kind}/{name} is of both");
        }
    }
}

#[test]
fn names_hold_together_whatever_the_release_is_called() {
    let Some(helm) = Helm::find() else { return };
    for release in [
        "my-alumet-relay-server",
        "my-alumet-relay-client",
        "alumet",
        "influxdb2",
        "alumet-api",
        "a-name-that-is-as-long-as-a-release-may-be-for-helm-53-char",
    ] {
        let release: &'static str = &release[..release.len().min(53)];
        sound(
            &helm,
            named(release),
            &format!("--set alumet-api.enabled=true {EXPORTER}"),
        );
    }
}

#[test]
fn names_that_are_overridden_are_so_everywhere_or_the_chart_says_what_else_to_set() {
    let Some(helm) = Helm::find() else { return };
    for part in [
        "alumet-relay-client",
        "alumet-relay-server",
        "alumet-api",
        "influxdb2",
    ] {
        for key in ["nameOverride", "fullnameOverride"] {
            let line = format!("--set alumet-api.enabled=true {EXPORTER} --set {part}.{key}=other");
            if let Some(render) = helm.render_or_refusal(ALUMET, &line).unwrap() {
                assert_eq!(reference::dangling(&render, &[]), [""; 0], "{line}");
            }
        }
    }
    let whole = "--set alumet-relay-server.fullnameOverride=other \
        --set alumet-relay-client.plugins.relay_client.relayServer=other:50051";
    sound(&helm, ALUMET, whole);
}

#[test]
fn the_service_of_the_exporter_reaches_its_pods() {
    let Some(helm) = Helm::find() else { return };
    let render = sound(&helm, ALUMET, EXPORTER);
    let service = render.all("Service").find(|service| {
        let ports = list(&service["spec"]["ports"]);
        ports.iter().any(|port| port["port"] == 9091)
    });
    let service = service.expect("a service of the exporter");
    let labels = render.at(&format!("{CLIENT} spec template metadata labels"));
    assert!(reference::selects(&service["spec"]["selector"], &labels.unwrap()));
}

#[test]
fn the_time_that_samples_are_kept_together_is_taken_as_it_is_said() {
    let Some(helm) = Helm::find() else { return };
    for interval in ["1.5s", "500ms"] {
        let line = format!(
            "--set alumet-relay-client.plugins.rapl.enable=true --set alumet-relay-client.plugins.rapl.flush_interval={interval}"
        );
        let render = helm.render(ALUMET, &line);
        let place =
            "ConfigMap/test-alumet-alumet-relay-client-config data config toml plugins rapl flush_interval";
        assert_eq!(render.at(place).unwrap(), interval);
    }
}

#[test]
fn no_resources_are_as_good_as_some_with_gpus() {
    let Some(helm) = Helm::find() else { return };
    for line in [
        "resources=null",
        "resources.limits=null",
        "resources.requests=null",
    ] {
        sound(
            &helm,
            ALUMET,
            &format!("--set alumet-relay-client.plugins.nvml.enable=true --set alumet-relay-client.{line}"),
        );
    }
}

#[test]
fn measuring_gpus_takes_none_from_the_workloads() {
    let Some(helm) = Helm::find() else { return };
    for line in [
        "--set alumet-relay-client.plugins.nvml.enable=true",
        "-f charts/alumet/values-gpu.yaml",
    ] {
        let resources = helm
            .render(ALUMET, line)
            .at(&format!("{CLIENT} pod containers 0 resources"));
        assert!(
            !resources.unwrap().to_string().contains("nvidia.com/gpu"),
            "{line}"
        );
    }
    let line =
        "--set alumet-relay-client.plugins.nvml.enable=true --set alumet-relay-client.gpu.mode=resource";
    let resources = helm
        .render(ALUMET, line)
        .at(&format!("{CLIENT} pod containers 0 resources"));
    assert!(resources.unwrap().to_string().contains("nvidia.com/gpu"));
}

#[test]
fn the_port_of_the_exporter_is_one_in_all_places() {
    let Some(helm) = Helm::find() else { return };
    let render = sound(
        &helm,
        ALUMET,
        &format!("{EXPORTER} --set alumet-relay-client.plugins.prometheusExporter.port=9999"),
    );
    let port =
        "ConfigMap/test-alumet-alumet-relay-client-config data config toml plugins prometheus-exporter port";
    assert_eq!(render.at(port).unwrap(), 9999);
    let annotation = render.at(&format!(
        "{CLIENT} spec template metadata annotations prometheus.io/port"
    ));
    assert_eq!(annotation.unwrap(), "9999");
    let ports = render.at(&format!("{CLIENT} pod containers 0 ports")).unwrap();
    assert!(
        list(&ports).iter().any(|port| port["containerPort"] == 9999),
        "{ports}"
    );
}

#[test]
fn every_image_has_a_version() {
    let Some(helm) = Helm::find() else { return };
    let render = helm.render(ALUMET, "--set alumet-api.enabled=true");
    for (object, pod) in render.pods() {
        for container in containers(pod) {
            let image = text(&container["image"]);
            let name = image.rsplit('/').next().unwrap_or("");
            assert!(
                name.contains(':') && !name.ends_with(":latest"),
                "{}: {image}",
                title(object)
            );
        }
    }
}

#[test]
fn the_agent_may_list_pods_and_nothing_else_and_only_for_the_plugin_k8s() {
    let Some(helm) = Helm::find() else { return };
    let render = helm.render(ALUMET, "");
    let rules: Vec<_> = render
        .all("ClusterRole")
        .flat_map(|role| list(&role["rules"]))
        .collect();
    assert!(!rules.is_empty());
    for rule in rules {
        assert_eq!(rule["resources"], serde_json::json!(["pods"]), "{rule}");
        for verb in list(&rule["verbs"]) {
            assert!(["get", "list", "watch"].contains(&text(verb)), "{rule}");
        }
    }
    let without = helm.render(
        ALUMET,
        &format!("--set alumet-relay-client.plugins.k8s.enable=false {EXPORTER}"),
    );
    assert_eq!(without.all("ClusterRole").count(), 0);
    assert_eq!(
        without
            .at(&format!("{CLIENT} pod automountServiceAccountToken"))
            .unwrap(),
        false
    );
}

#[test]
fn a_part_of_the_chart_alone_names_its_image_in_full() {
    let Some(helm) = Helm::find() else { return };
    for folder in ["alumet-relay-client", "alumet-relay-server", "alumet-api"] {
        let path = format!("charts/alumet/charts/{folder}");
        let render = Render::of(
            &helm
                .run(&format!("template test-alumet {path} -n {NAMESPACE}"))
                .unwrap(),
        )
        .unwrap();
        for (object, pod) in render.pods() {
            for container in containers(pod) {
                let image = text(&container["image"]);
                let is_known = image.starts_with("ghcr.io/alumet-dev/")
                    || OF_OTHERS.iter().any(|other| image.contains(other));
                assert!(is_known, "{}: {image}", title(object));
            }
        }
    }
}

#[test]
fn what_is_not_installed_is_not_asked_for() {
    let Some(helm) = Helm::find() else { return };
    let client = sound(
        &helm,
        ALUMET,
        "--set alumet-relay-server.enabled=false --set influxdb2.enabled=false",
    );
    is_absent(
        &client,
        "ConfigMap/test-alumet-alumet-relay-client-config data config toml plugins relay-client relay_server",
    );
    let without_influx = "--set influxdb2.enabled=false --set alumet-relay-server.plugins.influxdb.enable=false \
        --set alumet-relay-server.plugins.csv.enable=true";
    let server = sound(&helm, ALUMET, without_influx);
    is_absent(&server, &format!("{SERVER} pod containers 0 env INFLUX_TOKEN"));
}

#[test]
fn the_password_of_mongodb_is_in_a_secret_and_its_port_is_the_usual_one() {
    let Some(helm) = Helm::find() else { return };
    let line = "--set alumet-relay-server.plugins.mongodb.enable=true --set alumet-relay-server.plugins.mongodb.password=s3cret \
        --set alumet-relay-server.plugins.mongodb.username=me";
    let render = sound(&helm, ALUMET, line);
    for config in render.all("ConfigMap") {
        assert!(!config.to_string().contains("s3cret"), "{}", title(config));
    }
    let table =
        render.at("ConfigMap/test-alumet-alumet-relay-server-config data config toml plugins mongodb");
    assert!(!table.unwrap().to_string().contains("2707\""));
}

#[test]
fn a_csv_file_is_on_a_volume_that_the_program_may_write() {
    let Some(helm) = Helm::find() else { return };
    for (part, workload) in [("client", CLIENT), ("server", SERVER)] {
        let render = helm.render(
            ALUMET,
            &format!("--set alumet-relay-{part}.plugins.csv.enable=true"),
        );
        let place = format!(
            "ConfigMap/test-alumet-alumet-relay-{part}-config data config toml plugins csv output_path"
        );
        let path = render.at(&place).unwrap();
        let mounts = render
            .at(&format!("{workload} pod containers 0 volumeMounts"))
            .unwrap();
        let holds = |mount: &&serde_json::Value| {
            mount["readOnly"] != true && text(&path).starts_with(&format!("{}/", text(&mount["mountPath"])))
        };
        assert!(
            list(&mounts).iter().any(|mount| holds(&mount)),
            "{path} is on none of {mounts}"
        );
    }
}

#[test]
fn every_container_says_what_it_needs_and_none_that_measures_is_throttled() {
    let Some(helm) = Helm::find() else { return };
    let render = helm.render(ALUMET, "--set alumet-api.enabled=true");
    for workload in render.workloads() {
        for container in containers(&workload["spec"]["template"]["spec"]) {
            let requests = &container["resources"]["requests"];
            assert!(
                !requests["cpu"].is_null() && !requests["memory"].is_null(),
                "{}",
                title(workload)
            );
        }
    }
    is_absent(
        &render,
        &format!("{CLIENT} pod containers 0 resources limits cpu"),
    );
}

#[test]
fn nothing_waits_for_another_part_before_it_starts() {
    let Some(helm) = Helm::find() else { return };
    let render = helm.render(ALUMET, "--set alumet-api.enabled=true");
    for workload in [CLIENT, SERVER] {
        is_absent(&render, &format!("{workload} pod initContainers"));
    }
}

#[test]
fn what_tests_a_release_is_removed_after_it() {
    let Some(helm) = Helm::find() else { return };
    let render = helm.render(ALUMET, "");
    let is_test = |annotations: &serde_json::Value| text(&annotations["helm.sh/hook"]).contains("test");
    let tests: Vec<_> = render
        .0
        .iter()
        .filter(|one| is_test(&one["metadata"]["annotations"]))
        .collect();
    assert!(!tests.is_empty());
    for test in tests {
        let policy = &test["metadata"]["annotations"]["helm.sh/hook-delete-policy"];
        assert!(
            text(policy).contains("hook-succeeded"),
            "{}: {policy}",
            title(test)
        );
    }
}

#[test]
fn the_server_is_replaced_and_not_doubled_and_what_waits_outlives_it() {
    let Some(helm) = Helm::find() else { return };
    let line = "--set alumet-relay-server.persistence.enabled=true";
    let render = sound(&helm, ALUMET, line);
    assert_eq!(
        render.at(&format!("{SERVER} spec strategy type")).unwrap(),
        "Recreate"
    );
    assert!(
        render
            .at(&format!("{SERVER} pod volumes"))
            .unwrap()
            .to_string()
            .contains("persistentVolumeClaim")
    );
}
