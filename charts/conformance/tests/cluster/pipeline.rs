//! The chart `telemetry-pipeline`.

use alumet_shared_output_testkit::{ask, find, free_port};
use serde_json::Value;

use crate::release::Release;
use crate::workload::{start, start_at, wait_for};

const MQ: &str = "nats://my-telemetry-pipeline-mq:9000";

fn installed(arguments: &[&str]) -> Option<Release> {
    Release::install("telemetry-pipeline", "my-telemetry-pipeline", "gpus", arguments)
}

#[test]
fn it_is_upgraded_and_removed_as_its_manual_says() {
    let Some(release) = installed(&[]) else {
        return;
    };
    let password = || release.secret("my-telemetry-pipeline-mq", "password");
    let first = password();
    assert!(first.len() >= 16);
    release.upgrade(&["--set", "collector.image.tag=v2.0.0"]);
    let collector = release.get("deployment", "my-telemetry-pipeline-collector");
    let image = &collector["spec"]["template"]["spec"]["containers"][0]["image"];
    assert!(image.as_str().unwrap().ends_with(":v2.0.0"), "{image}");
    assert_eq!(password(), first);
    release.roll_back_to("1");
    assert_eq!(password(), first);
    // Several collectors need volumes of their own, so they become another kind of workload.
    let many = "collector.replicaCount=3,collector.autoscaling.enabled=true,apiGateway.ingress.enabled=true";
    release.upgrade(&[
        "--set",
        many,
        "--set",
        "apiGateway.ingress.hosts[0].host=t.example.com",
    ]);
    let collectors = release.get("statefulset", "my-telemetry-pipeline-collector");
    assert_eq!(collectors["spec"]["replicas"].as_u64().unwrap_or(1), 1);
    let selector = "app.kubernetes.io/name=telemetry-pipeline";
    let labelled = [
        "get",
        "all,cm,pvc,ingress,hpa",
        "-n",
        "gpus",
        "-l",
        selector,
        "-o",
        "name",
    ];
    let labelled = release.cluster.kubectl(&labelled, "");
    for name in [
        "ingress.networking.k8s.io/my-telemetry-pipeline-api-gateway",
        "horizontalpodautoscaler.autoscaling/my-telemetry-pipeline-collector",
        "service/my-telemetry-pipeline-api-gateway",
    ] {
        assert!(labelled.contains(name), "{name}: {labelled}");
    }
    release.uninstall();
    let left = release.objects();
    let is_data = |object: &String| {
        object.starts_with("persistentvolumeclaim/") || object == "secret/my-telemetry-pipeline-mq"
    };
    assert!(left.iter().all(is_data), "{left:?}");
}

#[test]
fn rows_that_go_in_come_out_of_the_api() {
    let Some(nats) = find("nats-server", "apt-get install nats-server") else {
        return;
    };
    let Some(release) = installed(&[]) else {
        return;
    };
    let (queue, monitor) = (free_port().to_string(), free_port().to_string());
    let _mq = start_at(
        queue.parse().unwrap(),
        &release,
        ("statefulset", "mq"),
        &nats,
        &[],
        &["--port", &queue, "--http_port", &monitor, "--addr", "127.0.0.1"],
    );
    let url = format!("nats://127.0.0.1:{queue}");
    let (collected, answered) = (free_port(), free_port());
    let streamer = start(
        &release,
        ("daemonset", "streamer"),
        "alumet-agent",
        &[(MQ, &url)],
        &[],
    );
    let collector = start(
        &release,
        ("deployment", "collector"),
        "alumet-server",
        &[(MQ, &url), ("0.0.0.0:8080", &format!("127.0.0.1:{collected}"))],
        &[],
    );
    let gateway = start(
        &release,
        ("deployment", "api-gateway"),
        "alumet-server",
        &[
            (
                "dns:http://my-telemetry-pipeline-collector-headless:8080",
                &format!("dns:http://localhost:{collected}"),
            ),
            ("0.0.0.0:8081", &format!("127.0.0.1:{answered}")),
        ],
        &["plugins.rest-api.collectors.proxy = 'none'"],
    );
    let answer = |path: &str| -> Value {
        serde_json::from_str(&ask(answered, &format!("GET {path}"))).unwrap_or_default()
    };
    let said = || format!("{}\n{}\n{}", streamer.log(), collector.log(), gateway.log());
    wait_for("all GPUs are there", &said, || {
        answer("/api/v1/gpus")["total"] == 4
    });
    let row = &answer("/api/v1/gpus/gpu-001/telemetry?limit=1")["data"][0];
    let metrics = serde_json::json!({"utilization": 85.5, "temperature": 72.3, "memory_used": 4096.0});
    assert_eq!(
        row["metrics"],
        metrics,
        "{row}\n{}\n{}",
        gateway.log(),
        collector.log()
    );
}
