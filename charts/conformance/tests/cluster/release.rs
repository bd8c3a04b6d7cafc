//! A release of a chart.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alumet_charts_conformance::find;
use alumet_shared_output_testkit::Cluster;
use serde_json::Value;

/// A chart that is installed in a namespace of its own, or was.
pub(crate) struct Release {
    helm: PathBuf,
    chart: PathBuf,
    pub(crate) name: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) cluster: Cluster,
}

impl Release {
    /// `None`, with the reason printed, where there is no API server or no Helm.
    pub(crate) fn install(
        chart: &str,
        name: &'static str,
        namespace: &'static str,
        arguments: &[&str],
    ) -> Option<Self> {
        let helm = find("helm")?;
        let cluster = Cluster::start()?;
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(chart);
        let release = Self {
            helm,
            chart,
            name,
            namespace,
            cluster,
        };
        release.cluster.kubectl(&["create", "namespace", namespace], "");
        release.install_again(arguments);
        Some(release)
    }

    pub(crate) fn install_again(&self, arguments: &[&str]) {
        self.helm(&["install", self.name, self.chart.to_str().unwrap()], arguments);
    }

    /// With the values that it has, and these.
    pub(crate) fn upgrade(&self, arguments: &[&str]) {
        let chart = self.chart.to_str().unwrap();
        self.helm(&["upgrade", self.name, chart, "--reuse-values"], arguments);
    }

    pub(crate) fn roll_back_to(&self, revision: &str) {
        self.helm(&["rollback", self.name, revision], &[]);
    }

    pub(crate) fn uninstall(&self) {
        self.helm(&["uninstall", self.name], &[]);
    }

    /// What Helm prints.
    #[track_caller]
    pub(crate) fn helm(&self, command: &[&str], arguments: &[&str]) -> String {
        let output = Command::new(&self.helm)
            .args(command)
            .args(["--namespace", self.namespace])
            .args(arguments)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("HOME", self.cluster.folder())
            .output()
            .unwrap();
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        let said = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "helm {command:?} {arguments:?}: {said}");
        String::from_utf8(stdout).unwrap()
    }

    /// An object that the API server has.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, name: &str) -> Value {
        let text = self
            .cluster
            .kubectl(&["get", kind, name, "-n", self.namespace, "-o", "json"], "");
        serde_json::from_str(&text).unwrap()
    }

    /// What a Secret has under a key.
    #[track_caller]
    pub(crate) fn secret(&self, name: &str, key: &str) -> String {
        let template = format!("go-template={{{{index .data {key:?} | base64decode}}}}");
        let words = ["get", "secret", name, "-n", self.namespace, "-o", &template];
        self.cluster.kubectl(&words, "")
    }

    /// The objects of the kinds that the charts make, but for what every namespace has, as `kind/name`.
    pub(crate) fn objects(&self) -> Vec<String> {
        let kinds = "all,configmaps,secrets,persistentvolumeclaims,serviceaccounts,networkpolicies,ingresses,\
                     poddisruptionbudgets,horizontalpodautoscalers";
        let words = ["get", kinds, "-n", self.namespace, "-o", "name"];
        let mut names: Vec<String> = self
            .cluster
            .kubectl(&words, "")
            .lines()
            .map(str::to_owned)
            .collect();
        let is_ours = |name: &String| !name.contains("sh.helm.release") && !name.contains("kube-root-ca");
        names.retain(is_ours);
        names.sort();
        names
    }
}
