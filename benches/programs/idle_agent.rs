//! What an agent costs: `cargo build --release -p alumet-agent && cargo run --release -p alumet-benches --bin
//! idle-agent [SECONDS [CGROUPS MILLIS [k8s]]]`.
//!
//! Runs the release agent, with its default plugins at 1 Hz, and reads what the kernel counted for it. With CGROUPS, it
//! measures so many idle control groups every MILLIS milliseconds instead; with k8s, these are pods, whose names an API server on
//! the loopback tells.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program of the benchmarks talks to whoever runs it"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use alumet_benches::counted::{Counted, agent};
use alumet_benches::groups::{Groups, pod_uid};

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let are_pods = arguments.pop_if(|last| last == "k8s").is_some();
    let numbers: Vec<u32> = arguments
        .iter()
        .map(|text| text.parse().expect("a number"))
        .collect();
    let seconds = numbers.first().copied().unwrap_or(30);
    let groups = match numbers[..] {
        [_, cgroups, millis] => {
            let make = if are_pods { Groups::make_pods } else { Groups::make };
            Some((make(cgroups).expect("control groups"), cgroups, millis))
        }
        _ => None,
    };
    let agent = agent();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("alumet-config.toml");
    let text = match groups {
        Some((_, cgroups, millis)) if are_pods => pods_config(cgroups, millis),
        Some((_, _, millis)) => groups_config(millis),
        None => default_config(&agent),
    };
    std::fs::write(&config, text).expect("a configuration file");
    let mut child = Command::new(&agent)
        .arg("--config")
        .arg(&config)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("the agent");
    // The start is not idle.
    std::thread::sleep(Duration::from_secs(3));
    let (before, lines_before) = (Counted::read(child.id()), lines(folder.path()));
    std::thread::sleep(Duration::from_secs(seconds.into()));
    let (after, lines_after) = (Counted::read(child.id()), lines(folder.path()));
    Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .expect("kill");
    child.wait().expect("the end of the agent");
    let per_second = |count: u64| count as f64 / f64::from(seconds);
    println!(
        "{:.1} wake-ups/s, {:.2} % of a core, {:.1} MiB resident, {} threads, {} descriptors, {:.1} lines/s",
        per_second(after.wakeups - before.wakeups),
        per_second(after.cpu_nanos - before.cpu_nanos) / 1e7,
        after.resident_kib as f64 / 1024.0,
        after.threads,
        after.descriptors,
        per_second(lines_after - lines_before),
    );
    if let Some((_, cgroups, millis)) = groups {
        let readings = f64::from(cgroups) / f64::from(millis) * 1e3;
        println!(
            "{:.2} us of CPU per reading",
            per_second(after.cpu_nanos - before.cpu_nanos) / readings / 1e3
        );
    }
}

/// The control groups of this process, and nothing else.
fn groups_config(millis: u32) -> String {
    format!(
        "[plugins.cgroups]\npoll_interval = '{millis}ms'\nhierarchy = 'v2'\ninclude = ['{}']\n\n[plugins.csv]\n",
        Groups::pattern()
    )
}

/// The pods of this process, and nothing else.
fn pods_config(pods: u32, millis: u32) -> String {
    format!(
        "[plugins.k8s]\npoll_interval = '{millis}ms'\nhierarchy = 'v2'\npath = '/{}/kubepods.slice'\nk8s_node = 'bench'\n\
         k8s_api_url = 'http://{}'\nstart_spread = '0s'\n\n[plugins.csv]\n",
        Groups::name(),
        serve_names(pods)
    )
}

/// An API server that tells the names of so many pods, after which nothing changes; gives its address.
fn serve_names(pods: u32) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("its address");
    let pod = |number| {
        let uid = pod_uid(number);
        format!(
            r#"{{"metadata":{{"name":"pod-{number}","namespace":"bench","uid":"{uid}"}},"spec":{{"nodeName":"bench"}}}}"#
        )
    };
    let items = (0..pods).map(pod).collect::<Vec<_>>().join(",");
    let list = format!(
        r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"1"}},"items":[{items}]}}"#
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, list) = (stream.expect("a connection"), list.clone());
            std::thread::spawn(move || answer(&mut stream, &list));
        }
    });
    address
}

fn answer(stream: &mut TcpStream, list: &str) {
    let mut lines = BufReader::new(stream.try_clone().expect("a descriptor")).lines();
    while let Some(Ok(request)) = lines.next() {
        for header in lines.by_ref() {
            if header.is_ok_and(|header| header.is_empty()) {
                break;
            }
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let _ = match request.contains("watch=") {
            // Nothing happens.
            true => write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\n"),
            false => write!(stream, "{head}Content-Length: {}\r\n\r\n{list}", list.len()),
        };
    }
}

/// The default configuration, in which every interval is one second.
fn default_config(agent: &Path) -> String {
    let text = Command::new(agent)
        .args(["config", "default"])
        .output()
        .expect("the default configuration")
        .stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    let text: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((key @ ("poll_interval" | "flush_interval" | "refresh_interval"), _)) => {
                format!("{key} = \"1s\"")
            }
            _ => line.to_owned(),
        })
        .collect();
    text.join("\n")
}

fn lines(folder: &Path) -> u64 {
    let text = std::fs::read_to_string(folder.join("alumet-output.csv")).unwrap_or_default();
    text.lines().count() as u64
}
