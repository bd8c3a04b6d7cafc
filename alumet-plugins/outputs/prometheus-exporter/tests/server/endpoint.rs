use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use alumet_core::plugin::{Host, Plugin, StartContext, Verdict};
use alumet_core::testkit::Bench;
use alumet_core::time::SystemClock;
use alumet_plugin_prometheus_exporter::{Config, PrometheusExporterPlugin};
use alumet_shared_output_testkit::free_port;

use crate::rig::{Exporter, ask, ask_at, config};

#[test]
fn each_scraper_gets_the_format_and_the_compression_that_it_asks_for() {
    let exporter = Exporter::start(config());
    let get = |headers: &str| ask(exporter.port, "GET /metrics", headers);
    let text = get("");
    assert_eq!(text.status(), 200);
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        text.text().contains("# TYPE delta_u64_alumet_total counter\n"),
        "{}",
        text.text()
    );
    let accept = "Accept: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    let open = get(accept);
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.text().ends_with("# EOF\n"));

    let gzip = get(&format!("{accept}Accept-Encoding: gzip\r\n"));
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&gzip.body[..])
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, open.text());
    let zstd = get(&format!("{accept}Accept-Encoding: deflate, zstd\r\n"));
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    assert_eq!(zstd::stream::decode_all(&zstd.body[..]).unwrap(), open.body);
    assert!(zstd.body.len() < open.body.len() / 2);
}

#[test]
fn other_paths_and_methods_are_refused_with_what_there_is() {
    let exporter = Exporter::start(config());
    let ask = |line| ask(exporter.port, line, "");
    let missing = ask("GET /");
    assert_eq!((missing.status(), missing.text()), (404, "there is /metrics\n"));
    let refused = ask("POST /metrics");
    assert_eq!(
        (refused.status(), refused.header("allow")),
        (405, Some("GET, HEAD"))
    );
    let head = ask("HEAD /metrics");
    assert_eq!((head.status(), head.body.len()), (200, 0));
}

#[test]
fn those_who_stay_say_nothing_or_do_not_read_keep_nobody_from_scraping() {
    let exporter = Exporter::start(config());
    let mut others = Vec::new();
    for number in 0..200 {
        let mut client = TcpStream::connect(("127.0.0.1", exporter.port)).unwrap();
        // Some may have been shown out already.
        let _ = match number % 4 {
            0 => Ok(()),
            1 => client.write_all(b"GET /metr"),
            2 => client.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
            _ => client.write_all(&[0xff; 500]),
        };
        others.push(client);
    }
    assert_eq!(ask(exporter.port, "GET /metrics", "").status(), 200);
    drop(others);
    // A whole head without end is no reason to keep it.
    let mut endless = TcpStream::connect(("127.0.0.1", exporter.port)).unwrap();
    endless
        .write_all(format!("GET /metrics HTTP/1.1\r\nX: {}", "a".repeat(20_000)).as_bytes())
        .unwrap();
    let mut first = [0; 12];
    endless.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 431");
}

#[test]
fn it_listens_in_several_places_by_name_and_address() {
    let (one, two) = (free_port(), free_port());
    let exporter = Exporter::start(Config {
        addresses: vec![format!("127.0.0.1:{one}"), format!("localhost:{two}")],
        ..config()
    });
    assert_eq!(ask(one, "GET /metrics", "").status(), 200);
    assert_eq!(
        ask_at(&format!("localhost:{two}"), "GET /metrics", "").status(),
        200
    );
    assert!(
        TcpStream::connect(("127.0.0.1", exporter.port)).is_err(),
        "these are all"
    );
}

#[test]
fn an_address_that_cannot_be_used_is_an_error_at_the_start_and_free_again_after_the_end() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = |config| {
        let started = Bench::start::<PrometheusExporterPlugin>(config, "/");
        started.err().unwrap().to_string()
    };
    let text = error(Config { port, ..config() });
    assert!(
        text.contains(&format!("127.0.0.1, port {port}")) && text.contains("another port"),
        "{text}"
    );
    // A place that is free does not listen if another one is not.
    let free = free_port();
    let text = error(Config {
        addresses: vec![format!("127.0.0.1:{free}"), "192.0.2.1:9091".to_owned()],
        ..config()
    });
    assert!(
        text.contains("192.0.2.1") && text.contains("`addresses`"),
        "{text}"
    );
    drop(TcpListener::bind(("127.0.0.1", free)).unwrap());
    let text = error(Config {
        host: "no-such-host.invalid".to_owned(),
        ..config()
    });
    assert!(text.contains("no-such-host.invalid"), "{text}");

    let config = config();
    for _ in 0..3 {
        drop(Exporter::start(config.clone()));
    }
}

#[test]
fn a_trial_says_whether_it_could_listen() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    for (host, port, verdict) in [
        ("127.0.0.1", free_port(), Verdict::Works),
        ("127.0.0.1", taken.local_addr().unwrap().port(), Verdict::Limited),
        ("192.0.2.1", 9091, Verdict::Broken),
    ] {
        let host_of_plugin = Host::trial(std::sync::Arc::new(SystemClock), "/");
        let mut context = StartContext::new(&host_of_plugin);
        let config = Config {
            host: host.to_owned(),
            port,
            ..Config::default()
        };
        PrometheusExporterPlugin::start(config, &mut context).unwrap();
        assert_eq!(context.findings()[0].verdict, verdict, "{:?}", context.findings());
        if verdict == Verdict::Works {
            drop(TcpListener::bind((host, port)).unwrap());
        }
    }
}
