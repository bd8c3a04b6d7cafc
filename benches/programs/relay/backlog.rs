//! A spool with a backlog: how long it takes to open, how fast it drains, and what it costs in memory.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alumet_core::Catalog;
use alumet_core::spool::{Spool, Spooled};
use alumet_shared_spool::{DiskSpool, SpoolConfig};

use crate::machine::Machine;
use crate::pipelines::GROUPS;
use crate::place::{Place, client_table, free_address};
use crate::process::{Kind, Process, Server};

const MIB: u64 = 1 << 20;
/// As the agent calls its output.
pub(crate) const OUTPUT: &str = "relay-client/out";
/// As much as a reader is asked for at once.
const READ_BYTES: usize = 1 << 20;

/// `mib`: how much waits.
pub(crate) fn run(mib: u64) {
    let place = Place::new();
    let samples = fill(&place.path("full.db"), mib * MIB);
    println!("{mib} MiB of records wait, {samples} samples");

    let copy = |name: &str| {
        place.folder(name);
        let path = place.path(name).join("spool.db");
        fs::copy(place.path("full.db"), &path).expect("a copy");
        path
    };
    drain(&copy("alone"), mib, false);
    drain(&copy("decoded"), mib, true);
    for name in ["alone", "decoded"] {
        let _ = fs::remove_dir_all(place.path(name));
    }

    copy("agent");
    relay(&place, Kind::Null, mib, samples);
}

pub(crate) fn config(path: &Path) -> SpoolConfig {
    SpoolConfig {
        path: Some(path.to_owned()),
        max_bytes: 1 << 40,
        ..SpoolConfig::default()
    }
}

/// Writes so many bytes of records; gives the samples in them.
fn fill(path: &Path, bytes: u64) -> u64 {
    let catalog = Catalog::new();
    let mut machine = Machine::new(&catalog, GROUPS);
    let spool = DiskSpool::open(config(path), catalog.clone());
    spool.reader(OUTPUT, Box::new(|| ()));
    let begin = Instant::now();
    loop {
        for batch in machine.batches(&catalog, 64) {
            spool.append(&Arc::new(batch));
        }
        assert!(spool.commit(Duration::from_secs(60)), "{:?}", spool.status());
        let status = spool.status();
        if status.bytes >= bytes {
            let seconds = begin.elapsed().as_secs_f64();
            let rate = (status.bytes / MIB) as f64 / seconds;
            println!("filled in {seconds:.0} s, {rate:.0} MiB/s, making the samples included");
            return status.samples;
        }
    }
}

/// Opens it and reads everything.
fn drain(path: &Path, mib: u64, is_decoded: bool) {
    let begin = Instant::now();
    let spool = DiskSpool::open(config(path), Catalog::new());
    let opened = begin.elapsed();
    let reader = spool.reader(OUTPUT, Box::new(|| ()));
    let begin = Instant::now();
    let (mut samples, mut looks) = (0, 0);
    let mut first = None;
    loop {
        let items = reader.read(READ_BYTES).expect("records");
        first.get_or_insert(begin.elapsed());
        let Some(last) = items.last().map(Spooled::last) else {
            break;
        };
        looks += 1;
        for item in &items {
            let Spooled::Record(record) = item else {
                panic!("a gap: {item:?}")
            };
            if is_decoded {
                reader.batch(record).expect("a batch");
            }
        }
        samples += reader.acknowledge(last, None);
    }
    spool.commit(Duration::from_secs(60));
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "opened in {:.3} s, first records after {:.3} s more; read{} in {seconds:.1} s: {:.0} MiB/s, {:.1} million samples/s ({looks} \
         looks)",
        opened.as_secs_f64(),
        first.unwrap_or_default().as_secs_f64(),
        if is_decoded { " and decoded" } else { "" },
        mib as f64 / seconds,
        samples as f64 / seconds / 1e6,
    );
}

/// An agent with the spool in `agent`: its memory while it waits for a server of some kind, and how fast it sends then.
pub(crate) fn relay(place: &Place, kind: Kind, mib: u64, samples: u64) {
    let address = free_address();
    let agent = |name: &str| {
        let folder = place.folder(name);
        let client = place.client_config(address, "node", true);
        let text = format!(
            "spool.path = 'spool.db'\nspool.max_size = '1 TiB'\n[plugins.procfs]\n{}",
            client_table(&client)
        );
        place.write(&format!("{name}/config.toml"), &text);
        let agent = Process::start("alumet-agent", &folder);
        std::thread::sleep(Duration::from_secs(8));
        println!(
            "agent with {name}: {:.1} MiB resident, {:.1} at most",
            agent.counted().resident_kib as f64 / 1024.0,
            agent.peak_mib()
        );
        agent
    };
    place.folder("nothing that waits");
    drop(agent("nothing that waits"));
    let _ = fs::rename(place.path("agent"), place.path("the backlog"));
    let agent = agent("the backlog");

    let server = Server::start_at(place, "server", kind, true, address);
    let start = Instant::now();
    // The agent may be in the middle of a pause between two attempts.
    while server.written() == 0 && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let found = start.elapsed().as_secs_f64();
    let begin = Instant::now();
    let cpu = (agent.counted().cpu_nanos, server.process.counted().cpu_nanos);
    while server.written() < samples {
        if begin.elapsed() > Duration::from_secs(600) {
            println!(
                "not drained: {} of {samples}\n{}",
                server.written(),
                agent.complaints()
            );
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let seconds = begin.elapsed().as_secs_f64();
    let used = |nanos: u64| nanos as f64 / samples as f64;
    println!(
        "found the server after {found:.1} s, drained through the relay with TLS in {seconds:.1} s: {:.0} MiB/s, {:.1} million samples/s; CPU per sample: agent {:.1} \
         ns, server {:.1} ns; at most: agent {:.1} MiB, server {:.1} MiB",
        mib as f64 / seconds,
        samples as f64 / seconds / 1e6,
        used(agent.counted().cpu_nanos - cpu.0),
        used(server.process.counted().cpu_nanos - cpu.1),
        agent.peak_mib(),
        server.process.peak_mib(),
    );
}
