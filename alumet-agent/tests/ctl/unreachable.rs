use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

use crate::agent::{Ended, run};

#[track_caller]
fn expect(ended: &Ended, phrases: &[&str]) {
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    for phrase in phrases {
        assert!(ended.stderr.contains(phrase), "{phrase:?} in {ended:?}");
    }
}

#[test]
fn nobody_who_listens_is_explained_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let help = ["no agent listens on", "[plugins.socket-control]", "--socket"];
    expect(&run(&folder, &["ctl", "list"]), &help);
    expect(&run(&folder, &["ctl", "list"]), &["alumet-control.sock, "]);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "no default configuration"
    );
    drop(UnixListener::bind(folder.path().join("dead.sock")).unwrap());
    expect(&run(&folder, &["ctl", "--socket", "dead.sock", "list"]), &help);
    let ended = run(&folder, &["ctl", "--socket", "dead.sock", "list"]);
    expect(&ended, &["dead.sock, which --socket names"]);
}

/// Answers one connection; gives the line that came.
fn answer(listener: &UnixListener, reply: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    stream.write_all(reply.as_bytes()).unwrap();
    line
}

#[test]
fn strange_answers_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("s")).unwrap();
    for (reply, expected) in [
        ("", "hung up before it answered"),
        ("  half a li", "hung up before it answered"),
        ("220 smtp ready\n", "what listens on s is no agent"),
        ("error: 16 are connected already\n", "16 are connected already"),
        ("  because\n    so\nerror: no:\n", "error: no:\nbecause\n  so\n"),
    ] {
        std::thread::scope(|scope| {
            let agent = scope.spawn(|| answer(&listener, reply));
            expect(
                &run(&folder, &["ctl", "--socket", "s", "pause", "src/a b"]),
                &[expected],
            );
            assert_eq!(agent.join().unwrap(), "pause \"sources/a b/*\"\n");
        });
    }
}
