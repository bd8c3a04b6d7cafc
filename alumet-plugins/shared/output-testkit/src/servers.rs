//! Real servers that several tests start; `None` if one is not installed.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use crate::program::{Program, find, free_port};

/// The body of what a server on this port of this machine answers to a line such as `GET /metrics`.
pub fn ask(port: u16, request: &str) -> String {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    write!(connection, "{request} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

/// The server of the output plugin of this name.
pub fn server_of(plugin: &str) -> Option<Program> {
    match plugin {
        "elasticsearch" => victoria_logs(),
        "influxdb" => influxdb(""),
        "mongodb" => nx_27017(),
        "opentelemetry" => rotel(&["--debug-log-verbosity", "detailed"]).map(|(rotel, _)| rotel),
        _ => None,
    }
}

/// The table of this plugin in a configuration, with such a server on this port.
pub fn table(plugin: &str, port: u16) -> String {
    let url = format!("'http://127.0.0.1:{port}'\nproxy = 'none'");
    let keys = match plugin {
        "elasticsearch" => format!(
            "server_url = 'http://127.0.0.1:{port}/insert/elasticsearch'\nproxy = 'none'\n\
             headers = {{ VL-Time-Field = '@timestamp' }}"
        ),
        "influxdb" => format!("host = {url}\ndatabase = 'samples'"),
        "opentelemetry" => format!("collector_host = {url}"),
        _ => format!("host = '127.0.0.1'\nport = {port}"),
    };
    format!("[plugins.{plugin}]\n{keys}\n")
}

/// An InfluxDB of version 1 with the database `samples`, and with these lines in the section `http`.
pub fn influxdb(http_lines: &str) -> Option<Program> {
    let program = find("influxd", "apt-get install influxdb")?;
    let (port, rpc) = (free_port(), free_port());
    let server = Program::start(port, |folder| {
        let at = |name: &str| format!("{:?}", folder.join(name));
        let text = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n\
             [meta]\ndir = {}\n[data]\ndir = {}\nwal-dir = {}\nquery-log-enabled = false\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n{http_lines}\n",
            at("meta"),
            at("data"),
            at("wal")
        );
        let path = folder.join("influxdb.conf");
        fs::write(&path, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-config").arg(path);
        command
    });
    ask(port, "POST /query?q=CREATE+DATABASE+samples");
    Some(server)
}

/// A VictoriaLogs, which understands the bulk API of Elasticsearch below `/insert/elasticsearch`.
pub fn victoria_logs() -> Option<Program> {
    let program = find(
        "victoria-logs",
        "go build ./app/victoria-logs in the sources of victoriametrics",
    )?;
    let port = free_port();
    Some(Program::start(port, |folder| {
        let mut command = Command::new(program);
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        command.arg(format!("-storageDataPath={}", folder.join("data").display()));
        command.args(["-retentionPeriod=100y", "-futureRetention=100y"]);
        command
    }))
}

/// A server that speaks the protocol of MongoDB.
pub fn nx_27017() -> Option<Program> {
    let program = find("nx-27017", "pip install nx-27017")?;
    let port = free_port();
    Some(Program::start(port, |folder| {
        let mut command = Command::new(program);
        command
            .args(["--db", "memory", "--host", "127.0.0.1", "-p", &port.to_string()])
            .arg("--log-file")
            .arg(folder.join("server.log"))
            .arg("--pid-file")
            .arg(folder.join("pid"));
        command
    }))
}

/// A Rotel, which is a collector of OpenTelemetry, with its port for HTTP; that of the program is for gRPC. It drops what comes,
/// after having written about it to its log as these arguments say.
pub fn rotel(arguments: &[&str]) -> Option<(Program, u16)> {
    let question = "import os, rotel; print(os.path.join(rotel.__path__[0], 'rotel-agent'))";
    let answer = Command::new("python3").args(["-c", question]).output();
    let answer = answer.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned());
    // It is inside of the Python module.
    let inside = answer.ok().map(PathBuf::from).filter(|path| path.is_file());
    let program = inside.or_else(|| find("rotel-agent", "pip install --pre rotel"))?;
    let (port, http) = (free_port(), free_port());
    let rotel = Program::start(port, |folder| {
        let mut command = Command::new(program);
        command
            .args(["start", "--exporter", "blackhole", "--debug-log", "metrics"])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{port}")])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .args(arguments)
            .arg("--pid-file")
            .arg(folder.join("pid"));
        command
    });
    Some((rotel, http))
}
