//! Every name in a release leads somewhere, whatever is switched on and off.

use serde_json::json;

use crate::cases::{each, pairs};
use crate::chart::{CHARTS, Chart, Helm};
use crate::configurations::Programs;
use crate::reference::dangling;
use crate::render::Render;
use crate::switches::{EXTERNAL, switches};

#[test]
fn every_name_leads_somewhere_and_the_programs_take_all_configurations_with_every_preset_and_pair_of_switches()
 {
    let Some(helm) = Helm::find() else { return };
    let programs = Programs::find();
    let mut cases: Vec<(Chart, String)> = Vec::new();
    for chart in CHARTS {
        cases.extend(
            pairs(switches(chart))
                .into_iter()
                .map(|switches| (chart, switches)),
        );
        for preset in chart.preset_arguments().skip(1) {
            let with = |switch: &&str| (chart, format!("{preset} {switch}"));
            cases.extend([""].iter().chain(switches(chart)).map(with));
        }
    }
    each(&cases, |(chart, arguments)| {
        let mut found = Vec::new();
        match helm.render_or_refusal(*chart, arguments) {
            Ok(Some(render)) => {
                found = dangling(&render, &EXTERNAL);
                found.extend(programs.complaints(&render));
            }
            Ok(None) => {}
            Err(message) => found.push(message),
        }
        found
            .iter()
            .map(|one| format!("{} {arguments}: {one}", chart.folder))
            .collect()
    });
}

/// A release in which one thing is wrong for each `why`.
#[test]
fn what_leads_nowhere_is_found() {
    let labels = json!({"app": "a"});
    let deployment = json!({
        "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "serviceAccountName": "nobody",
            "volumes": [{"name": "v", "configMap": {"name": "m", "items": [{"key": "other"}]}}, {"name": "p", "persistentVolumeClaim": {"claimName": "c"}}],
            "containers": [{
                "ports": [{"name": "http", "containerPort": 80}],
                "env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "volumeMounts": [{"name": "w"}],
                "livenessProbe": {"httpGet": {"port": "https"}},
            }],
        }}},
    });
    let config = "host = \"http://b:80\"\nother = [\"a.test.svc:81\"]\nright = \"a:8080\"\nfar = \"x.example.org:1\"\n";
    let objects = [
        deployment,
        json!({"kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"config": config}}),
        json!({"kind": "Service", "metadata": {"name": "a"}, "spec": {"selector": labels, "ports": [{"port": 8080, "targetPort": "web"}]}}),
        json!({"kind": "Service", "metadata": {"name": "n"}, "spec": {"selector": {"app": "n"}}}),
        json!({"kind": "Ingress", "metadata": {"name": "i"}, "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "a", "port": {"number": 1}}}}]}}, {}]}}),
        json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "z"}}}),
    ];
    assert_eq!(
        dangling(&Render(objects.to_vec()), &[]),
        [
            "ConfigMap/m: Service a has no port 81",
            "ConfigMap/m: there is no service for http://b:80",
            "Deployment/a: ConfigMap m has no other",
            "Deployment/a: livenessProbe: there is no port \"https\"",
            "Deployment/a: there is no PersistentVolumeClaim c",
            "Deployment/a: there is no Secret s",
            "Deployment/a: there is no ServiceAccount nobody",
            "Deployment/a: there is no volume \"w\"",
            "HorizontalPodAutoscaler/h: there is no Deployment z",
            "Ingress/i: Service a has no port 1",
            "Ingress/i: null has no paths",
            "Service/a: no container has the port \"web\"",
            "Service/n: its selector chooses 0 workloads: {\"app\":\"n\"}",
        ]
    );
    assert_eq!(
        dangling(&Render(objects[..1].to_vec()), &["nobody", "m", "c", "s"]).len(),
        2
    );
}
