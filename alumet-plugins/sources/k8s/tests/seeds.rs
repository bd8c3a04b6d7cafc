//! Configurations that people have of old versions.

#![expect(clippy::unwrap_used, reason = "helpers fail the test like the test itself")]

use alumet_core::plugin::Plugin;
use alumet_plugin_k8s::{Config, K8sPlugin, KubectlToken, TokenRetrieval};

/// The table as the program gives it to the plugin: without the keys that have other names now.
fn config(text: &str) -> Config {
    let mut file: toml::Table = text.parse().unwrap();
    let mut plugins = file.remove("plugins").unwrap();
    let table = plugins.get_mut("k8s").unwrap().as_table_mut().unwrap();
    for (old, new) in K8sPlugin::OLD_KEYS {
        if let Some(value) = table.remove(*old) {
            let (key, of) = match new.split_once('.') {
                Some((outer, key)) => (
                    key,
                    table
                        .entry(outer)
                        .or_insert_with(|| toml::Table::new().into())
                        .as_table_mut(),
                ),
                None => (*new, Some(&mut *table)),
            };
            of.unwrap().insert(key.to_owned(), value);
        }
    }
    let config: Config = table.clone().try_into().unwrap();
    K8sPlugin::check(&config).unwrap();
    config
}

#[test]
fn every_block_of_the_old_manuals_is_accepted() {
    let old = config(
        r#"
        [plugins.k8s]
        path = "/sys/fs/cgroup/kubepods.slice/"
        poll_interval = "1s"
        kubernetes_api_url = "https://1.2.3.4:6443"
        hostname = ""
        token_retrieval = "kubectl"
        "#,
    );
    assert_eq!(old.k8s_api_url.as_deref(), Some("https://1.2.3.4:6443"));
    config(
        r#"
        [plugins.k8s]
        k8s_node = "minikube"
        k8s_api_url = "http://127.0.0.1:8080"
        token_retrieval = "auto"
        poll_interval = "5s"
        "#,
    );
    config(
        r#"
        [plugins.k8s]
        k8s_node = "node-1"
        k8s_api_url = "https://kubernetes.default.svc:443"
        token_retrieval = "file"
        poll_interval = "5s"
        disable_sources = false
        annotate_foreign_measurements = false
        annotate_containers = false
        "#,
    );
    let chart = config("plugins.k8s.kubepods_path = '/sys/fs/cgroup/kubepods.slice'");
    assert_eq!(chart.path.as_deref(), Some("/sys/fs/cgroup/kubepods.slice"));
    let strict = config("plugins.k8s.ca_file = '/ca.crt'\nplugins.k8s.insecure_skip_tls_verify = false");
    assert!(strict.tls.ca.is_some());
}

#[test]
fn a_token_comes_from_any_of_the_places_that_the_manual_names() {
    let expected = TokenRetrieval::Kubectl {
        kubectl: KubectlToken {
            service_account: "alumet-reader".to_owned(),
            namespace: "alumet".to_owned(),
        },
    };
    for text in [
        "plugins.k8s.token_retrieval.kubectl = { service_account = \"alumet-reader\", namespace = \"alumet\" }",
        "[plugins.k8s.token_retrieval.kubectl]\nservice_account = \"alumet-reader\"\nnamespace = \"alumet\"",
        "plugins.k8s.token_retrieval.kubectl = {}",
    ] {
        assert_eq!(config(text).token_retrieval, expected);
    }
    let file = config("plugins.k8s.token_retrieval.file = '/path/to/token'").token_retrieval;
    let path = "/path/to/token".into();
    assert_eq!(file, TokenRetrieval::File { file: path });
}
