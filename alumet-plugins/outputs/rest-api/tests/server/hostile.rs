use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alumet_plugin_rest_api::{Config, QueryLimits};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::rig::{Answer, Server, config, documented};

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Connections on which nothing is ever said, until this is dropped. They are those of another process, because a process may not have
/// as many files as both ends need.
struct Silent(Child);

impl Silent {
    /// Returns when all are accepted, or wait for it.
    fn connect(server: &Server, count: u32) -> Self {
        const SCRIPT: &str = "ulimit -n $(ulimit -Hn)
            for ((made = 0; made < $1; made++)); do exec {socket}<>/dev/tcp/127.0.0.1/$0 || exit; done
            echo; read -r";
        let mut child = Command::new("bash")
            .args(["-c", SCRIPT, &server.port.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        let said = child.stdout.as_mut().unwrap().read_exact(&mut line);
        let silent = Self(child);
        said.unwrap();
        silent
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ids_and_paths_lead_nowhere_else() {
    let server = Server::with_gpus(config());
    for path in [
        "/api/v1/gpus/..%2F..%2F..%2Fetc%2Fpasswd",
        "/api/v1/gpus/%2e%2e/telemetry",
        "/swagger/..%2f..%2f..%2fetc/passwd",
        "/swagger/../../etc/passwd",
        "//etc/passwd",
        "/api/v1/gpus/%00",
        "/api/v1/gpus/%ff",
        "/api/v1/hosts/%2e%2e%2f/gpus",
    ] {
        let answer = server.get(path);
        assert!([400, 404].contains(&answer.status()), "{path}: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("root:"), "{path}");
    }
}

#[test]
fn an_address_or_a_body_of_megabytes_is_refused_and_the_next_client_served() {
    let server = Server::with_gpus(config());
    let mut stream = connect(&server);
    let long = "x".repeat(10 << 20);
    // The server need not read all of it.
    let _ = write!(stream, "GET /api/v1/gpus?a={long} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut first = [0; 12];
    if stream.read_exact(&mut first).is_ok() {
        assert!(first.ends_with(b"431") || first.ends_with(b"414"), "{first:?}");
    }
    let length = format!("Content-Length: {}\r\n", 10 << 20);
    let answer = server.ask("POST /api/v1/gpus", &length);
    assert_eq!(answer.status(), 413);
    assert!(answer.message().contains("at most 1048576 bytes"));
    let answer = server.ask("DELETE /api/v1/gpus", "");
    assert_eq!(answer.status(), 405);
    assert!(answer.header("allow").unwrap().contains("GET"));
    assert!(answer.message().contains("not allowed"));
    assert_eq!(server.get("/api/v1/gpus").status(), 200);
}

#[test]
fn a_connection_serves_many_requests() {
    let server = Server::with_gpus(config());
    let mut stream = connect(&server);
    for _ in 0..3 {
        write!(stream, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = vec![0; 1 << 12];
        let count = stream.read(&mut answer).unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
    }
    write!(
        stream,
        "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    assert_eq!(Answer::read(&mut stream).status(), 200);
}

#[test]
fn a_client_that_sends_its_request_slowly_is_cut_off_and_delays_nobody() {
    let server = Server::with_gpus(config());
    let mut slow = connect(&server);
    write!(slow, "GET /livez HTT").unwrap();
    assert_eq!(server.get("/livez").status(), 200);
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

#[test]
fn ten_thousand_who_only_connect_keep_nobody_from_asking() {
    let server = Server::with_gpus(Config {
        max_connections: 64,
        ..config()
    });
    let _silent = Silent::connect(&server, 10_000);
    for _ in 0..5 {
        assert_eq!(server.get("/api/v1/gpus").status(), 200);
    }
}

#[test]
fn ten_thousand_idle_connections_stand_at_once_while_others_ask_and_then_are_gone() {
    /// How many file descriptors this process has.
    fn descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }
    let server = Server::with_gpus(Config {
        max_connections: 12_000,
        ..config()
    });
    let before = descriptors();
    let _silent = Silent::connect(&server, 10_000);
    let standing = descriptors() - before;
    for _ in 0..5 {
        assert_eq!(server.get("/api/v1/gpus").status(), 200);
    }
    // On a machine that is slow, the first have been silent for too long when the last one comes.
    assert!(standing > 2_000, "{standing}");
    let begin = Instant::now();
    while descriptors() > before + 10 {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", descriptors());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.get("/api/v1/gpus").status(), 200);
}

#[test]
fn a_client_that_asks_now_and_then_is_not_put_out_for_those_who_do_not() {
    let server = Server::with_gpus(Config {
        max_connections: 4,
        ..config()
    });
    let mut active = connect(&server);
    let mut idle = Vec::new();
    for _ in 0..8 {
        write!(active, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        active.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(b"200"), "{}", idle.len());
        let mut rest = Vec::new();
        while !rest.ends_with(b"}") {
            rest.push(0);
            let end = rest.len() - 1;
            active.read_exact(&mut rest[end..]).unwrap();
        }
        idle.push(connect(&server));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_question_beyond_the_limits_is_refused_with_what_to_ask_instead() {
    let server = Server::with_gpus(Config {
        query: QueryLimits {
            max_samples: 15,
            ..QueryLimits::default()
        },
        ..config()
    });
    let answer = server.get("/api/v1/gpus/gpu-001/telemetry");
    assert_eq!(answer.status(), 422);
    assert!(answer.message().contains("15 samples"));
    let narrow = "/api/v1/gpus/gpu-001/telemetry?start_time=2026-01-01T00:00:05Z";
    assert_eq!(server.get(narrow).status(), 200);
}

#[test]
fn no_parameters_whatever_they_are_are_a_fault_of_the_server() {
    let server = Server::with_gpus(config());
    let asked = documented(&server);
    let value = prop_oneof![
        ".{0,12}",
        "-?[0-9]{1,22}(\\.[0-9]{1,3})?",
        "now(-[0-9]{1,20}[smhdw])?",
        "[a-z_]{1,8}(=|!=|=~|!~)[(|).*a-z]{0,6}",
        "[0-9]{1,3}(ms|s|m|h|d|w)",
        "(sum|rate|mean|p99|last|node|csv|9999-12-31T23:59:59Z|-0001-01-01T00:00:00Z)",
    ];
    let question = (
        any::<prop::sample::Index>(),
        "[^/?# ]{0,10}",
        prop::collection::vec((any::<prop::sample::Index>(), value), 0..4),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(400));
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect::<String>()
    };
    runner
        .run(&question, |(path, id, given)| {
            let (path, names) = path.get(&asked);
            let id = if id.is_empty() {
                "gpu-001".to_owned()
            } else {
                encode(&id)
            };
            let path = path.replace("{id}", &id).replace("{hostname}", &id);
            let query = given
                .iter()
                .filter(|_| !names.is_empty())
                .map(|(name, value)| format!("{}={}", name.get(names), encode(value)));
            let query: Vec<_> = query.collect();
            let answer = server.get(&format!("{path}?{}", query.join("&")));
            prop_assert!(
                [200, 400, 404, 422].contains(&answer.status()),
                "{path}?{}: {answer:?}",
                query.join("&")
            );
            if answer.status() != 200 {
                prop_assert!(!answer.message().is_empty());
            }
            Ok(())
        })
        .unwrap();
}
