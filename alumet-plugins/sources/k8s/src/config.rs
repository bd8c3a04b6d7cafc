//! What the table `[plugins.k8s]` holds.

use std::path::PathBuf;

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use alumet_reader_cgroupfs::CgroupPath;
use alumet_shared_cgroup_source::config::{CpuPercentBase, MeasurementConfig};
use alumet_shared_trust::TlsConfig;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pods are measured, what of them, and who knows their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two measurements. New pods, and those that have just ended, are measured in between.
    pub poll_interval: HumanDuration,
    /// The name of this node in the cluster. Left out or empty: what the environment has in `NODE_NAME`, else the name of the
    /// machine.
    #[schemars(extend("examples" = ["minikube", "${NODE_NAME}"]))]
    pub k8s_node: String,
    /// Who tells the names of pods.
    pub names_from: NamesFrom,
    /// The address of the API server. Left out: in a pod that of its cluster, which the environment has in
    /// `KUBERNETES_SERVICE_HOST`, elsewhere `http://127.0.0.1:8080`, where `kubectl proxy --port=8080` listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["https://kubernetes.default.svc:443"]))]
    pub k8s_api_url: Option<String>,
    /// The address of the kubelet, if it is who tells the names. Left out: port 10250 of `k8s_node`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["https://127.0.0.1:10250"]))]
    pub kubelet_url: Option<String>,
    /// Where the token of the service account comes from.
    pub token_retrieval: TokenRetrieval,
    /// How connections are encrypted, when the address begins with `https://`. Without `ca`, those are trusted whose certificates are
    /// in the file `ca.crt` beside the token, or else those that the system trusts.
    pub tls: TlsConfig,
    /// The API server is asked for the first time after a random part of this time, and so it is when it was away: many agents
    /// that start or lose it together do not ask at the same moment. A second for each 25 nodes is plenty. The longer the server was
    /// away, the longer it can take: up to two minutes, or twice this time. Until then, new pods have no names but are measured.
    pub start_spread: HumanDuration,
    /// Measures the containers of pods as well. Their samples have the attribute `container`, which those of pods lack: add up
    /// either these or those, for a pod contains its containers.
    pub annotate_containers: bool,
    /// Gives samples of other plugins about a pod, or about a process in it, the attributes of the pod.
    pub annotate_foreign_measurements: bool,
    /// The labels of pods that become attributes: `app` becomes `label_app`.
    #[schemars(extend("examples" = [["app.kubernetes.io/name"]]))]
    pub labels: Vec<String>,
    /// The annotations of pods that become attributes: `team` becomes `annotation_team`.
    #[schemars(extend("examples" = [["example.org/team"]]))]
    pub annotations: Vec<String>,
    /// Adds `owner_kind` and `owner_name`: the deployment, the cron job or whatever else has made the pod.
    pub owner: bool,
    /// Adds `qos_class`: `Guaranteed`, `Burstable` or `BestEffort`.
    pub qos_class: bool,
    /// Adds `priority_class`, for pods that have one.
    pub priority_class: bool,
    /// Measures CPU time under the names of old versions as well: `total_usage_usec`, `user_usage_usec` and
    /// `system_usage_usec`.
    pub legacy_metrics: bool,
    /// Only the pods in this control group are measured: its directory, or its path in the hierarchy. Left out: all pods, wherever
    /// they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["/sys/fs/cgroup/kubepods.slice"]))]
    pub path: Option<String>,
    /// What 100 % of `cpu_percent` means.
    pub cpu_percent_base: CpuPercentBase,
    /// How it is measured.
    #[serde(flatten)]
    pub measurement: MeasurementConfig,
}

/// Who tells the names of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamesFrom {
    /// The API server: it is asked once for the pods of this node, and then tells what changes.
    #[default]
    ApiServer,
    /// The kubelet of this node: it is asked when there is a pod that has no name yet. No right in the whole cluster is needed.
    Kubelet,
}

/// Where the token of the service account comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TokenRetrieval {
    /// One of the usual places.
    Usual(UsualToken),
    /// Another file, which is read again for each request.
    File {
        /// The file.
        file: PathBuf,
    },
    /// What `kubectl create token` prints, asked for again before it expires.
    Kubectl {
        /// For whom it is.
        kubectl: KubectlToken,
    },
}

/// A usual place of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsualToken {
    /// `"file"` if there is the file, else `"kubectl"`. If neither is there, an address with `http://` is asked without a token.
    Auto,
    /// `/var/run/secrets/kubernetes.io/serviceaccount/token`, which a pod has.
    File,
    /// `kubectl create token alumet-reader -n alumet`.
    Kubectl,
}

/// For whom `kubectl` makes a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KubectlToken {
    /// The service account.
    pub service_account: String,
    /// Its namespace.
    pub namespace: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            poll_interval: HumanDuration::from_secs(5),
            k8s_node: String::new(),
            names_from: NamesFrom::default(),
            k8s_api_url: None,
            kubelet_url: None,
            token_retrieval: TokenRetrieval::Usual(UsualToken::Auto),
            tls: TlsConfig::default(),
            start_spread: HumanDuration::from_secs(10),
            annotate_containers: false,
            annotate_foreign_measurements: false,
            labels: Vec::new(),
            annotations: Vec::new(),
            owner: false,
            qos_class: false,
            priority_class: false,
            legacy_metrics: false,
            path: None,
            cpu_percent_base: CpuPercentBase::Core,
            measurement: MeasurementConfig::default(),
        }
    }
}

impl Default for KubectlToken {
    fn default() -> Self {
        Self {
            service_account: "alumet-reader".to_owned(),
            namespace: "alumet".to_owned(),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        self.measurement.check(self.poll_interval, &mut faults);
        self.tls.check("tls", &mut faults);
        for (key, url) in [
            ("k8s_api_url", &self.k8s_api_url),
            ("kubelet_url", &self.kubelet_url),
        ] {
            if let Some(why) = url.as_deref().and_then(|url| base(url).err()) {
                faults.add(key, format!("{why}; write it as \"https://10.0.0.1:6443\""));
            }
        }
        if self.path.is_some() && self.pods_below().is_none() {
            let message =
                "it is no control group; write it as \"/sys/fs/cgroup/kubepods.slice\", or leave it out";
            faults.add("path", message);
        }
        if let TokenRetrieval::Kubectl { kubectl } = &self.token_retrieval {
            for (key, text) in [
                ("service_account", &kubectl.service_account),
                ("namespace", &kubectl.namespace),
            ] {
                // What begins with a hyphen would be an option.
                if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
                    let message = format!("{text:?} cannot be a name; write for example \"alumet\"");
                    faults.add(&format!("token_retrieval.kubectl.{key}"), message);
                }
            }
        }
        faults.or_ok()
    }

    /// The control group in which pods are measured; `None` when `path` is none.
    pub(crate) fn pods_below(&self) -> Option<CgroupPath> {
        let Some(path) = &self.path else {
            return Some(CgroupPath::root());
        };
        let mount = path.strip_prefix("/sys/fs/cgroup");
        let below = mount.map_or(path.as_str(), |path| {
            path.strip_prefix("/unified").unwrap_or(path)
        });
        match below {
            "" => Some(CgroupPath::root()),
            below => below.parse().ok(),
        }
    }
}

/// The address of a server without a slash at its end.
pub(crate) fn base(url: &str) -> Result<String, String> {
    let parsed = Url::parse(url).map_err(|error| format!("it is no address ({error})"))?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err("an address begins with `http://` or `https://`".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("a password does not belong into an address, which logs show".to_owned());
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err("it must end before `?` and `#`".to_owned());
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        for (text, key) in [
            ("poll_interval = '0s'", "poll_interval"),
            ("k8s_api_url = 'localhost:8080'", "k8s_api_url"),
            ("k8s_api_url = 'https://me:secret@a'", "k8s_api_url"),
            ("k8s_api_url = 'https://a?b'", "k8s_api_url"),
            ("kubelet_url = ''", "kubelet_url"),
            ("path = 'kubepods'", "path"),
            ("tls = { key = 'a' }", "tls.certificate"),
            (
                "token_retrieval.kubectl = { service_account = '--help' }",
                "token_retrieval.kubectl.service_account",
            ),
            (
                "token_retrieval.kubectl = { namespace = '' }",
                "token_retrieval.kubectl.namespace",
            ),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
    }

    #[test]
    fn a_directory_and_a_path_mean_the_same_control_group() {
        for (path, group) in [
            ("/sys/fs/cgroup/kubepods.slice/", "/kubepods.slice"),
            ("/sys/fs/cgroup/unified/kubepods", "/kubepods"),
            ("/kubelet.slice", "/kubelet.slice"),
            ("/sys/fs/cgroup", "/"),
        ] {
            let path = Some(path.to_owned());
            let config = Config {
                path,
                ..Config::default()
            };
            assert_eq!(config.pods_below(), Some(group.parse().unwrap()));
        }
    }
}
