//! What seed 004 promises of the chart of the pipeline for the telemetry of GPUs.

use std::fs;

use serde_json::Value;

use crate::chart::{Helm, PIPELINE};
use crate::program::root;
use crate::render::{at, containers, list, text, title};
use crate::rows::hold;

const HOST_ALONE: &str =
    "--set apiGateway.ingress.enabled=true --set apiGateway.ingress.hosts[0].host=telemetry-api.example.com";
const MONITOR: &str = "--set monitoring.serviceMonitor.enabled=true --set monitoring.serviceMonitor.labels.release=prometheus \
    --api-versions monitoring.coreos.com/v1";
const GRAFANA: &str =
    "--set monitoring.grafana.enabled=true --set monitoring.grafana.dashboardsConfigMap=telemetry-dashboards";

#[test]
fn every_object_has_the_documented_name_and_values() {
    let Some(helm) = Helm::find() else { return };
    hold(&helm, PIPELINE, include_str!("pipeline.txt"));
}

#[test]
fn every_object_has_the_labels_of_the_documented_commands() {
    let Some(helm) = Helm::find() else { return };
    let everything = format!(
        "{HOST_ALONE} {MONITOR} {GRAFANA} --set networkPolicy.enabled=true --set collector.replicaCount=3"
    );
    let render = helm.render(PIPELINE, &everything);
    let mut components: Vec<String> = Vec::new();
    for object in &render.0 {
        let claims = list(&object["spec"]["volumeClaimTemplates"]);
        let templates = claims.iter().chain(object["spec"].get("template"));
        for one in templates.chain([object]) {
            let labels = &one["metadata"]["labels"];
            assert_eq!(
                labels["app.kubernetes.io/name"],
                "telemetry-pipeline",
                "{}",
                title(object)
            );
            components.push(text(&labels["app.kubernetes.io/component"]).to_owned());
        }
    }
    for component in ["streamer", "collector", "api-gateway"] {
        assert!(components.iter().any(|one| one == component), "{component}");
    }
    for (kind, component) in [("Ingress", "api-gateway"), ("DaemonSet", "streamer")] {
        for object in render.all(kind) {
            assert_eq!(
                object["metadata"]["labels"]["app.kubernetes.io/component"],
                component
            );
        }
    }
}

#[test]
fn the_file_with_the_rows_can_be_given_inline_or_by_name_and_one_too_large_says_where_it_belongs() {
    let Some(helm) = Helm::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.csv");
    fs::write(&file, "gpu_id,power\ng,1\n").unwrap();
    let given = format!("--set-file streamer.csvData={}", file.display());
    for arguments in [given.clone(), format!("--set streamer.csvData= {given}")] {
        let rows = helm
            .render(PIPELINE, &arguments)
            .at("ConfigMap/my-telemetry-pipeline-streamer-config data telemetry.csv");
        assert_eq!(rows.unwrap().as_str().unwrap().trim(), "gpu_id,power\ng,1");
    }
    fs::write(&file, "x".repeat(1_000_001)).unwrap();
    let message = helm.refusal(PIPELINE, &given);
    assert!(message.contains("streamer.persistence"), "{message}");
    let message = helm.refusal(PIPELINE, "--set streamer.csvData=");
    assert!(message.contains("streamer.csv"), "{message}");
}

#[test]
fn without_persistence_nothing_claims_a_volume() {
    let Some(helm) = Helm::find() else { return };
    let line = "--set collector.persistence.enabled=false --set mq.persistence.enabled=false --set apiGateway.replicaCount=1 \
        --set collector.replicaCount=1";
    let render = helm.render(PIPELINE, line);
    assert_eq!(render.all("PersistentVolumeClaim").count(), 0);
    for (object, pod) in render.pods() {
        assert!(
            !pod.to_string().contains("persistentVolumeClaim"),
            "{}",
            title(object)
        );
        assert!(
            list(&object["spec"]["volumeClaimTemplates"]).is_empty(),
            "{}",
            title(object)
        );
    }
}

#[test]
fn several_collectors_have_a_volume_each_and_the_gateway_none_of_them() {
    let Some(helm) = Helm::find() else { return };
    for line in [
        "--set collector.replicaCount=3",
        "--set collector.autoscaling.enabled=true",
    ] {
        let render = helm.render(PIPELINE, line);
        let place = "StatefulSet/my-telemetry-pipeline-collector spec volumeClaimTemplates 0 spec resources requests storage";
        assert_eq!(render.at(place).unwrap(), "10Gi");
        let gateway = render
            .at("Deployment/my-telemetry-pipeline-api-gateway pod")
            .unwrap();
        assert!(!gateway.to_string().contains("persistentVolumeClaim"));
    }
}

#[test]
fn every_version_of_kubernetes_gets_the_groups_that_it_has() {
    let Some(helm) = Helm::find() else { return };
    let everything = format!(
        "{HOST_ALONE} --set podDisruptionBudget.enabled=true --set collector.autoscaling.enabled=true --set networkPolicy.enabled=true"
    );
    for (version, ingress, autoscaler, budget) in [
        (
            "1.16.0",
            "networking.k8s.io/v1beta1",
            "autoscaling/v2beta2",
            "policy/v1beta1",
        ),
        (
            "1.20.0",
            "networking.k8s.io/v1",
            "autoscaling/v2beta2",
            "policy/v1beta1",
        ),
        (
            "1.22.0",
            "networking.k8s.io/v1",
            "autoscaling/v2beta2",
            "policy/v1",
        ),
        ("1.33.0", "networking.k8s.io/v1", "autoscaling/v2", "policy/v1"),
    ] {
        let render = helm.render(PIPELINE, &format!("{everything} --kube-version {version}"));
        for (kind, wanted) in [
            ("Ingress", ingress),
            ("HorizontalPodAutoscaler", autoscaler),
            ("PodDisruptionBudget", budget),
        ] {
            let groups: Vec<_> = render.all(kind).map(|one| text(&one["apiVersion"])).collect();
            assert!(
                !groups.is_empty() && groups.iter().all(|group| *group == wanted),
                "{version}: {kind} {groups:?}"
            );
        }
        let backend = render.all("Ingress").next().unwrap();
        let name = at(backend, "spec rules 0 http paths 0 backend serviceName");
        assert_eq!(name.is_some(), ingress.ends_with("beta1"), "{version}");
    }
}

#[test]
fn a_network_policy_lets_names_be_resolved_and_the_pipeline_flow() {
    let Some(helm) = Helm::find() else { return };
    let line = "--set networkPolicy.enabled=true --set networkPolicy.policyTypes={Ingress,Egress}";
    let render = helm.render(PIPELINE, line);
    let policies: Vec<_> = render.all("NetworkPolicy").collect();
    for workload in render.workloads() {
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        let own = policies
            .iter()
            .filter(|one| crate::reference::selects(&one["spec"]["podSelector"], labels));
        let ports: Vec<&Value> = own
            .flat_map(|one| list(&one["spec"]["egress"]))
            .flat_map(|rule| list(&rule["ports"]))
            .map(|port| &port["port"])
            .collect();
        assert!(
            ports.iter().any(|port| **port == 53),
            "{}: {ports:?}",
            title(workload)
        );
        if !title(workload).ends_with("-mq") {
            assert!(ports.len() > 2, "{} reaches nothing: {ports:?}", title(workload));
        }
    }
    let rule = "--set networkPolicy.enabled=true --set networkPolicy.ingress[0].ports[0].port=8080";
    assert!(
        helm.render(PIPELINE, rule)
            .all("NetworkPolicy")
            .any(|one| one.to_string().contains("8080"))
    );
}

#[test]
fn an_image_without_a_tag_has_that_of_the_chart_and_a_registry_goes_before_all() {
    let Some(helm) = Helm::find() else { return };
    let render = helm.render(PIPELINE, "--set global.imageRegistry=r.x/y");
    for (object, pod) in render.pods() {
        for container in containers(pod) {
            let image = text(&container["image"]);
            assert!(
                image.starts_with("r.x/y/") && !image.ends_with(":latest"),
                "{}: {image}",
                title(object)
            );
            let own = image.contains("alumet-");
            assert!(
                !own || image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))),
                "{image}"
            );
        }
    }
    let secrets = "--set global.imagePullSecrets[0].name=a";
    for (object, pod) in helm.render(PIPELINE, secrets).pods() {
        assert_eq!(pod["imagePullSecrets"][0]["name"], "a", "{}", title(object));
    }
}

#[test]
fn all_containers_are_confined() {
    let Some(helm) = Helm::find() else { return };
    for (object, pod) in helm.render(PIPELINE, "").pods() {
        for container in containers(pod) {
            let context = &container["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true, "{}", title(object));
            assert_eq!(
                context["capabilities"]["drop"],
                serde_json::json!(["ALL"]),
                "{}",
                title(object)
            );
        }
    }
}

#[test]
fn the_notes_say_where_the_api_is_and_what_is_sent() {
    let Some(helm) = Helm::find() else { return };
    let notes = helm.notes(PIPELINE, "");
    for text in [
        "/swagger/",
        "/api/v1/gpus",
        "kubectl",
        "port-forward",
        "8081",
        "10000",
    ] {
        assert!(notes.contains(text), "`{text}` is missing in:\n{notes}");
    }
}

#[test]
fn the_documented_folder_and_the_breaking_changes_are_there() {
    let linked = fs::canonicalize(root().join("deploy/helm/telemetry-pipeline"));
    assert_eq!(
        linked.unwrap(),
        fs::canonicalize(root().join(PIPELINE.folder)).unwrap()
    );
    let text = fs::read_to_string(root().join(PIPELINE.folder).join("UPGRADING.md")).unwrap();
    for part in ["0.2.0", "0.3.0"] {
        assert!(text.contains(part), "{part}");
    }
}
