//! How little each pod may: by the rules of checkov, but for reviewed exceptions, and by those of this project.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::cases::each;
use crate::chart::{ALUMET, CHARTS, Chart, Helm};
use crate::program;
use crate::render::{Render, containers, list, text, title};
use crate::switches::switches;

/// A rule of checkov that some objects break, a part of the names of these, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("CKV_K8S_8", "-test", "a test of a release ends by itself"),
    ("CKV_K8S_9", "-test", "a test of a release serves nothing"),
    (
        "CKV_K8S_11",
        "",
        "a limit of CPU time delays what measures or takes samples; memory is limited",
    ),
    (
        "CKV_K8S_15",
        "",
        "an image with a version does not change, so it need not be pulled at each start",
    ),
    (
        "CKV_K8S_17",
        "alumet-relay-client",
        "the plugins that measure processes have to see those of the host",
    ),
    (
        "CKV_K8S_23",
        "alumet-relay-client",
        "root, without what is dropped, for the plugins whose files only root reads",
    ),
    (
        "CKV_K8S_25",
        "alumet-relay-client",
        "the capabilities of the plugins that are on, which a test here compares",
    ),
    (
        "CKV_K8S_35",
        "",
        "a secret in the environment is read by the configuration as ${NAME}",
    ),
    (
        "CKV_K8S_40",
        "",
        "the low user ids are those of the images of others",
    ),
    (
        "CKV_K8S_43",
        "",
        "an image is named by its version; a digest can be given",
    ),
    (
        "CKV2_K8S_6",
        "",
        "network policies can be switched on; not every cluster has what enforces them",
    ),
];

/// Which capabilities a plugin of the client is the reason for.
const CAPABILITIES: [(&str, &[&str]); 4] = [
    ("rapl", &["DAC_READ_SEARCH", "PERFMON", "SYS_ADMIN"]),
    ("perf", &["PERFMON", "SYS_PTRACE", "SYS_ADMIN"]),
    ("procfs", &["SYS_PTRACE", "DAC_READ_SEARCH"]),
    ("nvml", &["SYS_PTRACE"]),
];

/// A render for each preset.
fn presets(helm: &Helm) -> Vec<(String, Render)> {
    let presets = CHARTS
        .iter()
        .flat_map(|chart| chart.preset_arguments().map(|preset| (*chart, preset)));
    presets
        .map(|(chart, preset)| (format!("{} {preset}", chart.folder), helm.render(chart, &preset)))
        .collect()
}

#[test]
fn checkov_finds_only_what_is_reviewed() {
    let (Some(helm), Some(checkov)) = (Helm::find(), program::find("checkov")) else {
        return;
    };
    // It passes over hidden folders.
    let folder = tempfile::Builder::new().prefix("renders").tempdir().unwrap();
    let mut count = 0;
    for (_, Render(objects)) in presets(&helm) {
        for object in objects {
            fs::write(folder.path().join(format!("{count}.yaml")), object.to_string()).unwrap();
            count += 1;
        }
    }
    let mut command = Command::new(checkov);
    command.args([
        "--framework",
        "kubernetes",
        "--skip-download",
        "--quiet",
        "--compact",
        "--soft-fail",
        "-o",
        "json",
        "-d",
    ]);
    let text_of = program::output(command.arg(folder.path())).unwrap();
    let report: Value = serde_json::from_str(&text_of).unwrap();
    assert!(report["summary"]["passed"].as_u64() > Some(0), "{text_of}");
    let mut found: Vec<String> = Vec::new();
    for failed in list(&report["results"]["failed_checks"]) {
        let (id, resource) = (text(&failed["check_id"]), text(&failed["resource"]));
        let is_reviewed = EXCEPTIONS
            .iter()
            .any(|(rule, part, _)| *rule == id && resource.contains(part));
        if !is_reviewed {
            found.push(format!("{id} {resource}: {}", text(&failed["check_name"])));
        }
    }
    let is_used = |(rule, part, _): &&(&str, &str, &str)| {
        let mut failed = list(&report["results"]["failed_checks"]).iter();
        failed.any(|one| one["check_id"] == **rule && text(&one["resource"]).contains(part))
    };
    let unused = EXCEPTIONS.iter().filter(|one| !is_used(one));
    found.extend(unused.map(|(rule, part, _)| format!("nothing needs the exception {rule} {part}")));
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}

/// What a pod may, that it need not.
fn excess(object: &Value, pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut want = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{}: {what}", title(object)));
        }
    };
    let profile = &pod["securityContext"]["seccompProfile"]["type"];
    for container in containers(pod) {
        let context = &container["securityContext"];
        let own = &context["seccompProfile"]["type"];
        want(
            [profile, own].contains(&&json!("RuntimeDefault")),
            "seccomp is not RuntimeDefault",
        );
        want(context["privileged"] != true, "it is privileged");
        want(
            context["allowPrivilegeEscalation"] == false,
            "it may gain privileges",
        );
        want(context["readOnlyRootFilesystem"] == true, "it may write its root");
        want(
            context["capabilities"]["drop"] == json!(["ALL"]),
            "it keeps capabilities",
        );
        want(
            !container["resources"].to_string().contains("nvidia.com/gpu"),
            "it takes a GPU",
        );
        let mounts = list(&container["volumeMounts"]).iter();
        for mount in mounts.filter(|mount| {
            list(&pod["volumes"])
                .iter()
                .any(|volume| volume["name"] == mount["name"] && !volume["hostPath"].is_null())
        }) {
            let is_own = text(&mount["mountPath"]).starts_with("/var/lib/alumet")
                || text(&mount["mountPath"]).starts_with("/dev");
            want(
                is_own || mount["readOnly"] == true,
                &format!("it may write {}", mount["mountPath"]),
            );
        }
    }
    found
}

#[test]
fn no_pod_may_more_than_it_needs_whatever_is_switched_on() {
    let Some(helm) = Helm::find() else { return };
    let mut cases: Vec<(Chart, String)> = Vec::new();
    for chart in CHARTS {
        cases.extend(chart.preset_arguments().map(|preset| (chart, preset)));
        cases.extend(switches(chart).iter().map(|switch| (chart, (*switch).to_owned())));
    }
    each(&cases, |(chart, arguments)| {
        let render = helm.render(*chart, arguments);
        let found = render.pods().flat_map(|(object, pod)| excess(object, pod));
        found
            .map(|one| format!("{} {arguments}: {one}", chart.folder))
            .collect()
    });
}

#[test]
fn the_agent_has_the_capabilities_of_the_plugins_that_are_on_and_no_others() {
    let Some(helm) = Helm::find() else { return };
    let container = |arguments: &str| {
        helm.render(ALUMET, arguments)
            .at("DaemonSet/test-alumet-alumet-relay-client pod containers 0 securityContext")
            .unwrap()
    };
    assert_eq!(list(&container("")["capabilities"]["add"]), [] as [Value; 0]);
    for (plugin, allowed) in CAPABILITIES {
        let context = container(&format!("--set alumet-relay-client.plugins.{plugin}.enable=true"));
        for capability in list(&context["capabilities"]["add"]) {
            assert!(allowed.contains(&text(capability)), "{plugin}: {capability}");
        }
    }
    let perf = container("--set alumet-relay-client.plugins.perf.enable=true");
    assert!(
        list(&perf["capabilities"]["add"]).contains(&json!("PERFMON")),
        "{perf}"
    );
}

#[test]
fn only_the_agent_sees_the_host_and_only_for_the_plugins_that_need_it() {
    let Some(helm) = Helm::find() else { return };
    for (name, render) in presets(&helm) {
        for (object, pod) in render.pods() {
            for key in ["hostNetwork", "hostIPC"] {
                assert!(pod[key] != true, "{name}: {} {key}", title(object));
            }
            let sees_host =
                pod["hostPID"] == true || list(&pod["volumes"]).iter().any(|one| !one["hostPath"].is_null());
            assert!(
                !sees_host || object["kind"] == "DaemonSet",
                "{name}: {}",
                title(object)
            );
        }
    }
    assert!(
        helm.render(ALUMET, "")
            .at("DaemonSet/test-alumet-alumet-relay-client pod hostPID")
            != Some(json!(true))
    );
}

#[test]
fn a_token_of_the_cluster_is_only_where_it_is_used() {
    let Some(helm) = Helm::find() else { return };
    for (name, render) in presets(&helm) {
        for (object, pod) in render.pods() {
            let has_token = pod["automountServiceAccountToken"] != false
                || pod.to_string().contains("serviceAccountToken");
            // The plugin k8s asks the API server for the pods.
            let may =
                title(object).ends_with("-alumet-relay-client") && render.all("ClusterRole").count() > 0;
            assert!(!has_token || may, "{name}: {}", title(object));
        }
    }
}
