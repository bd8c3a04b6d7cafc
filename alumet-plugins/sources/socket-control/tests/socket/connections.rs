use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use alumet_core::duration::HumanDuration;
use parking_lot::Mutex;
use std::sync::mpsc::channel;

use crate::agent::{Agent, PATIENCE};

#[test]
fn many_commands_at_once_are_answered_in_order() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.send("ping\nlist out\n".repeat(200));
    for _ in 0..200 {
        assert_eq!(client.reply(), "  pong\nok\n");
        assert!(client.reply().contains("outputs/embedded/memory"));
    }
}

#[test]
fn many_clients_are_answered_at_the_same_time() {
    let agent = &Agent::start();
    std::thread::scope(|scope| {
        for name in ["a", "b c"] {
            for _ in 0..4 {
                scope.spawn(move || {
                    let mut client = agent.connect();
                    for _ in 0..25 {
                        for command in ["pause", "resume", "trigger"] {
                            let reply = client.ask(&format!("{command} \"src/*/{name}\""));
                            assert_eq!(reply, format!("  sources/embedded/{name}\nok\n"));
                        }
                    }
                });
            }
        }
    });
}

#[test]
fn a_command_in_pieces_is_one_command() {
    let agent = Agent::start();
    let mut client = agent.connect();
    for piece in ["pi", "n", "g", "\npi"] {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.reply(), "  pong\nok\n");
    client.send("ng\n");
    assert_eq!(client.reply(), "  pong\nok\n");
}

#[test]
fn half_a_command_is_not_carried_out() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.send("ping\nshutdown");
    client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.reply(), "  pong\nok\n");
    assert!(client.reply().starts_with("error: the last line has no end"));
    assert_eq!(client.rest(), "");
    drop(client);
    let mut gone = agent.connect();
    gone.send("shutdown");
    drop(gone);
    assert_eq!(agent.ask("ping"), "  pong\nok\n");
    assert!(!agent.pipeline.shutdown_requested().is_cancelled());
}

#[test]
fn a_line_that_is_too_long_is_refused_and_the_next_is_read() {
    let agent = Agent::start();
    let mut client = agent.connect();
    let complaint = "error: the line is longer than 65536 bytes and was not read\n";
    for (length, expected) in [
        (65_536, "is no command; send `help` for all commands\n"),
        (65_537, complaint),
        (300_000, complaint),
    ] {
        client.send("x".repeat(length));
        client.send("\nping\n");
        let reply = client.reply();
        assert!(reply.ends_with(expected), "{length}: {reply}");
        assert_eq!(client.reply(), "  pong\nok\n");
    }
    client.send("x".repeat(100_000));
    client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
    assert!(client.reply().ends_with(complaint));
    assert_eq!(client.rest(), "");
}

#[test]
fn whoever_is_one_too_many_takes_the_place_of_who_was_idle_for_longest() {
    let agent = Agent::with(|config| config.max_connections = 2);
    let (mut one, mut two) = (agent.connect(), agent.connect());
    two.ask("ping");
    one.ask("ping");
    let mut three = agent.connect();
    assert_eq!(three.ask("ping"), "  pong\nok\n");
    assert!(two.rest().starts_with("error: others need the place"));
    assert_eq!(one.ask("ping"), "  pong\nok\n");
    let silent: Vec<_> = (0..1000).map(|_| agent.connect()).collect();
    assert_eq!(agent.ask("ping"), "  pong\nok\n");
    drop(silent);
}

#[test]
fn while_all_are_busy_one_more_is_told_so_and_can_come_back() {
    let agent = Agent::with(|config| config.max_connections = 2);
    let (go_on, word) = channel::<()>();
    let (begun, begins) = channel();
    let word = Mutex::new(word);
    let wait = move || {
        begun.send(()).unwrap();
        let _ = word.lock().recv();
        Ok(String::new())
    };
    agent.pipeline.control().on_reload(Box::new(wait));
    let (mut one, mut two) = (agent.connect(), agent.connect());
    one.send("reload\n");
    two.send("reload\n");
    (0..2).for_each(|_| begins.recv_timeout(PATIENCE).unwrap());
    assert!(
        agent
            .connect()
            .rest()
            .starts_with("error: 2 are connected and busy")
    );
    drop(go_on);
    assert_eq!((one.reply(), two.reply()), ("ok\n".to_owned(), "ok\n".to_owned()));
    drop(one);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut again = agent.connect();
        // The agent may have hung up already.
        let _ = again.stream.get_mut().write_all(b"ping\n");
        if again.line() == "  pong\n" {
            break;
        }
        assert!(Instant::now() < deadline, "the place is not free again");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(two.ask("ping"), "  pong\nok\n");
}

#[test]
fn silence_ends_a_connection_also_in_the_middle_of_a_line() {
    let agent = Agent::with(|config| config.idle_timeout = HumanDuration::from_millis(200));
    let mut silent = agent.connect();
    assert!(
        silent
            .rest()
            .starts_with("error: no complete command came for 200ms")
    );
    let mut trickling = agent.connect();
    let begin = Instant::now();
    while trickling.stream.get_mut().write_all(b"x").is_ok() {
        assert!(
            begin.elapsed() < PATIENCE,
            "bytes that are no line keep a connection open"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut busy = agent.connect();
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(busy.ask("ping"), "  pong\nok\n");
    }
}

#[test]
fn whoever_does_not_read_is_disconnected_and_disturbs_nobody() {
    let agent = Agent::with(|config| config.idle_timeout = HumanDuration::from_millis(300));
    let mut deaf = agent.connect();
    deaf.stream.get_ref().set_write_timeout(Some(PATIENCE)).unwrap();
    let begin = Instant::now();
    // Replies of a kilobyte each fill every buffer, then the requests have no room.
    while deaf
        .stream
        .get_mut()
        .write_all("help\n".repeat(100).as_bytes())
        .is_ok()
    {
        assert!(begin.elapsed() < PATIENCE, "it is still connected");
        assert_eq!(agent.ask("ping"), "  pong\nok\n");
    }
}

#[test]
fn the_agent_ends_while_somebody_is_connected_and_silent() {
    let agent = Agent::start();
    let mut client = agent.connect();
    client.send("pin");
    let begin = Instant::now();
    assert!(agent.pipeline.stop(PATIENCE).is_complete());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(client.rest(), "");
}
