//! The reader of a pipe does not keep up.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::libc::O_NONBLOCK;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::csv;
use crate::metrics::Metrics;
use crate::program::{Agent, Folder, load, wait_until};

/// Reads a named pipe only when it is told to.
struct Reader {
    pipe: File,
    text: Vec<u8>,
}

impl Reader {
    fn open(path: &Path) -> Self {
        mkfifo(path, Mode::S_IRWXU).unwrap();
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(path)
            .unwrap();
        Self {
            pipe,
            text: Vec::new(),
        }
    }

    /// Takes what is there; says whether a writer is still there.
    fn read(&mut self) -> bool {
        match self.pipe.read_to_end(&mut self.text) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                true
            }
        }
    }

    /// Takes what is there until `agent` has ended.
    fn read_until_the_end(&mut self, agent: &mut Agent) {
        wait_until("the end", || {
            self.read();
            agent.has_ended().then_some(())
        });
        assert!(!self.read(), "the pipe must be closed");
    }

    fn lines(&self) -> Vec<csv::Line> {
        csv::parse(std::str::from_utf8(&self.text).unwrap())
    }
}

fn start(folder: &Folder, queue: &str) -> Agent {
    let config = load().replace(
        "output_path = 'out.csv'",
        &format!("output_path = 'out.csv'\n{queue}"),
    );
    folder.write("alumet-config.toml", config);
    folder.start(&[])
}

fn metrics(agent: &mut Agent) -> Metrics {
    crate::metrics::parse(&agent.get("/metrics").body)
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_them_exactly() {
    let folder = Folder::new();
    let mut reader = Reader::open(&folder.path("out.csv"));
    let mut agent = start(&folder, "queue = { capacity = 1000, on_full = 'drop_oldest' }");
    let queue_full = "alumet_samples_dropped_total{element=\"outputs/csv/file\",reason=\"queue_full\"}";
    let dropped = wait_until("drops", || {
        metrics(&mut agent)
            .get(queue_full)
            .copied()
            .filter(|count| *count > 500.0)
    });

    wait_until("the queue to drain", || {
        reader.read();
        (metrics(&mut agent)["alumet_samples_buffered{element=\"outputs/csv/file\"}"] < 100.0).then_some(())
    });
    agent.signal(Signal::SIGTERM);
    reader.read_until_the_end(&mut agent);
    let ended = agent.wait();
    ended.expect_code(0);
    let accounts = ended.accounts();
    assert!(accounts.dropped as f64 >= dropped);
    assert_eq!(reader.lines().len() as u64, accounts.delivered);
    let told = reader
        .lines()
        .iter()
        .any(|line| line.text.contains(";queue_full;"));
    assert!(told, "the samples themselves must tell of the drops");
}

/// An agent whose sources wait for the output, which waits for its reader.
fn standing_still(folder: &Folder) -> Agent {
    let config = "queue = { capacity = 1000, on_full = 'block' }";
    let text = load().replace(
        "output_path = 'out.csv'",
        &format!("output_path = 'out.csv'\n{config}"),
    );
    folder.write(
        "alumet-config.toml",
        format!("pipeline.ingest_capacity = 1000\n{text}"),
    );
    let mut agent = folder.start(&[]);
    let buffered = "alumet_samples_buffered{element=\"outputs/csv/file\"}";
    wait_until("a standstill", || {
        let before = metrics(&mut agent);
        std::thread::sleep(Duration::from_millis(200));
        let after = metrics(&mut agent);
        let produced = "alumet_samples_produced_total";
        (before[buffered] > 900.0 && before[produced] == after[produced]).then_some(())
    });
    agent
}

#[test]
fn a_full_queue_that_blocks_loses_nothing_but_misses_ticks() {
    let folder = Folder::new();
    let mut reader = Reader::open(&folder.path("out.csv"));
    let mut agent = standing_still(&folder);
    assert_eq!(agent.get("/livez").status, 200, "it waits on purpose");

    wait_until("ticks that were missed", || {
        reader.read();
        (metrics(&mut agent)["alumet_ticks_missed_total{element=\"sources/procfs/kernel\"}"] > 10.0)
            .then_some(())
    });
    agent.signal(Signal::SIGTERM);
    reader.read_until_the_end(&mut agent);
    let ended = agent.wait();
    ended.expect_code(0);
    let accounts = ended.accounts();
    assert_eq!(accounts.dropped, 0);
    assert_eq!(reader.lines().len() as u64, accounts.produced);
}

#[test]
fn an_answer_that_takes_long_costs_one_thread_and_is_not_taken_by_those_who_connect() {
    let folder = Folder::new();
    let mut reader = Reader::open(&folder.path("out.csv"));
    let mut agent = standing_still(&folder);
    // The poll threads do not answer before the output goes on.
    let mut asking: Vec<_> = (0..60).map(|_| agent.connect()).collect();
    for client in &mut asking {
        client
            .write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
    }
    // Time to read what they ask, also on a busy machine: who has not asked goes first.
    std::thread::sleep(Duration::from_secs(2));
    let silent: Vec<_> = (0..300).map(|_| agent.connect()).collect();
    assert!(agent.get("/metrics").status == 200);
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let threads = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"))
        .unwrap();
    assert!(threads.trim().parse::<usize>().unwrap() < 30, "{threads} threads");
    let answered = std::thread::spawn(move || {
        for mut client in asking {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    });
    wait_until("all answers", || {
        reader.read();
        answered.is_finished().then_some(())
    });
    answered.join().unwrap();
    drop(silent);
}

#[test]
fn a_reader_that_comes_back_gets_a_header_and_whole_lines() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut first = Reader::open(&path);
    let mut agent = start(&folder, "");
    wait_until("lines", || {
        first.read();
        (first.text.len() > 50_000).then_some(())
    });
    drop(first);
    agent.wait_for_log("nobody reads out.csv");
    assert_eq!(agent.get("/readyz").status, 503);

    let pipe = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(&path)
        .unwrap();
    let mut second = Reader {
        pipe,
        text: Vec::new(),
    };
    wait_until("the recovery", || {
        second.read();
        (agent.get("/readyz").status == 200).then_some(())
    });
    agent.signal(Signal::SIGTERM);
    second.read_until_the_end(&mut agent);
    let ended = agent.wait();
    ended.expect_code(0);
    assert_eq!(ended.accounts().dropped, 0);
    assert!(!second.lines().is_empty());
}
