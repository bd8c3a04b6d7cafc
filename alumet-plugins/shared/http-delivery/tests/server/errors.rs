use std::io::Write;

use alumet_core::duration::HumanDuration;
use alumet_core::failure::Remedy;
use alumet_core::plugin::{Host, StartContext, Verdict};
use alumet_core::testkit::ManualClock;
use alumet_shared_http_delivery::{Compression, HttpConfig};

use crate::rig::{Reply, Server, answer, client, config, failure, ok};

#[tokio::test]
async fn a_port_where_nobody_listens_is_named_with_what_to_check() {
    let text = failure("http://127.0.0.1:1", &config()).await.to_string();
    assert!(
        text.contains("cannot connect to http://127.0.0.1:1") && text.contains("check that it runs there"),
        "{text}"
    );
    let text = failure("http://nowhere.invalid", &config()).await.to_string();
    assert!(
        text.contains("cannot connect to http://nowhere.invalid"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_is_left_when_the_time_is_over() {
    let server = Server::start(Reply::Hang).await;
    let short = HttpConfig {
        timeout: HumanDuration::from_millis(200),
        ..config()
    };
    let failure = failure(&server.url(), &short).await;
    assert_eq!(failure.remedy(), Remedy::Retry);
    assert!(
        failure.to_string().contains("has not answered within 200ms"),
        "{failure}"
    );
}

#[tokio::test]
async fn half_an_answer_is_none_and_a_request_is_sent_once_only() {
    for half in [
        "",
        "HTTP/1.1 200 OK\r\nContent-",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n",
    ] {
        let server = Server::start(Reply::Last(half)).await;
        let failure = failure(&server.url(), &config()).await;
        assert_eq!(failure.remedy(), Remedy::Retry, "{half}");
        assert!(failure.to_string().contains("broke"), "{failure}");
        assert_eq!(server.seen().len(), 1, "{half}");
    }
}

#[tokio::test]
async fn what_does_not_speak_http_is_named_with_the_other_scheme() {
    let server = Server::start(Reply::Last("\x15\x03\x03\0\x02\x02\n and more than that")).await;
    let text = failure(&server.url(), &config()).await.to_string();
    assert!(
        text.contains("does not speak HTTP") && text.contains("`https://`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_page_for_people_is_no_answer_to_samples() {
    let page = b"<html><h1>The plain HTTP request was sent to HTTPS port</h1></html>";
    for status in ["400 Bad Request", "422 Unprocessable Content", "200 OK"] {
        let server = Server::start(answer(status, "Content-Type: text/html; charset=utf-8\r\n", page)).await;
        let client = client(&server.url(), &config());
        let samples = client.post("/write", "text/plain", "a").accepting(&[400]);
        let failure = client.send(samples).await.unwrap_err();
        assert_eq!(failure.remedy(), Remedy::Retry, "{status}");
        let text = failure.to_string();
        assert!(
            text.contains("was sent to HTTPS port") && text.contains("check the address"),
            "{text}"
        );
    }
    let large = Server::start(answer(
        "413 Content Too Large",
        "Content-Type: text/html\r\n",
        page,
    ))
    .await;
    assert_eq!(failure(&large.url(), &config()).await.remedy(), Remedy::Split);
}

#[tokio::test]
async fn a_server_under_load_says_when_to_come_again() {
    for header in [
        "Retry-After: 7\r\n",
        "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        "",
    ] {
        for status in ["429 Too Many Requests", "503 Service Unavailable"] {
            let server = Server::start(answer(status, header, b"slow\ndown")).await;
            let failure = failure(&server.url(), &config()).await;
            assert_eq!(failure.remedy(), Remedy::Retry);
            assert!(failure.to_string().ends_with("slow down"), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_nobody_else_gets_the_token() {
    let elsewhere = Server::start(ok()).await;
    let location = format!("Location: {}/other?secret=1\r\n", elsewhere.url());
    let server = Server::start(answer("307 Temporary Redirect", &location, b"")).await;
    let text = failure(&server.url(), &config()).await.to_string();
    assert!(
        text.contains(&format!("{}/other", elsewhere.url())) && !text.contains("secret"),
        "{text}"
    );
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let piece = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let server = Server::start(Reply::Endless(head, piece.clone())).await;
    let text = failure(&server.url(), &config()).await.to_string();
    assert!(text.contains("more than 16777216 bytes"), "{text}");

    let head = "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = Server::start(Reply::Endless(head, piece)).await;
    let failure = failure(&server.url(), &config()).await;
    assert_eq!(failure.remedy(), Remedy::Skip);
    assert!(failure.to_string().len() < 1000);
}

#[tokio::test]
async fn an_answer_may_be_compressed_and_its_limit_is_that_of_what_it_holds() {
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let headers = "Content-Encoding: gzip\r\n";
    let server = Server::start(answer("200 OK", headers, &gzip(b"hello"))).await;
    let client = client(&server.url(), &config());
    let answered = client.send(client.get("/")).await.unwrap();
    assert_eq!(&*answered.body, b"hello");
    assert!(
        server.seen()[0]
            .header("accept-encoding")
            .unwrap()
            .contains("gzip")
    );

    let bomb = gzip(&vec![0; 32 << 20]);
    assert!(bomb.len() < 1 << 20);
    let server = Server::start(answer("200 OK", headers, &bomb)).await;
    let text = failure(&server.url(), &config()).await.to_string();
    assert!(text.contains("more than 16777216 bytes"), "{text}");
}

#[tokio::test]
async fn requests_are_compressed_as_the_configuration_says() {
    for (compression, encoding) in [
        (Compression::None, None),
        (Compression::Gzip, Some("gzip")),
        (Compression::Zstd, Some("zstd")),
    ] {
        let server = Server::start(ok()).await;
        let client = client(
            &format!("{}/base/", server.url()),
            &HttpConfig {
                compression,
                ..config()
            },
        );
        let text = "a line of text\n".repeat(100).into_bytes();
        client
            .send(client.post("/write?a=b", "text/plain", text.clone()))
            .await
            .unwrap();
        let seen = server.seen().remove(0);
        assert_eq!(seen.line, "POST /base/write?a=b HTTP/1.1");
        assert_eq!(seen.header("content-encoding"), encoding);
        assert_eq!(seen.header("content-type"), Some("text/plain"));
        let body = match compression {
            Compression::None => seen.body,
            Compression::Gzip => {
                let mut body = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*seen.body), &mut body)
                    .unwrap();
                body
            }
            Compression::Zstd => zstd::bulk::decompress(&seen.body, 1 << 20).unwrap(),
        };
        assert_eq!(body, text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_notes_whether_the_server_answers() {
    let clock = std::sync::Arc::new(ManualClock::new());
    for (reply, verdict, word) in [
        (ok(), Verdict::Works, "204"),
        (answer("401 Unauthorized", "", b"who?"), Verdict::Limited, "who?"),
    ] {
        let server = Server::start(reply).await;
        let client = client(&server.url(), &config());
        let host = Host::trial(clock.clone(), "/");
        let mut context = StartContext::new(&host);
        client.try_out(client.get("/ping"), &mut context).unwrap();
        let found = &context.findings()[0];
        assert_eq!(found.verdict, verdict);
        assert!(
            found.detail.contains(word) && found.subject.contains(&server.url()),
            "{found:?}"
        );

        let host = Host::new(clock.clone(), "/");
        client
            .try_out(client.get("/ping"), &mut StartContext::new(&host))
            .unwrap();
        assert_eq!(server.seen().len(), 1, "only a trial asks");
    }
}

#[tokio::test]
async fn what_is_streamed_is_as_large_as_it_likes_until_it_is_enough_and_an_error_is_none_of_it() {
    let piece = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = Server::start(Reply::Endless(head, piece)).await;
    let client = client(&server.url(), &config());
    let mut taken = 0;
    let mut take = |piece: &[u8]| {
        taken += piece.len();
        taken < 20 << 20
    };
    client.stream(client.get("/"), &mut take).await.unwrap();
    assert!(taken >= 20 << 20);

    for headers in ["", "Content-Type: text/html\r\n"] {
        let server = Server::start(answer("404 Not Found", headers, b"nothing")).await;
        let client = self::client(&server.url(), &config());
        let streamed = client
            .stream(client.get("/"), &mut |_| panic!("it is an error"))
            .await;
        assert!(
            streamed
                .unwrap_err()
                .to_string()
                .contains("404 Not Found: nothing")
        );
    }
}
