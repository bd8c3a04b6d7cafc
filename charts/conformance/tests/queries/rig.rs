//! An agent that measures the machine, a server that stores what it sends, and a Prometheus that scrapes both.

use std::fs::write;
use std::path::Path;
use std::process::Command;

use alumet_charts_conformance::of_this_build;
use alumet_shared_output_testkit::{Program, find, free_port};

use crate::dashboard::charts;
use crate::http::serve;
use crate::machine::{Machine, POD};

/// All that runs.
pub(crate) struct Rig {
    _programs: Vec<Program>,
    _machine: Machine,
    pub(crate) prometheus: u16,
    /// The API of the server.
    pub(crate) api: u16,
}

fn certify(arguments: &[&str]) {
    let output = Command::new(of_this_build("alumet-server"))
        .arg("certs")
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What an API server of Kubernetes tells of the pods; a watch tells nothing new.
fn pods(path: &str) -> Option<String> {
    let pod = format!(
        r#"{{"metadata": {{"name": "cart", "namespace": "shop", "uid": "{POD}", "resourceVersion": "5"}}, "spec": {{"nodeName": "n1"}}}}"#
    );
    let list = r#"{"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": ["#;
    (!path.contains("watch=")).then(|| format!("{list}{pod}]}}"))
}

/// What `prometheus-exporter` shows of meters that need a management controller, and of a loss.
fn meters(_: &str) -> Option<String> {
    let text = "redfish_power_alumet_watts{node=\"n1\",chassis=\"1\",sensor=\"PowerConsumed\"} 160\n\
        ipmi_power_alumet_watts{node=\"n1\"} 160\n\
        cray_pm_power_alumet_watts{node=\"n1\",domain=\"node\"} 160\n\
        relay_gap_samples_alumet_total{node=\"n1\",reason=\"full\"} 0\n";
    Some(text.to_owned())
}

impl Rig {
    /// `None` if there is no Prometheus.
    pub(crate) fn start() -> Option<Self> {
        let prometheus = find("prometheus", "apt-get install prometheus")?;
        let machine = Machine::start();
        let [relay, api, of_server, server_health, of_agent, agent_health, port] =
            std::array::from_fn(|_| free_port());
        let certs = machine.root().join("certs").display().to_string();
        certify(&["init", &certs]);
        certify(&["issue", &certs, "n1"]);
        let server = Program::start(server_health, |folder| {
            let text = format!(
                r#"
                health.address = "127.0.0.1:{server_health}"
                [plugins.relay-server]
                address = "127.0.0.1:{relay}"
                tls = {{ certificate = "{certs}/server.pem", key = "{certs}/server.key", client_ca = "{certs}/ca.pem" }}
                [plugins.store]
                [plugins.rest-api]
                address = "127.0.0.1:{api}"
                [plugins.prometheus-exporter]
                host = "127.0.0.1"
                port = {of_server}
                series.include = ["relay_*"]
                "#
            );
            configured("alumet-server", folder, &text)
        });
        let agent = Program::start(agent_health, |folder| {
            let text = format!(
                r#"
                system_root = "{root}"
                health.address = "127.0.0.1:{agent_health}"
                [plugins.annotate]
                attributes.node = "n1"
                [plugins.procfs]
                [plugins.rapl]
                interface = "powercap"
                flush_interval = "1s"
                [plugins.nvml]
                library = "{driver}"
                flush_interval = "1s"
                [plugins.cgroups]
                poll_interval = "1s"
                [plugins.k8s]
                k8s_node = "n1"
                k8s_api_url = "http://127.0.0.1:{kubernetes}"
                poll_interval = "1s"
                start_spread = "0s"
                [plugins.slurm]
                [plugins.energy-attribution]
                [plugins.prometheus-exporter]
                host = "127.0.0.1"
                port = {of_agent}
                [plugins.relay-client]
                client_name = "n1"
                relay_server = "127.0.0.1:{relay}"
                tls = {{ ca = "{certs}/ca.pem", certificate = "{certs}/n1.pem", key = "{certs}/n1.key" }}
                "#,
                root = machine.root().display(),
                driver = machine.driver().display(),
                kubernetes = serve(pods),
            );
            configured("alumet-agent", folder, &text)
        });
        let prometheus = Program::start(port, |folder| {
            let targets = [of_server, server_health, of_agent, agent_health, serve(meters)];
            let targets = targets.map(|port| format!("'127.0.0.1:{port}'")).join(", ");
            let text = format!(
                "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
                 rule_files: ['{}']\n\
                 scrape_configs: [{{ job_name: alumet, honor_labels: true, static_configs: [{{ targets: [{targets}] }}] }}]\n",
                charts().join("rules/alumet.yaml").display()
            );
            write(folder.join("prometheus.yml"), text).unwrap();
            let mut command = Command::new(prometheus);
            command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command
        });
        Some(Self {
            _programs: vec![prometheus, agent, server],
            _machine: machine,
            prometheus: port,
            api,
        })
    }
}

fn configured(program: &str, folder: &Path, text: &str) -> Command {
    write(folder.join("config.toml"), text).unwrap();
    let mut command = Command::new(of_this_build(program));
    command.args(["--config", "config.toml"]);
    command
}
