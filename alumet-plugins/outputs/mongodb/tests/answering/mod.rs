//! A server that answers whatever a test wants, in the protocol of MongoDB
//! (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use mongodb::bson::{Document, doc};

/// What a command is answered with; an empty document stands for "done".
type Answer = Arc<dyn Fn(&Document) -> Document + Send + Sync>;

/// Starts a server that lasts as long as the test program, and gives its port.
pub(crate) fn answering(answer: impl Fn(&Document) -> Document + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer: Answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // The end of a connection is the business of its other end.
            thread::spawn(move || serve(stream, &answer));
        }
    });
    port
}

fn serve(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    const REPLY: i32 = 1;
    const MESSAGE: i32 = 2013;
    loop {
        let mut header = [0; 16];
        stream.read_exact(&mut header)?;
        let number = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let (len, request, is_message) = (number(0), number(4), number(12) == MESSAGE);
        let mut body = vec![0; usize::try_from(len).unwrap() - header.len()];
        stream.read_exact(&mut body)?;
        // In a message, before the document: flags and its kind.
        let command = is_message.then(|| Document::from_reader(&body[5..]).unwrap());
        let mut answered = match command.as_ref().and_then(|command| command.keys().next()) {
            // The greeting, also in its old form, which is no message.
            Some(name) if name != "hello" && name != "ismaster" && name != "isMaster" => {
                answer(command.as_ref().unwrap())
            }
            _ => doc! {
                "ismaster": true,
                "isWritablePrimary": true,
                "maxBsonObjectSize": 16 << 20,
                "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000,
                "minWireVersion": 0,
                "maxWireVersion": 21,
                "saslSupportedMechs": ["SCRAM-SHA-256"],
            },
        };
        if !answered.contains_key("ok") {
            answered.insert("ok", 1);
        }
        let mut out = Vec::new();
        let (code, before) = match is_message {
            true => (MESSAGE, &[0; 5][..]),
            // Flags, a cursor, a position, and that there is one document.
            false => (
                REPLY,
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0][..],
            ),
        };
        for number in [0, 0, request, code] {
            out.extend_from_slice(&i32::to_le_bytes(number));
        }
        out.extend_from_slice(before);
        answered.to_writer(&mut out).unwrap();
        let len = i32::try_from(out.len()).unwrap();
        out[..4].copy_from_slice(&len.to_le_bytes());
        stream.write_all(&out)?;
    }
}
