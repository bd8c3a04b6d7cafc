use std::process::Command;

use alumet_shared_http_delivery::HttpConfig;

use crate::rig::{Server, client, config, ok};

/// Says to the test below that it runs in the environment that it has made, and where the proxy is.
const INNER: &str = "ALUMET_TEST_INNER";

#[tokio::test]
async fn a_proxy_is_asked_for_the_whole_address() {
    let proxy = Server::start(ok()).await;
    let through = HttpConfig {
        proxy: proxy.url(),
        ..config()
    };
    let client = client("http://server.invalid:8086", &through);
    client.send(client.get("/ping")).await.unwrap();
    assert_eq!(
        proxy.seen()[0].line,
        "GET http://server.invalid:8086/ping HTTP/1.1"
    );
}

#[tokio::test]
async fn the_environment_names_a_proxy_unless_the_configuration_says_none() {
    if std::env::var_os(INNER).is_some() {
        let environment = HttpConfig {
            proxy: "environment".to_owned(),
            ..config()
        };
        let client = client("http://server.invalid", &environment);
        client.send(client.get("/through")).await.unwrap();
        let client = crate::rig::client("http://server.invalid", &config());
        assert!(client.send(client.get("/direct")).await.is_err());
        return;
    }
    let proxy = Server::start(ok()).await;
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner
        .args([
            "--exact",
            "proxies::the_environment_names_a_proxy_unless_the_configuration_says_none",
        ])
        .env(INNER, "1")
        .env("http_proxy", proxy.url());
    let status = tokio::task::spawn_blocking(move || inner.status().unwrap())
        .await
        .unwrap();
    assert!(status.success());
    let lines: Vec<_> = proxy.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET http://server.invalid/through HTTP/1.1"]);
}
