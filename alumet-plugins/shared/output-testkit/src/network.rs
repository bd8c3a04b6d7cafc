//! What lies between an output and its server, and breaks.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// They work.
    Fine,
    /// They are closed at once, those that stand as well.
    Away,
    /// They stand, and nothing goes through.
    Hangs,
    /// Requests go through; of each answer, only the beginning comes back before the connection ends.
    BreaksOff,
    /// Requests are swallowed, and something is answered that no protocol knows.
    Nonsense,
    /// Requests are swallowed, and the connection ends in good order.
    Nothing,
    /// Each piece takes 50 ms.
    Slow,
}

/// An address that leads to a server, as long as the mood is [`Mood::Fine`]. It lasts as long as the test program.
#[derive(Debug, Clone)]
pub struct Network {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    server: Mutex<SocketAddr>,
    connections: AtomicUsize,
}

impl Network {
    /// A way to the server on `port` of this machine.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Fine),
            server: Mutex::new((Ipv4Addr::LOCALHOST, port).into()),
            connections: AtomicUsize::new(0),
        });
        let network = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                shared.connections.fetch_add(1, Ordering::Relaxed);
                // The end of a connection is the business of both its ends.
                thread::spawn(move || shared.serve(&stream));
            }
        });
        network
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// What happens from now on.
    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock() = mood;
    }

    /// Leads new connections to another server, as a name does that has got another address.
    pub fn lead_to(&self, port: u16) {
        *self.shared.server.lock() = (Ipv4Addr::LOCALHOST, port).into();
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn mood(&self) -> Mood {
        *self.mood.lock()
    }

    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        match self.mood() {
            Mood::Away => return Ok(()),
            Mood::Nonsense => {
                let mut client = client;
                let _ = client.read(&mut [0; 1 << 16])?;
                return client.write_all(b"\x16\x03\x03 what? \x00\xff\xff\xff\xff\r\n\r\n");
            }
            Mood::Nothing => {
                let mut client = client;
                let _ = client.read(&mut [0; 1 << 16])?;
                return client.shutdown(Shutdown::Both);
            }
            _ => {}
        }
        let server = *self.server.lock();
        let server = TcpStream::connect(server)?;
        thread::scope(|scope| {
            scope.spawn(|| self.pass(client, &server, false));
            self.pass(&server, client, true)
        })
    }

    /// Passes on what comes, until one side ends or the mood changes to the worse.
    fn pass(&self, mut from: &TcpStream, mut to: &TcpStream, is_answer: bool) -> io::Result<()> {
        let end = || {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        };
        from.set_read_timeout(Some(Duration::from_millis(10)))?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let mood = self.mood();
            if matches!(mood, Mood::Away | Mood::Nonsense | Mood::Nothing) {
                end();
                return Ok(());
            }
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    continue;
                }
                Err(_) => break,
            };
            match self.mood() {
                Mood::Slow => thread::sleep(Duration::from_millis(50)),
                Mood::Hangs => {
                    while self.mood() == Mood::Hangs {
                        thread::sleep(Duration::from_millis(5));
                    }
                    // What hung so long is gone.
                    break;
                }
                Mood::BreaksOff if is_answer => {
                    let _ = to.write_all(&buffer[..count / 2]);
                    break;
                }
                _ => {}
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        end();
        Ok(())
    }
}
