//! `/livez`, `/readyz` and `/metrics`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::metrics::parse;
use crate::program::{Folder, load, wait_until};

#[test]
fn an_agent_that_works_is_alive_and_ready_and_tells_its_metrics() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let (alive, ready) = (agent.get("/livez"), agent.get("/readyz"));
    assert_eq!((alive.status, alive.body.as_str()), (200, "ok\n"));
    assert_eq!((ready.status, ready.body.as_str()), (200, "ok\n"));

    let answer = agent.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(
        answer.headers.contains("content-type: text/plain; version=0.0.4"),
        "{}",
        answer.headers
    );
    let first = parse(&answer.body);
    let kernel = "alumet_element_calls_total{element=\"sources/procfs/kernel\"}";
    wait_until("more polls", || {
        let second = parse(&agent.get("/metrics").body);
        let grows = |name: &str| second[name] > first[name];
        assert!(second["alumet_uptime_seconds"] > first["alumet_uptime_seconds"]);
        (grows(kernel) && grows("alumet_samples_produced_total")).then_some(())
    });
    let now = agent.get("/metrics").body;
    let build = format!(
        "\nalumet_build_info{{program=\"alumet-agent\",version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(now.contains(&build), "{now}");
    let now = parse(&now);
    assert!(now["process_cpu_seconds_total"] > 0.0 && now["process_resident_memory_bytes"] > 1e6);
    agent.stop(Signal::SIGTERM).expect_code(0);
}

#[test]
fn the_metrics_tell_where_every_sample_is() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let metrics = wait_until("samples", || {
        let metrics = parse(&agent.get("/metrics").body);
        (metrics["alumet_samples_routed_total"] > 100.0).then_some(metrics)
    });
    let all = |name: &str| metrics[&format!("alumet_samples_{name}")];
    assert_eq!(
        all("produced_total") + all("added_total"),
        all("pending") + all("queued") + all("removed_total") + all("routed_total")
    );
    let output = |name: &str| metrics[&format!("alumet_samples_{name}{{element=\"outputs/csv/file\"}}")];
    assert_eq!(
        output("offered_total") + output("recovered_total"),
        output("delivered_total") + output("buffered")
    );
    assert!(output("offered_total") > 0.0 && output("spooled") <= output("buffered"));
    // Without its zero, the first loss would be no increase.
    let none = "alumet_samples_dropped_total{element=\"outputs/csv/file\",reason=\"queue_full\"}";
    assert_eq!(metrics[none], 0.0);
    agent.stop(Signal::SIGTERM).expect_code(0);
}

#[test]
fn other_paths_and_methods_are_refused_with_what_there_is() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let missing = agent.get("/healthz");
    assert_eq!(missing.status, 404);
    assert!(
        missing.body.contains("/livez, /readyz and /metrics"),
        "{}",
        missing.body
    );
    let refused = agent.request("POST", "/livez");
    assert_eq!(refused.status, 405);
    assert!(
        refused.headers.contains("allow: get, head"),
        "{}",
        refused.headers
    );
    let head = agent.request("HEAD", "/metrics");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn clients_that_say_nothing_or_rubbish_disturb_nobody() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let silent: Vec<_> = (0..8).map(|_| agent.connect()).collect();
    let mut half = agent.connect();
    half.write_all(b"GET /live").unwrap();
    let mut rubbish = agent.connect();
    rubbish.write_all(&[0xff; 3000]).unwrap();
    drop(agent.connect());
    assert_eq!(agent.get("/livez").status, 200);
    assert_eq!(agent.get("/readyz").status, 200);
    agent.stop(Signal::SIGTERM).expect_code(0);
    drop((silent, half, rubbish));
}

#[test]
fn clients_that_stay_or_only_connect_keep_nobody_from_an_answer() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let mut staying: Vec<_> = (0..40).map(|_| agent.connect()).collect();
    for client in &mut staying {
        client
            .write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            .unwrap();
        // It ends although the client would stay.
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let (address, many) = (agent.health_address(), open_files() / 2);
    let mut others = Vec::new();
    for number in 0..many.min(6000) {
        let mut client = TcpStream::connect(address).unwrap();
        if number % 2 == 1 {
            // It may have been shown out already.
            let _ = client.write_all(b"GET /livez HTTP/1.1\r\nX-Slow: ");
        }
        others.push(client);
    }
    assert_eq!(agent.get("/livez").status, 200);
    let open = std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    assert!(open.count() < 300);
    drop(others);
    agent.stop(Signal::SIGTERM).expect_code(0);
}

/// How many files this program may open, after it has asked for as many as it can get.
fn open_files() -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

#[test]
fn a_head_without_end_is_refused_before_it_fills_the_memory() {
    let folder = Folder::new();
    folder.write("alumet-config.toml", load());
    let mut agent = folder.start(&[]);
    let mut endless = agent.connect();
    let head = format!("GET /livez HTTP/1.1\r\nX-Long: {}", "a".repeat(20_000));
    endless.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    endless.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 431");
}

#[test]
fn an_agent_that_measures_or_writes_nothing_is_not_ready() {
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        format!("{}[plugins.socket-control]\n", load()),
    );
    let mut agent = folder.start(&[]);
    assert_eq!(agent.get("/readyz").status, 200);
    for (command, obstacle) in [
        (
            "pause sources/procfs",
            "every source is paused, so nothing is measured",
        ),
        ("pause outputs", "every output is paused, so nothing is written"),
        ("stop outputs", "there is no output, so nothing is written"),
    ] {
        let mut arguments = vec!["ctl"];
        arguments.extend(command.split(' '));
        folder.run(&arguments).expect_code(0);
        let ready = agent.get("/readyz");
        assert_eq!(ready.status, 503, "{command}");
        assert!(ready.body.contains(obstacle), "{command}: {}", ready.body);
    }
    // It still measures itself, which is no reason to go on.
    folder.run(&["ctl", "stop", "sources/procfs"]).expect_code(0);
    let ended = agent.wait();
    assert!(
        ended.stderr.contains("the end of the last source"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_the_address_and_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::new();
    folder.write(
        "alumet-config.toml",
        load().replace("127.0.0.1:0", &address.to_string()),
    );
    let ended = folder.run(&[]);
    ended.expect_code(1).expect_stderr(&[
        "error: ",
        "cannot listen",
        &address.to_string(),
        "health.address",
        "in use",
    ]);
    // Nothing was started that would have to be stopped, and no file was made.
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
    assert!(!folder.path("out.csv").exists());
}

#[test]
fn a_spool_without_a_disk_is_told_while_everything_is_measured_and_written() {
    let folder = Folder::new();
    // A folder is in the way of the file.
    std::fs::create_dir(folder.path("spool.db")).unwrap();
    let spool = "spool = { path = 'spool.db', durable = true }\n";
    folder.write("alumet-config.toml", format!("{spool}{}", load()));
    let mut agent = folder.start(&[]);
    wait_until("lines", || {
        (folder.read("out.csv").lines().count() > 300).then_some(())
    });
    let ready = agent.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("the spool works in memory only") && ready.body.contains("spool.db"),
        "{}",
        ready.body
    );
    assert!(agent.get("/metrics").body.contains("\nalumet_spool_fault 1\n"));
    assert_eq!(agent.get("/livez").status, 200);

    // Without a word to the agent, it goes on where it can.
    std::fs::remove_dir(folder.path("spool.db")).unwrap();
    wait_until("ready", || (agent.get("/readyz").status == 200).then_some(()));
    assert!(folder.path("spool.db").is_file());
    let ended = agent.stop(Signal::SIGTERM);
    ended.expect_code(0);
    let accounts = ended.accounts();
    assert_eq!((accounts.dropped, accounts.delivered), (0, accounts.produced));
}

#[test]
fn an_agent_whose_spool_went_back_is_not_ready_until_it_is_started_again() {
    let folder = Folder::new();
    let spool = "spool = { path = 'spool.db', durable = true }\n";
    folder.write("alumet-config.toml", format!("{spool}{}", load()));
    let measure = || {
        let mut agent = folder.start(&[]);
        agent.wait_until_measuring();
        let before = folder.read("out.csv").lines().count();
        wait_until("lines", || {
            (folder.read("out.csv").lines().count() > before + 100).then_some(())
        });
        agent
    };
    measure().stop(Signal::SIGTERM).expect_code(0);
    let older = std::fs::read(folder.path("spool.db")).unwrap();
    measure().stop(Signal::SIGTERM).expect_code(0);
    std::fs::write(folder.path("spool.db"), older).unwrap();

    let mut agent = measure();
    let ready = agent.get("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.body);
    let told = "the spool does not have any more what was written last: an older copy of it was put back";
    assert!(ready.body.contains(told), "{}", ready.body);
    assert!(ready.body.contains("check the disk"), "{}", ready.body);
    agent.stop(Signal::SIGTERM).expect_code(0);
    let mut agent = measure();
    assert_eq!(agent.get("/readyz").status, 200);
    agent.stop(Signal::SIGTERM).expect_code(0);
}
