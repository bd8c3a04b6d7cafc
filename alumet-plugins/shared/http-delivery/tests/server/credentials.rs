use alumet_core::failure::Remedy;
use alumet_shared_http_delivery::{HttpClient, HttpConfig};
use alumet_shared_trust::Secret;

use crate::rig::{Server, answer, client, config, failure, ok};

#[tokio::test]
async fn a_token_in_a_file_is_read_for_each_request() {
    let server = Server::start(ok()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one\n").unwrap();
    let from_file = HttpConfig {
        token_file: Some(file.path().to_owned()),
        token_scheme: Some("Token".to_owned()),
        ..config()
    };
    let client = client(&server.url(), &from_file);
    client.send(client.get("/")).await.unwrap();
    std::fs::write(file.path(), "two").unwrap();
    client.send(client.get("/")).await.unwrap();
    let seen: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(seen, ["Token one", "Token two"]);
    // Not a new connection for each.
    std::fs::remove_file(file.path()).unwrap();
    let text = client.send(client.get("/")).await.unwrap_err().to_string();
    assert!(text.contains(&*file.path().to_string_lossy()), "{text}");
    assert!(HttpClient::new("url", &server.url(), &from_file).is_err());
}

#[tokio::test]
async fn a_user_has_a_password_and_headers_go_along_and_nothing_shows_them() {
    let server = Server::start(ok()).await;
    let secret = || Secret("hunter2".to_owned());
    let with_user = HttpConfig {
        user: Some("alumet".to_owned()),
        password: Some(secret()),
        headers: [("X-Key".to_owned(), secret())].into(),
        ..config()
    };
    let client = client(&server.url(), &with_user);
    assert!(!format!("{client:?}").contains("hunter2"));
    client
        .send(client.post("/", "text/plain", Vec::new()))
        .await
        .unwrap();
    let seen = server.seen().remove(0);
    // printf alumet:hunter2 | base64
    assert_eq!(seen.header("authorization"), Some("Basic YWx1bWV0Omh1bnRlcjI="));
    assert_eq!(seen.header("x-key"), Some("hunter2"));
}

#[tokio::test]
async fn a_file_may_hold_user_and_password_together() {
    let server = Server::start(ok()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "alumet:hunter2\n").unwrap();
    let both = HttpConfig {
        password_file: Some(file.path().to_owned()),
        ..config()
    };
    let client = client(&server.url(), &both);
    client.send(client.get("/")).await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!(seen.header("authorization"), Some("Basic YWx1bWV0Omh1bnRlcjI="));
    std::fs::write(file.path(), "hunter2").unwrap();
    let text = client.send(client.get("/")).await.unwrap_err().to_string();
    assert!(
        text.contains("`user:password`") && !text.contains("hunter2"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refused_token_keeps_the_samples_and_names_the_keys() {
    let server = Server::start(answer("403 Forbidden", "", b"no such token")).await;
    let token = HttpConfig {
        token: Some(Secret("hunter2".to_owned())),
        ..config()
    };
    let failure = failure(&server.url(), &token).await;
    assert_eq!(failure.remedy(), Remedy::Retry);
    let text = failure.to_string();
    assert!(
        text.contains("no such token") && text.contains("`token_file`") && !text.contains("hunter2"),
        "{text}"
    );
}
