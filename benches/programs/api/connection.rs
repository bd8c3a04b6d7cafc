//! A connection to the server that costs little.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        let stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream,
            answer: Vec::new(),
        }
    }

    /// Sends a request and waits for all of the answer; gives its body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.expect("a request");
        self.answer.clear();
        let body = loop {
            let count = self.stream.read_buf(&mut self.answer).await.expect("an answer");
            assert!(count > 0, "the server has closed a connection");
            let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.answer[..end]).expect("a head");
            assert!(
                head.starts_with("HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&self.answer)
            );
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|text| text.parse().ok()).expect("a length");
            break end + 4..end + 4 + length;
        };
        while self.answer.len() < body.end {
            let count = self.stream.read_buf(&mut self.answer).await.expect("an answer");
            assert!(count > 0, "the server has closed a connection");
        }
        &self.answer[body]
    }
}

/// The request for a path.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}
