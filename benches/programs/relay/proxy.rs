//! A network that counts what it carries.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::flow::{Dissector, Flow};

/// Passes one connection on to a server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    there: Arc<Mutex<Dissector>>,
    back: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr, has_tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let there = Arc::new(Mutex::new(Dissector::new(has_tls)));
        let back = Arc::new(AtomicU64::new(0));
        let (dissector, answers) = (Arc::clone(&there), Arc::clone(&back));
        std::thread::spawn(move || {
            let (client, _) = listener.accept().expect("a client");
            let server = TcpStream::connect(server).expect("the server");
            let (client_out, server_in) = both(&client, &server);
            std::thread::spawn(move || {
                pass(server_in, client_out, |bytes| {
                    answers.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                });
            });
            pass(client, server, |bytes| {
                dissector.lock().take(bytes);
            });
        });
        Self { address, there, back }
    }

    /// What the client has sent so far.
    pub(crate) fn there(&self) -> Flow {
        self.there.lock().flow()
    }

    /// How many bytes came back.
    pub(crate) fn back(&self) -> u64 {
        self.back.load(Ordering::Relaxed)
    }
}

fn both(client: &TcpStream, server: &TcpStream) -> (TcpStream, TcpStream) {
    let clone = |stream: &TcpStream| {
        let _ = stream.set_nodelay(true);
        stream.try_clone().expect("a stream")
    };
    (clone(client), clone(server))
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut count: impl FnMut(&[u8])) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        count(&bytes[..length]);
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
