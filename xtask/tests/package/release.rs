//! A release on this machine: a folder that is served as GitHub serves the files of one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

/// Serves the files of `folder` below `/latest/download` and `/download/v1.2.3`, as long as the test lasts; where that is.
pub(crate) fn served(folder: PathBuf) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            answer(connection.unwrap(), &folder);
        }
    });
    format!("http://{address}/releases")
}

fn answer(mut connection: TcpStream, folder: &Path) {
    let mut head = BufReader::new(connection.try_clone().unwrap()).lines();
    let request = head.next().unwrap().unwrap();
    // All of the head is read, so that the answer is not lost with what is not.
    head.find(|line| line.as_ref().is_ok_and(String::is_empty));
    let path = request.split(' ').nth(1).unwrap();
    let file = ["/releases/latest/download/", "/releases/download/v1.2.3/"]
        .iter()
        .find_map(|below| path.strip_prefix(below));
    let (status, body) = match file.map(|file| fs::read(folder.join(file))) {
        Some(Ok(bytes)) => ("200 OK", bytes),
        _ => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(&body).unwrap();
}
