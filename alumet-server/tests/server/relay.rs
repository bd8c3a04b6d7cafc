//! From an agent to the file of the server.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use alumet_shared_http_delivery::testkit::TestServer;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::certs::snippet;
use crate::process::{Process, agent, server};
use crate::program::Folder;

/// The lines of a CSV file by what they say, with how often they are there. Attributes are sorted, wherever they stand.
fn lines(csv: &str) -> BTreeMap<Vec<String>, usize> {
    let mut rows = csv.lines().map(|line| line.split(';').collect::<Vec<_>>());
    let header = rows.next().unwrap_or_default();
    let mut lines = BTreeMap::new();
    for row in rows {
        assert_eq!(row.len(), header.len(), "{row:?}");
        let (fixed, attributes) = row.split_at(7);
        let mut attributes: Vec<String> = header[7..]
            .iter()
            .zip(attributes)
            .flat_map(|(name, value)| match *name {
                "__late_attributes" => value.split(',').map(str::to_owned).collect(),
                _ if value.is_empty() => Vec::new(),
                _ => vec![format!("{name}={value}")],
            })
            .filter(|attribute| !attribute.is_empty())
            .collect();
        attributes.sort();
        let line = fixed.iter().map(|field| (*field).to_owned()).chain(attributes);
        *lines.entry(line.collect()).or_default() += 1;
    }
    lines
}

/// Those that come from `node`, without its name; what the server itself says about the node is left out.
fn of_node(csv: &str, node: &str) -> BTreeMap<Vec<String>, usize> {
    let attribute = format!("node={node}");
    let from_node = |(line, count): (Vec<String>, usize)| {
        let at = line.iter().position(|part| *part == attribute)?;
        let mut line = line;
        line.remove(at);
        (!line[0].starts_with("relay_")).then_some((line, count))
    };
    lines(csv).into_iter().filter_map(from_node).collect()
}

/// Starts a server that listens there; gives its address, too.
fn start_server(folder: &Folder, listen: &str) -> (Process, String) {
    let arguments = ["--config", "server.toml", "--relay-in", listen];
    let mut process = Process::start(&server(), folder.root(), "server.log", &arguments);
    let address = address(&mut process, "listening for agents");
    (process, address)
}

/// The address in the line of its log that says `what`.
fn address(process: &mut Process, what: &str) -> String {
    process.wait_for(what, |log| {
        let line = log.lines().find(|line| line.contains(what))?;
        let rest = line.split("address=").nth(1)?;
        Some(rest.split_whitespace().next()?.to_owned())
    })
}

/// Whether the health endpoint at an address says that all is well.
fn is_alive(health: &str) -> bool {
    let mut client = TcpStream::connect(health).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client
        .write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).unwrap();
    &first == b"HTTP/1.1 200"
}

/// Waits until the file holds a line of the node.
fn wait_for_samples(folder: &Folder, file: &str, node: &str) {
    let begin = Instant::now();
    while of_node(&folder.read_or_empty(file), node).is_empty() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "nothing arrives:\n{}\n{}",
            folder.read_or_empty("agent.log"),
            folder.read_or_empty("server.log")
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the agent has written itself and what the server has written of it are the same.
fn expect_same(folder: &Folder, node: &str) {
    let sent = lines(&folder.read("agent.csv"));
    let received = of_node(&folder.read("server.csv"), node);
    assert!(sent.len() > 20, "the agent has measured something: {sent:?}");
    let missing: Vec<_> = sent
        .iter()
        .filter(|(line, count)| received.get(*line) != Some(count))
        .collect();
    let added: Vec<_> = received.keys().filter(|line| !sent.contains_key(*line)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {missing:#?}",
        missing.len(),
        sent.len()
    );
    assert!(added.is_empty(), "nobody has sent {added:#?}");
}

const AGENT: &str = "[plugins.procfs]\n\n[plugins.csv]\noutput_path = \"agent.csv\"\n\n";

/// Lets an agent send some samples to a server with these tables, and ends both.
fn measure_through_a_server(folder: &Folder, tables: &str) {
    let csv = "[plugins.csv]\noutput_path = \"server.csv\"\n";
    folder.write("server.toml", &format!("{tables}{csv}"));
    folder.write(
        "agent.toml",
        &format!("{AGENT}[plugins.relay-client]\nclient_name = \"n1\"\n"),
    );
    let (server, address) = start_server(folder, "127.0.0.1:0");
    let arguments = ["--config", "agent.toml", "--relay-out", &address];
    let agent = Process::start(&agent(), folder.root(), "agent.log", &arguments);
    wait_for_samples(folder, "server.csv", "n1");
    agent.end();
    server.end();
}

#[test]
fn every_sample_of_an_agent_is_once_in_the_file_of_the_server() {
    let folder = Folder::new();
    measure_through_a_server(&folder, "");
    expect_same(&folder, "n1");
}

#[test]
fn a_session_of_an_agent_is_a_span_of_the_server() {
    let folder = Folder::new();
    let collector = TestServer::answering(|_| ("200 OK", String::new())).unwrap();
    let table = format!(
        "[telemetry]\nendpoint = \"{}\"\nprotocol = \"http\"\nproxy = \"none\"\n",
        collector.url()
    );
    measure_through_a_server(&folder, &table);
    let received = collector.received();
    let traces = received
        .iter()
        .filter(|request| request.line.contains("/v1/traces"));
    let spans: Vec<Span> = traces
        .flat_map(|request| {
            ExportTraceServiceRequest::decode(&*request.body)
                .unwrap()
                .resource_spans
        })
        .flat_map(|of_resource| of_resource.scope_spans)
        .flat_map(|of_scope| of_scope.spans)
        .collect();
    let session = spans.iter().find(|span| span.name == "relay session").unwrap();
    let node = session.attributes.iter().find(|pair| pair.key == "node");
    let node = node.and_then(|pair| pair.value.clone()?.value);
    assert_eq!(node, Some(Value::StringValue("n1".to_owned())));
    assert!(spans.iter().any(|span| span.name == "deliver"), "{spans:#?}");
}

/// Without what is being written.
fn whole_lines(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

/// Changes a byte of every third record that waits in a spool which nobody uses.
fn damage_records(spool: &Path) {
    let file = rusqlite::Connection::open(spool).unwrap();
    let mut statement = file
        .prepare("SELECT payload FROM records WHERE sequence % 3 = 0")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    let payloads: Vec<Vec<u8>> = rows.map(Result::unwrap).collect();
    drop(statement);
    // The journal goes into the file.
    file.close().unwrap();
    assert!(payloads.len() > 3, "some records are acknowledged and wait");
    let mut content = fs::read(spool).unwrap();
    for payload in payloads {
        // The beginning of a long one has its own page.
        let start = &payload[..payload.len().min(200)];
        let at = content.windows(start.len()).position(|bytes| bytes == start);
        content[at.unwrap() + start.len() - 1] ^= 0x55;
    }
    fs::write(spool, content).unwrap();
}

#[test]
fn what_is_damaged_in_the_spool_of_the_server_comes_again_from_the_agent() {
    let folder = Folder::new();
    // Nothing is ever written there.
    folder.write(
        "server.toml",
        "spool.path = \"spool.db\"\n[plugins.csv]\noutput_path = \"/dev/full\"\n",
    );
    let often = "[plugins.procfs]\nkernel.poll_interval = \"50ms\"\nmemory.poll_interval = \"50ms\"\n\n\
                 [plugins.csv]\noutput_path = \"agent.csv\"\n\n[plugins.relay-client]\nclient_name = \"n1\"\n\
                 retry.max_delay = \"500ms\"\n";
    folder.write("agent.toml", often);
    let (server, address) = start_server(&folder, "127.0.0.1:0");
    let arguments = ["--config", "agent.toml", "--relay-out", &address];
    let agent = Process::start(&agent(), folder.root(), "agent.log", &arguments);
    let begin = Instant::now();
    let journal = || fs::metadata(folder.path("spool.db-wal")).map_or(0, |file| file.len());
    while journal() < 512 << 10 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{}",
            folder.read("agent.log")
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    server.kill();
    let sent = lines(whole_lines(&folder.read("agent.csv")));
    damage_records(&folder.path("spool.db"));

    folder.write(
        "server.toml",
        "spool.path = \"spool.db\"\n[plugins.csv]\noutput_path = \"server.csv\"\n",
    );
    let (mut server, _) = start_server(&folder, &address);
    server.wait_for("damage", |log| {
        log.contains("cannot be read any more").then_some(())
    });
    let begin = Instant::now();
    loop {
        let received = of_node(whole_lines(&folder.read_or_empty("server.csv")), "n1");
        if sent.iter().all(|(line, count)| received.get(line) >= Some(count)) {
            break;
        }
        let logs = || format!("{}\n{}", folder.read("agent.log"), server.log());
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", logs());
        std::thread::sleep(Duration::from_millis(50));
    }
    agent.end();
    server.end();
    expect_same(&folder, "n1");
    assert!(!folder.read("server.csv").contains("relay_gap_samples"));
}

/// A frame of HTTP/2 (RFC 9113, section 4.1) for the whole connection.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, 0], payload].concat()
}

#[test]
fn whoever_connects_cannot_fill_the_log() {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const ACK: u8 = 1;
    let folder = Folder::new();
    folder.write("server.toml", "[plugins.csv]\noutput_path = \"server.csv\"\n");
    let (server, address) = start_server(&folder, "127.0.0.1:0");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, &[]));
    // The library warns of each answer to a question that it has not asked.
    (0..2000).for_each(|_| sent.extend(frame(PING, ACK, &[0; 8])));
    sent.extend(frame(PING, 0, &[7; 8]));
    stream.write_all(&sent).unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let mut payload = vec![0; usize::from(head[2])];
        stream.read_exact(&mut payload).unwrap();
        if head[3] == PING && payload == [7; 8] {
            break;
        }
    }
    let log = server.log();
    assert!(log.contains("only counted for a while"), "{log}");
    assert!(log.lines().count() < 60, "{log}");
    drop(stream);
    server.end();
}

#[test]
fn whoever_connects_leaves_files_to_the_rest_of_the_program() {
    let folder = Folder::new();
    let config = "health.address = \"127.0.0.1:0\"\n[plugins.relay-server]\naddress = \"127.0.0.1:0\"\n\
                  handshake_timeout = \"10m\"\n[plugins.csv]\noutput_path = \"server.csv\"\n";
    folder.write("server.toml", config);
    let program = server();
    let limited = [
        "-c",
        "ulimit -n 150; exec \"$0\" --config server.toml",
        program.to_str().unwrap(),
    ];
    let mut server = Process::start(Path::new("/bin/sh"), folder.root(), "server.log", &limited);
    let relay = address(&mut server, "listening for agents");
    let health = address(&mut server, "health is served");
    let connected: Vec<_> = (0..300).map(|_| TcpStream::connect(&relay).unwrap()).collect();
    assert!(is_alive(&health));
    assert!(server.log().contains("needed=13334"), "{}", server.log());
    drop(connected);
    server.end();
}

#[test]
fn the_certificates_and_snippets_of_certs_make_a_connection_of_both_sides() {
    let folder = Folder::new();
    let init = folder.run(&["certs", "init", "pki", "--name", "127.0.0.1"]);
    let issue = folder.run(&["certs", "issue", "pki", "node-1"]);
    let server_snippet = snippet(&init.expect_code(0).stdout);
    folder.write(
        "server.toml",
        &format!("{server_snippet}\n[plugins.csv]\noutput_path = \"server.csv\"\n"),
    );
    folder.write(
        "agent.toml",
        &format!("{AGENT}{}", snippet(&issue.expect_code(0).stdout)),
    );

    let (server, address) = start_server(&folder, "127.0.0.1:0");
    let arguments = ["--config", "agent.toml", "--relay-out", &address];
    let agent = Process::start(&agent(), folder.root(), "agent.log", &arguments);
    wait_for_samples(&folder, "server.csv", "node-1");
    agent.end();
    server.end();
    expect_same(&folder, "node-1");
}

#[test]
fn over_ipv6_in_plain_text_and_with_certificates_every_sample_arrives_once() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6: nothing is tried");
        return;
    }
    let output = "health.address = \"[::1]:0\"\n[plugins.csv]\noutput_path = \"server.csv\"\n";
    for is_encrypted in [false, true] {
        let folder = Folder::new();
        let (mut of_server, mut of_agent) = (output.to_owned(), AGENT.to_owned());
        let (mut listen, mut scheme) = ("[::1]:0", "");
        if is_encrypted {
            let init = folder.run(&["certs", "init", "pki", "--name", "::1"]);
            let issue = folder.run(&["certs", "issue", "pki", "n6"]);
            of_server += &snippet(&init.expect_code(0).stdout);
            of_agent += &snippet(&issue.expect_code(0).stdout);
            (listen, scheme) = ("[::]:0", "https://");
        } else {
            of_agent += "[plugins.relay-client]\nclient_name = \"n6\"\n";
        }
        folder.write("server.toml", &of_server);
        folder.write("agent.toml", &of_agent);
        let (mut server, address) = start_server(&folder, listen);
        let port = address.rsplit(':').next().unwrap();
        let address_of_server = format!("{scheme}[::1]:{port}");
        let arguments = ["--config", "agent.toml", "--relay-out", &address_of_server];
        let agent = Process::start(&agent(), folder.root(), "agent.log", &arguments);
        wait_for_samples(&folder, "server.csv", "n6");
        let health = self::address(&mut server, "health is served");
        assert!(health.starts_with("[::1]:") && is_alive(&health), "{health}");
        agent.end();
        server.end();
        expect_same(&folder, "n6");
    }
}
