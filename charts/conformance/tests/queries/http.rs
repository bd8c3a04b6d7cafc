//! As much of HTTP as a test needs, of both sides.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Serves what `answer` makes of each path, as long as the test program lives; of a `None` only the head, and then nothing. Gives
/// the port.
pub(crate) fn serve(answer: fn(&str) -> Option<String>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || reply(stream, answer));
        }
    });
    port
}

fn reply(mut stream: TcpStream, answer: fn(&str) -> Option<String>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut some = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut some)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&some[..count]);
    }
    let request = String::from_utf8_lossy(&request);
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    match answer(request.split(' ').nth(1).unwrap_or_default()) {
        Some(body) => write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        None => {
            write!(stream, "{head}\r\n")?;
            // Until the client goes.
            stream.read(&mut some).map(drop)
        }
    }
}

/// Status and body of what is at a path.
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = ask().unwrap_or_else(|error| panic!("{path} at port {port}: {error}"));
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or(0), body.to_owned())
}

/// Any text in an address.
pub(crate) fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
