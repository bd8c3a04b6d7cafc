//! Connections on which nothing is said.

use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use alumet_benches::counted::Counted;
use alumet_shared_http_server::most_connections;

use crate::connection::{Connection, get};
use crate::requests::millis;
use crate::server::Server;

/// Opens so many, and asks now and then on another.
pub(crate) fn run(connections: u32) {
    let count = most_connections(connections as usize);
    let server = Server::start(connections + 1000);
    // What the first requests have made need not be made again.
    ask(&server);
    let before = server.counted();
    let begin = Instant::now();
    let idle: Vec<_> = (0..count)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("a connection"))
        .collect();
    let connected = begin.elapsed();
    let longest = ask(&server);
    let after = server.counted();
    let standing = after.descriptors.saturating_sub(before.descriptors);
    println!(
        "{standing} of {count} connections stand after {:.0} ms: {:.1} KiB each; the longest of {ASKED} requests took {:.2} ms",
        millis(connected),
        grown(&before, &after) as f64 / standing as f64,
        millis(longest),
    );
    // The server has enough of those who ask for nothing after five seconds.
    sleep(Duration::from_secs(8));
    ask(&server);
    let later = server.counted();
    println!(
        "8 s later: {} connections, {} KiB more than before",
        later.descriptors.saturating_sub(before.descriptors),
        grown(&before, &later)
    );
    drop(idle);
    print!("{}", server.program.log());
}

/// By how many KiB the memory in RAM has grown.
fn grown(before: &Counted, after: &Counted) -> u64 {
    after.resident_kib.saturating_sub(before.resident_kib)
}

const ASKED: u32 = 100;

/// The longest time that an answer has taken.
fn ask(server: &Server) -> Duration {
    server.runtime.block_on(async {
        let mut connection = Connection::open(server.port()).await;
        let mut longest = Duration::ZERO;
        for _ in 0..ASKED {
            let begin = Instant::now();
            connection.ask(&get("/api/v1/gpus/gpu-000")).await;
            longest = longest.max(begin.elapsed());
        }
        longest
    })
}
