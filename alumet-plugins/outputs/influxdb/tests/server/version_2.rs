//! The addresses and tokens of version 2: nginx brings them to a server of version 1, or VictoriaMetrics knows them.

use std::fs;
use std::process::Command;

use alumet_plugin_influxdb::{Config, InfluxdbPlugin, UnsignedAs};
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_http_delivery::testkit::local;
use alumet_shared_output_testkit::{
    Program, account, are_all, find, finish, free_port, has_said, run, until,
};

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::influx::{Influx, config};

/// An nginx that lets pass who has the token `right`.
fn front(influx: &Influx) -> Option<(Program, u16)> {
    let nginx = find("nginx", "apt-get install nginx-light")?;
    let port = free_port();
    let program = Program::start(port, |folder| {
        let folder = folder.display();
        let server = influx.port;
        let text = format!(
            r#"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{port};
        location = /api/v2/write {{
            if ($http_authorization != "Token right") {{
                return 401 '{{"code":"unauthorized","message":"unauthorized access"}}';
            }}
            proxy_pass http://127.0.0.1:{server}/write?db=$arg_bucket&precision=$arg_precision;
        }}
    }}
}}
"#
        );
        let path = format!("{folder}/nginx.conf");
        fs::write(&path, text).unwrap();
        let mut command = Command::new(nginx);
        command.args(["-c", &path]);
        command
    });
    Some((program, port))
}

#[test]
fn a_token_that_becomes_right_lets_everything_through_that_has_waited() {
    let Some(influx) = Influx::start("") else { return };
    let Some((_nginx, port)) = front(&influx) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "wrong").unwrap();
    let mut http = local();
    http.token_file = Some(token.clone());
    let config = Config {
        host: format!("http://127.0.0.1:{port}"),
        bucket: "samples".to_owned(),
        database: None,
        unsigned_as: Some(UnsignedAs::Integer),
        http,
        ..config(port)
    };
    let pipeline = run::<InfluxdbPlugin>(folder.path(), config, 0);
    until("it is refused", || {
        has_said(&pipeline, &["401", "unauthorized access", "token_file"])
    });
    fs::write(&token, "right\n").unwrap();
    until("it is let through", || !influx.numbers().is_empty());
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);
    assert!(are_all(&influx.numbers(), ledger.produced));
}

#[test]
fn victoria_metrics_takes_everything() {
    let Some(program) = find("victoria-metrics", "apt-get install victoria-metrics") else {
        return;
    };
    let port = free_port();
    let _program = Program::start(port, |folder| {
        let mut command = Command::new(program);
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        command.arg(format!("-storageDataPath={}", folder.join("data").display()));
        command
    });
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        database: None,
        ..config(port)
    };
    let pipeline = run::<InfluxdbPlugin>(folder.path(), config, 0);
    until("some are there", || {
        account(&pipeline.control().status().unwrap().ledger).delivered > 300
    });
    let ledger = finish(&pipeline);
    assert_eq!(account(&ledger).delivered, ledger.produced);

    let runtime = Runtime::new().unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let client = HttpClient::new("host", &url, &local()).unwrap();
    let get = |path| runtime.block_on(client.send(client.get(path))).unwrap().body;
    let numbers = || {
        // What has just come, it shows a little later.
        get("/internal/force_flush");
        let exported = get("/api/v1/export?match={__name__=\"number_value\"}");
        let mut numbers: Vec<u64> = Vec::new();
        for line in String::from_utf8_lossy(&exported).lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["metric"]["metric_kind"], "gauge");
            numbers.extend(
                line["values"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| value.as_u64().unwrap()),
            );
        }
        numbers.sort_unstable();
        numbers
    };
    until("all are there", || are_all(&numbers(), ledger.produced));
}
