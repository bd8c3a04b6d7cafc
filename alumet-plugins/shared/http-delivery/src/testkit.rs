//! An HTTP server for the tests of outputs.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use alumet_core::duration::HumanDuration;
use parking_lot::Mutex;

use crate::HttpConfig;

/// A client for servers on this machine, whatever the environment says of proxies.
pub fn local() -> HttpConfig {
    HttpConfig {
        proxy: "none".to_owned(),
        timeout: HumanDuration::from_secs(10),
        ..HttpConfig::default()
    }
}

/// A server that keeps what it receives, and answers as it is told. It lives as long as the test program.
#[derive(Debug)]
pub struct TestServer {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// The first line: `POST /write HTTP/1.1`.
    pub line: String,
    /// The headers, in lines.
    pub headers: String,
    /// The body, as it was sent.
    pub body: Vec<u8>,
}

impl TestServer {
    /// A server that answers each request with a status, such as `204 No Content`, and a body.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn answering(
        answer: impl Fn(&Received) -> (&'static str, String) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self {
            address: listener.local_addr()?,
            received: Arc::default(),
        };
        let (received, answer) = (Arc::clone(&server.received), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, answer) = (Arc::clone(&received), Arc::clone(&answer));
                // The end of a connection is an error like any other, and all are the client's business.
                std::thread::spawn(move || serve(&stream, &received, &*answer));
            }
        });
        Ok(server)
    }

    /// Its address, as outputs take it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }
}

fn serve(
    stream: &TcpStream,
    received: &Mutex<Vec<Received>>,
    answer: &dyn Fn(&Received) -> (&'static str, String),
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let request = Received::read(&mut reader)?;
        let (status, body) = answer(&request);
        received.lock().push(request);
        let length = body.len();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
    }
}

impl Received {
    fn read(reader: &mut impl BufRead) -> io::Result<Self> {
        let mut request = Self::default();
        reader.read_line(&mut request.line)?;
        request.line.truncate(request.line.trim_end().len());
        // An empty line ends the headers, and the end of the connection everything.
        while !request.headers.ends_with("\r\n\r\n") && request.headers != "\r\n" {
            if reader.read_line(&mut request.headers)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = request
            .header("content-length")
            .and_then(|length| length.parse().ok());
        request.body.resize(length.unwrap_or(0), 0);
        reader.read_exact(&mut request.body)?;
        Ok(request)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
    }
}
