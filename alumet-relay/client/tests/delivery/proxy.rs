//! A network that cuts, delays, and passes on in pieces.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What happens to each connection.
#[derive(Clone, Copy)]
pub(crate) enum Harm {
    /// It is cut after a random number of bytes up to this one, counted in both directions.
    CutWithin(u64),
    /// Nothing arrives any more after so many bytes, but nobody is told.
    SilentAfter(u64),
}

/// A way to a server that runs until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicU64>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr, harm: Harm, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&connections);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut random = Random(seed);
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let limit = match harm {
                    Harm::CutWithin(most) => random.below(most),
                    Harm::SilentAfter(bytes) => bytes,
                };
                let is_silent = matches!(harm, Harm::SilentAfter(_));
                open.spawn(pass_on(stream, to, limit, is_silent, random.below(u64::MAX)));
            }
        });
        Self {
            address,
            connections,
            _accepting: accepting,
        }
    }
}

async fn pass_on(mut client: TcpStream, to: SocketAddr, limit: u64, is_silent: bool, seed: u64) {
    let Ok(mut server) = TcpStream::connect(to).await else {
        return;
    };
    let mut random = Random(seed);
    let mut passed = 0;
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    while passed < limit {
        // Read little at once now and then, so that messages come in pieces.
        let most = usize::try_from(random.below(4096)).unwrap() + 1;
        let result = tokio::select! {
            read = client.read(&mut up[..most]) => match read {
                Ok(bytes) if bytes > 0 => {
                    passed += bytes as u64;
                    server.write_all(&up[..bytes]).await
                }
                _ => return,
            },
            read = server.read(&mut down[..most]) => match read {
                Ok(bytes) if bytes > 0 => {
                    passed += bytes as u64;
                    client.write_all(&down[..bytes]).await
                }
                _ => return,
            },
        };
        if result.is_err() {
            return;
        }
        if random.below(20) == 0 {
            sleep(Duration::from_millis(random.below(3))).await;
        }
    }
    if is_silent {
        sleep(Duration::from_secs(3600)).await;
    }
}

/// Enough chance for a test, and the same each time (SplitMix64 of S. Vigna).
pub(crate) struct Random(pub u64);

impl Random {
    /// Below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
