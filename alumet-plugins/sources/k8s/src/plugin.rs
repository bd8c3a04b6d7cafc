//! From the configuration to the sources.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_core::time::Clock;
use alumet_shared_cgroup_source::{CgroupMeasurement, CgroupTree, metrics};
use alumet_shared_trust::try_server;
use hashbrown::HashMap;

use crate::api_server::ApiServer;
use crate::client::Client;
use crate::config::{Config, NamesFrom, base};
use crate::directory::Directory;
use crate::kubelet::Kubelet;
use crate::legacy::{self, Legacy};
use crate::names::{Informant, Names};
use crate::naming::{KEYS, Naming};
use crate::pause::Pauses;
use crate::resolver::{PodResolver, claim};

/// Measures the pods of a node.
pub struct K8sPlugin {
    /// Held so that the watch ends with the plugin.
    _tree: Option<Arc<CgroupTree>>,
}

/// How long a server may take while the plugin is only tried.
const TRIAL: Duration = Duration::from_secs(5);

impl Plugin for K8sPlugin {
    const ID: &'static str = "k8s";
    const SUMMARY: &'static str = "Measures the pods of a Kubernetes node under their names.";
    const OLD_KEYS: &'static [(&'static str, &'static str)] = &[
        ("kubernetes_api_url", "k8s_api_url"),
        ("hostname", "k8s_node"),
        ("kubepods_path", "path"),
        ("ca_file", "tls.ca"),
        ("insecure_skip_tls_verify", "tls.insecure_skip_verify"),
    ];
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        let mut all = metrics::all_with(KEYS);
        all.extend(legacy::all());
        all
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let has_work = !config.measurement.disable_sources || config.annotate_foreign_measurements;
        let Some(below) = config.pods_below().filter(|_| has_work) else {
            return Ok(Self { _tree: None });
        };
        let node = match &*config.k8s_node {
            "" => this_node(alumet.root(), environment("NODE_NAME"))?,
            node => node.to_owned(),
        };
        let keys = Naming::keys(&config);
        alumet
            .catalog()
            .declare_attributes(keys.iter().map(String::as_str));
        let directory = Arc::new(Directory::new(Naming::new(&config, node.clone())));
        let informant = informant(&config, &directory, node.clone(), alumet.clock())?;
        if alumet.is_trial() {
            alumet.note(trial(&informant, &node));
        }
        let resolver = PodResolver {
            directory: Arc::clone(&directory),
            below: below.clone(),
            containers: config.annotate_containers,
            qos_class: config.qos_class,
            clock: alumet.clock(),
            nameless: HashMap::new(),
        };
        let measurement = CgroupMeasurement {
            name: "k8s",
            poll_interval: config.poll_interval,
            cpu_percent_base: config.cpu_percent_base,
            config: config.measurement,
            claim: Some(claim(below)),
            annotate_foreign: config.annotate_foreign_measurements,
        };
        let tree = measurement.start(resolver, alumet)?;
        if config.legacy_metrics {
            let legacy = Legacy::new(alumet)?;
            alumet.transform("legacy", legacy);
        }
        // Nobody else asks the kubelet of this node.
        let spread = match config.names_from {
            NamesFrom::ApiServer => *config.start_spread,
            NamesFrom::Kubelet => Duration::ZERO,
        };
        alumet.event_source(
            "names",
            Names {
                informant,
                directory,
                pauses: Pauses::new(spread),
            },
        );
        Ok(Self { _tree: Some(tree) })
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The name of this node, which the kubelet takes from the machine unless it is told another one.
fn this_node(root: &Path, told: Option<String>) -> Result<String, StartError> {
    if let Some(node) = told {
        return Ok(node);
    }
    let file = root.join("proc/sys/kernel/hostname");
    match fs::read_to_string(&file) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_lowercase()),
        read => {
            let why = read.map_or_else(|error| error.to_string(), |_| "it is empty".to_owned());
            let file = file.display();
            Err(StartError::new(format!(
                "the name of this machine cannot be read from {file} ({why}); set `k8s_node`"
            )))
        }
    }
}

/// The address of the API server: in a pod, the environment has it.
fn api_server(host: Option<String>, port: Option<String>) -> String {
    match (host, port) {
        (Some(host), Some(port)) if host.contains(':') => format!("https://[{host}]:{port}"),
        (Some(host), Some(port)) => format!("https://{host}:{port}"),
        _ => "http://127.0.0.1:8080".to_owned(),
    }
}

fn informant(
    config: &Config,
    directory: &Arc<Directory>,
    node: String,
    clock: Arc<dyn Clock>,
) -> Result<Informant, StartError> {
    let (key, url) = match config.names_from {
        NamesFrom::ApiServer => {
            let service = |what| environment(&format!("KUBERNETES_SERVICE_{what}"));
            let url = config.k8s_api_url.clone();
            (
                "k8s_api_url",
                url.unwrap_or_else(|| api_server(service("HOST"), service("PORT"))),
            )
        }
        NamesFrom::Kubelet => {
            let url = config.kubelet_url.clone();
            (
                "kubelet_url",
                url.unwrap_or_else(|| format!("https://{node}:10250")),
            )
        }
    };
    let server = base(&url).map_err(|why| StartError::new(format!("`{url}`: {why}; set `{key}`")))?;
    let client = Client::new(
        server,
        config.names_from,
        &config.token_retrieval,
        &config.tls,
        clock,
    )?;
    let directory = Arc::clone(directory);
    Ok(match config.names_from {
        NamesFrom::ApiServer => Informant::ApiServer(ApiServer::new(client, directory, node)),
        NamesFrom::Kubelet => Informant::Kubelet(Kubelet::new(client, directory)),
    })
}

/// What an attempt to list the pods has shown.
fn trial(informant: &Informant, node: &str) -> Finding {
    try_server(
        format!("names of pods from {}", informant.server()),
        TRIAL,
        "mend that; until then, pods are measured with their uid only",
        async {
            match informant.count().await {
                Ok(0) => Err(format!(
                    "it knows no pod on the node {node}; if there are some, set `k8s_node` to the name that `kubectl get nodes` shows"
                )),
                Ok(count) => Ok(format!("pods that it knows on the node {node}: {count}")),
                Err(trouble) => Err(trouble.text),
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use alumet_core::testkit::FakeRoot;

    use super::*;

    #[test]
    fn the_node_is_what_the_environment_says_or_the_name_of_the_machine() {
        let root = FakeRoot::new();
        assert!(this_node(root.path(), None).is_err());
        root.write("proc/sys/kernel/hostname", "Node-1\n");
        assert_eq!(this_node(root.path(), None).unwrap(), "node-1");
        assert_eq!(this_node(root.path(), Some("n2".to_owned())).unwrap(), "n2");
    }

    #[test]
    fn in_a_pod_the_api_server_is_that_of_the_cluster() {
        let of = |host: Option<&str>| api_server(host.map(str::to_owned), Some("443".to_owned()));
        assert_eq!(of(Some("10.0.0.1")), "https://10.0.0.1:443");
        assert_eq!(of(Some("fd00::1")), "https://[fd00::1]:443");
        assert_eq!(of(None), "http://127.0.0.1:8080");
    }
}
