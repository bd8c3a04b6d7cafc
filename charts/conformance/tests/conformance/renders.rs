//! What holds for every render: it comes out the same again, with both versions of helm, and no key is passed over in silence.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::chart::{ALUMET, CHARTS, Helm, NAMESPACE, PIPELINE};
use crate::render::{list, text, title};

/// Oldest and newest version of Kubernetes.
const VERSIONS: [&str; 2] = ["1.16.0", "1.37.0"];

/// The object without the values of a secret that are made anew when nothing gives them.
fn without_random(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Secret" {
        let data = object["data"].as_object_mut().into_iter().flatten();
        data.for_each(|(_, value)| *value = Value::Null);
    }
    object
}

#[test]
fn what_is_rendered_again_is_the_same_but_for_secrets_that_nobody_gave() {
    let Some(helm) = Helm::find() else { return };
    for chart in CHARTS {
        for preset in chart.preset_arguments() {
            let [one, two] = [(); 2].map(|()| helm.render(chart, &preset).0);
            let changed = one.iter().zip(&two).filter(|(one, two)| one != two);
            let names: BTreeSet<_> = changed.map(|(one, _)| title(one)).collect();
            let is_secret = |name: &String| name.starts_with("Secret/");
            assert!(
                names.iter().all(is_secret),
                "{} {preset}: {names:?}",
                chart.folder
            );
            let [one, two] = [one, two].map(|all| all.iter().map(without_random).collect::<Vec<_>>());
            assert_eq!(one, two, "{} {preset}", chart.folder);
        }
    }
    let given = "--set influxdb2.adminUser.password=password --set influxdb2.adminUser.token=token";
    assert_eq!(helm.render(ALUMET, given).0, helm.render(ALUMET, given).0);
}

#[test]
fn helm_finds_nothing_to_complain_about_and_renders_the_same_in_both_versions() {
    let (Some(helm), Some(helm_4)) = (Helm::find(), Helm::find_4()) else {
        return;
    };
    for chart in CHARTS {
        for preset in chart.preset_arguments() {
            for helm in [&helm, &helm_4] {
                let line = format!("lint --strict {} -n {NAMESPACE} {preset}", chart.folder);
                helm.run(&line)
                    .unwrap_or_else(|message| panic!("{line}: {message}"));
            }
            let [old, new] = [&helm, &helm_4].map(|helm| {
                let mut all: Vec<_> = helm.render(chart, &preset).0.iter().map(without_random).collect();
                all.sort_by_key(title);
                all
            });
            assert_eq!(old, new, "{} {preset}", chart.folder);
        }
    }
}

#[test]
fn the_oldest_and_the_newest_kubernetes_are_served() {
    let Some(helm) = Helm::find() else { return };
    for chart in CHARTS {
        for preset in chart.preset_arguments() {
            for version in VERSIONS {
                assert!(
                    !helm
                        .render(chart, &format!("{preset} --kube-version {version}"))
                        .0
                        .is_empty()
                );
            }
        }
    }
}

#[test]
fn a_key_that_nothing_reads_is_refused_by_its_name() {
    let Some(helm) = Helm::find() else { return };
    for (chart, keys) in [
        (
            ALUMET,
            &[
                "nonsense",
                "global.nonsense",
                "alumet-relay-client.nonsense",
                "alumet-relay-client.plugins.nonsense.enable",
                "alumet-relay-client.plugins.rapl.nonsense",
                "alumet-relay-client.image.nonsense",
                "alumet-relay-server.nonsense",
                "alumet-relay-server.plugins.nonsense.enable",
                "alumet-relay-server.plugins.influxdb.nonsense",
                "alumet-relay-server.service.nonsense",
                "alumet-api.enabled=true,alumet-api.nonsense",
            ][..],
        ),
        (
            PIPELINE,
            &[
                "nonsense",
                "streamer.nonsense",
                "streamer.csv.nonsense",
                "collector.nonsense",
                "collector.persistence.nonsense",
                "collector.autoscaling.nonsense",
                "apiGateway.nonsense",
                "apiGateway.cors.nonsense",
                "apiGateway.ingress.nonsense",
                "mq.nonsense",
                "mq.persistence.nonsense",
                "networkPolicy.nonsense",
                "monitoring.nonsense",
            ],
        ),
    ] {
        let taken: Vec<_> = keys
            .iter()
            .filter(|key| {
                let refused = helm.try_render(chart, &format!("--set {key}=true"));
                refused.err().is_none_or(|message| !message.contains("nonsense"))
            })
            .collect();
        assert!(
            taken.is_empty(),
            "{} takes, or does not name: {taken:?}",
            chart.folder
        );
    }
}

#[test]
fn a_change_of_the_configuration_starts_the_pods_anew_and_nothing_else_does() {
    let Some(helm) = Helm::find() else { return };
    for (chart, workload, change) in [
        (
            ALUMET,
            "DaemonSet/test-alumet-alumet-relay-client",
            "--set alumet-relay-client.plugins.rapl.enable=true",
        ),
        (
            ALUMET,
            "Deployment/test-alumet-alumet-relay-server",
            "--set alumet-relay-server.plugins.csv.enable=true",
        ),
        (
            PIPELINE,
            "DaemonSet/my-telemetry-pipeline-streamer",
            "--set streamer.rate=3",
        ),
        (
            PIPELINE,
            "Deployment/my-telemetry-pipeline-collector",
            "--set collector.workers=3",
        ),
        (
            PIPELINE,
            "Deployment/my-telemetry-pipeline-api-gateway",
            "--set apiGateway.cors.enabled=false",
        ),
    ] {
        let given = "--set influxdb2.adminUser.password=password --set influxdb2.adminUser.token=token";
        let (given, service) = if chart == ALUMET {
            (given, "alumet-relay-server")
        } else {
            ("", "apiGateway")
        };
        let template = |arguments: &str| {
            helm.render(chart, &format!("{given} {arguments}"))
                .at(&format!("{workload} spec template"))
                .unwrap()
        };
        assert_ne!(template(""), template(change), "{change}");
        assert_eq!(
            template(""),
            template(&format!("--set {service}.service.type=NodePort")),
            "{workload}"
        );
    }
}

#[test]
fn every_object_of_a_namespace_can_be_told_to_be_of_the_release() {
    let Some(helm) = Helm::find() else { return };
    for chart in CHARTS {
        for object in helm.render(chart, "").0 {
            let labels = &object["metadata"]["labels"];
            assert_eq!(
                labels["app.kubernetes.io/instance"],
                chart.release,
                "{}",
                title(&object)
            );
            for label in ["app.kubernetes.io/name", "app.kubernetes.io/managed-by"] {
                assert!(!text(&labels[label]).is_empty(), "{} {label}", title(&object));
            }
            assert!(list(&object["metadata"]["ownerReferences"]).is_empty());
        }
    }
}
