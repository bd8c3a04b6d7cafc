//! The chart `alumet`.

use std::process::Command;

use alumet_shared_output_testkit::{Program, ask, find, free_port};
use serde_json::Value;

use crate::pod::Pod;
use crate::release::Release;
use crate::workload::{start, wait_for};

fn installed(arguments: &[&str]) -> Option<Release> {
    Release::install("alumet", "test-alumet", "test", arguments)
}

#[test]
fn credentials_stay_over_upgrade_rollback_and_installing_again() {
    let Some(release) = installed(&["--set", "global.tls.mode=generated"]) else {
        return;
    };
    let objects = release.objects();
    for name in [
        "daemonset.apps/test-alumet-alumet-relay-client",
        "deployment.apps/test-alumet-alumet-relay-server",
        "statefulset.apps/test-alumet-influxdb2",
        "service/test-alumet-alumet-relay-server",
        "configmap/test-alumet-alumet-relay-client-config",
        "secret/test-alumet-influxdb2-auth",
        "secret/test-alumet-alumet-tls-server",
    ] {
        assert!(objects.iter().any(|object| object == name), "{name}: {objects:?}");
    }
    let secrets = || {
        let of = |name: &str, key| release.secret(&format!("test-alumet-{name}"), key);
        [
            of("influxdb2-auth", "admin-token"),
            of("influxdb2-auth", "admin-password"),
            of("alumet-tls-server", "tls.key"),
            of("alumet-tls-client", "ca.crt"),
        ]
    };
    let first = secrets();
    assert!(first.iter().all(|secret| secret.len() >= 16), "{first:?}");
    let notes = release.helm(&["get", "notes", release.name], &[]);
    assert!(
        notes.contains("secret test-alumet-influxdb2-auth was created"),
        "{notes}"
    );
    assert!(
        first.iter().all(|secret| !notes.contains(secret.as_str())),
        "{notes}"
    );

    release.upgrade(&["--set", "alumet-relay-client.plugins.procfs.enable=true"]);
    assert_eq!(secrets(), first);
    let config = || {
        let map = release.get("configmap", "test-alumet-alumet-relay-client-config");
        toml::from_str::<toml::Table>(map["data"]["config"].as_str().unwrap()).unwrap()
    };
    assert_eq!(config()["plugins"]["procfs"]["enable"].as_bool(), Some(true));
    release.roll_back_to("1");
    assert_eq!(secrets(), first);
    assert_eq!(config()["plugins"]["procfs"]["enable"].as_bool(), Some(false));

    let [token, password, ..] = &first;
    release.uninstall();
    let left = release.objects();
    assert!(
        left.iter()
            .all(|object| object.starts_with("secret/") || object.starts_with("persistentvolumeclaim/")),
        "{left:?}"
    );
    release.install_again(&["--set", "global.tls.mode=generated"]);
    assert_eq!(secrets()[..2], [token.clone(), password.clone()]);
}

#[test]
fn the_service_account_of_agents_may_read_pods_and_nothing_else() {
    let Some(release) = installed(&[]) else {
        return;
    };
    let cluster = &release.cluster;
    let token = std::fs::read_to_string(cluster.token("test", "test-alumet-alumet-reader")).unwrap();
    let pods = cluster.run_as(&token, &["get", "pods", "-A", "-o", "name"], "");
    assert!(pods.status.success(), "{}", String::from_utf8_lossy(&pods.stderr));
    for refused in [
        &["get", "secrets", "-n", "test"][..],
        &["get", "configmaps", "-n", "test"],
        &["get", "nodes"],
        &["get", "namespaces"],
        &["delete", "pod", "web", "-n", "test"],
        &["create", "serviceaccount", "x", "-n", "test"],
    ] {
        let output = cluster.run_as(&token, refused, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.to_lowercase().contains("forbidden"),
            "{refused:?}: {said}"
        );
    }
}

/// A server that takes the line protocol of InfluxDB 2.
fn influxdb() -> Option<Program> {
    let program = find("victoria-metrics", "apt-get install victoria-metrics")?;
    let port = free_port();
    Some(Program::start(port, |folder| {
        let mut command = Command::new(program);
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        command.arg(format!("-storageDataPath={}", folder.join("data").display()));
        command
    }))
}

#[test]
fn what_a_pod_uses_is_in_the_store_and_in_influxdb_under_its_name() {
    let switches = "global.tls.mode=generated,alumet-relay-server.plugins.store.enable=true,\
                    alumet-relay-server.plugins.restApi.enable=true";
    let Some(influxdb) = influxdb() else {
        return;
    };
    let Some(release) = installed(&["--set", switches]) else {
        return;
    };
    let Some(pod) = Pod::run(&release.cluster, "web") else {
        return;
    };
    let (relay, api) = (free_port(), free_port());
    let server = start(
        &release,
        ("deployment", "alumet-relay-server"),
        "alumet-server",
        &[
            (
                "http://test-alumet-influxdb2:80",
                &format!("http://127.0.0.1:{}", influxdb.port()),
            ),
            ("[::]:50051", &format!("127.0.0.1:{relay}")),
            ("0.0.0.0:8081", &format!("127.0.0.1:{api}")),
        ],
        &["plugins.influxdb.proxy = 'none'"],
    );
    let token = release.cluster.token("test", "test-alumet-alumet-reader");
    let token = format!("plugins.k8s.token_retrieval = {{ file = '{}' }}", token.display());
    let ca = format!("plugins.k8s.tls.ca = '{}'", release.cluster.ca().display());
    let agent = start(
        &release,
        ("daemonset", "alumet-relay-client"),
        "alumet-agent",
        &[
            ("https://kubernetes.default.svc:443", &release.cluster.url()),
            (
                "test-alumet-alumet-relay-server:50051",
                &format!("127.0.0.1:{relay}"),
            ),
        ],
        &[
            &pod.place(),
            &token,
            &ca,
            "plugins.k8s.poll_interval = '100ms'",
            "plugins.k8s.start_spread = '0s'",
            "plugins.relay-client.tls.server_name = 'test-alumet-alumet-relay-server'",
        ],
    );
    let query =
        "GET /api/v1/query?metric=cpu_time_delta&match=name=web&aggregate=count&by=name,namespace,node";
    let said = || format!("{}\n{}\n{}", agent.log(), server.log(), ask(api, query));
    wait_for("the store has it", &said, || {
        let answer: Value = serde_json::from_str(&ask(api, query)).unwrap_or_default();
        let labels = &answer["rows"][0]["labels"];
        labels["name"] == "web" && labels["namespace"] == "default" && labels["node"] == "n1"
    });
    wait_for("InfluxDB has it", &said, || {
        // What has just come, it shows a little later.
        ask(influxdb.port(), "GET /internal/force_flush");
        let export = "GET /api/v1/export?match[]={__name__=~\"cpu_time_delta.*\",name=\"web\"}";
        ask(influxdb.port(), export).contains("\"namespace\":\"default\"")
    });
    assert!(!said().contains("ERROR"), "{}", said());
}
