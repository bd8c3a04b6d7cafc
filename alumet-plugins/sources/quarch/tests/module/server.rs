//! A module of the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use alumet_plugin_quarch::Config;
use parking_lot::Mutex;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Fine,
    /// Each byte comes alone, in packets of seven.
    Slow,
    /// The answer has no end.
    Endless,
    Silent,
    BreaksOff,
    Refuses,
    Nonsense,
}

pub(crate) struct Server {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    commands: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            mood: Arc::new(Mutex::new(mood)),
            commands: Arc::default(),
        };
        let (mood, commands) = (Arc::clone(&server.mood), Arc::clone(&server.commands));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mood, commands) = (Arc::clone(&mood), Arc::clone(&commands));
                std::thread::spawn(move || {
                    // The end of a connection is the business of the client.
                    let _ = serve(stream, &mood, &commands);
                });
            }
        });
        server
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    /// All commands so far.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.commands.lock().clone()
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            quarch_ip: Some(self.address.ip()),
            quarch_port: self.address.port(),
            ..Config::default()
        }
    }
}

/// 5 V × 0.4 A + 12 V × 1 A.
const OUTPUTS: &str =
    "5V Voltage = 5000 mV\r\n5V Current = 400000 uA\r\n12V Voltage = 12000 mV\r\n12V Current = 1000000 uA";

fn serve(mut stream: TcpStream, mood: &Mutex<Mood>, commands: &Mutex<Vec<String>>) -> std::io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut command = vec![0; usize::from(u16::from_le_bytes(length))];
        stream.read_exact(&mut command)?;
        let command = String::from_utf8(command).unwrap();
        let command = command.strip_suffix("\r\n").unwrap().to_owned();
        let is_question = command.ends_with('?');
        commands.lock().push(command);
        let mood = *mood.lock();
        let text = match (is_question, mood) {
            (_, Mood::BreaksOff) => return Ok(()),
            (_, Mood::Silent) => continue,
            (false, Mood::Refuses) => "FAIL: 0x21 -Parameter out of range",
            (true, Mood::Nonsense) => "12V = 12000 mV",
            (true, _) => OUTPUTS,
            (false, _) => "OK",
        };
        let answer = format!("{text}\r\n>");
        match mood {
            Mood::Slow => {
                for part in answer.as_bytes().chunks(7) {
                    for byte in packet(part) {
                        stream.write_all(&[byte])?;
                    }
                }
            }
            Mood::Endless if is_question => loop {
                stream.write_all(&packet(&[b'x'; 1000]))?;
            },
            _ => stream.write_all(&packet(answer.as_bytes()))?,
        }
    }
}

fn packet(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes()[..], bytes].concat()
}
