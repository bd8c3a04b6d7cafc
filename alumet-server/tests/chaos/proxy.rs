//! A network between agent and server that can be made bad.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use parking_lot::Mutex;

use crate::random::Random;

/// Passes connections on to a server.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    server: Mutex<SocketAddr>,
    /// Both sides of each connection, by its number.
    connections: Mutex<BTreeMap<u64, [TcpStream; 2]>>,
    made: AtomicU64,
    delay_ms: AtomicU64,
    /// The largest piece that is passed on at once.
    piece: AtomicU64,
    /// How many more bytes pass before everything is cut.
    cut_after: AtomicU64,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            server: Mutex::new(server),
            connections: Mutex::default(),
            made: AtomicU64::new(0),
            delay_ms: AtomicU64::new(0),
            piece: AtomicU64::new(65_536),
            cut_after: AtomicU64::new(u64::MAX),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.connect(client);
            }
        });
        Self { address, state }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, connections go to another server.
    pub(crate) fn redirect(&self, server: SocketAddr) {
        *self.state.server.lock() = server;
    }

    /// Does something bad.
    pub(crate) fn disturb(&self, random: &mut Random) {
        match random.below(4) {
            0 => self.state.cut(),
            1 => self.state.delay_ms.store(random.below(200), Ordering::Relaxed),
            2 => self.state.piece.store(1 + random.below(100), Ordering::Relaxed),
            _ => self
                .state
                .cut_after
                .store(random.below(20_000), Ordering::Relaxed),
        }
    }

    /// Ends all disturbances.
    pub(crate) fn calm(&self) {
        self.state.delay_ms.store(0, Ordering::Relaxed);
        self.state.piece.store(65_536, Ordering::Relaxed);
        self.state.cut_after.store(u64::MAX, Ordering::Relaxed);
    }
}

impl State {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let address = *self.server.lock();
        let Ok(server) = TcpStream::connect(address) else {
            return;
        };
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let copies = [(&client, &server), (&server, &client)]
            .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()));
        self.connections.lock().insert(number, [client, server]);
        for (from, to) in copies {
            let state = Arc::clone(self);
            std::thread::spawn(move || {
                state.pass(from, to);
                state.connections.lock().remove(&number);
            });
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 65_536];
        loop {
            let most = usize::try_from(self.piece.load(Ordering::Relaxed)).unwrap();
            let count = match from.read(&mut bytes[..most]) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            sleep(Duration::from_millis(self.delay_ms.load(Ordering::Relaxed)));
            let left = self.cut_after.load(Ordering::Relaxed);
            if left < count as u64 {
                self.cut_after.store(u64::MAX, Ordering::Relaxed);
                // Half of it arrives.
                let _ = to.write_all(&bytes[..count / 2]);
                self.cut();
                break;
            }
            if left != u64::MAX {
                self.cut_after.store(left - count as u64, Ordering::Relaxed);
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    fn cut(&self) {
        for stream in self.connections.lock().values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
