//! Agent, network, server and disk are disturbed at random; in the end every sample that was safe is in the file, once.
//!
//! `ALUMET_CHAOS_ROUNDS` says how often (default: 25), `ALUMET_CHAOS_SEED` repeats a run. `ALUMET_CHAOS_AGENTS` says how many
//! agents there are in the test with many, `ALUMET_CHAOS_SECONDS` how long that one takes instead.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends with a panic when something is missing, and tells its seed"
)]

mod account;
mod counting;
mod programs;
mod proxy;
mod random;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use alumet_agent::App;
use alumet_plugin_relay_client::RelayClientPlugin;
use counting::CountingPlugin;
use programs::{Agent, OF_AGENT, OF_SERVER, Rig, SPOOL_OF_SERVER, Server, SmallMemory, Snapshot};
use random::Random;

/// An agent that counts instead of measuring, so that whoever receives its samples can tell whether one is missing or came
/// twice. It is started by the other tests, which say how in a variable.
#[test]
#[ignore = "other tests start it"]
fn counting_agent() {
    let Some(arguments) = std::env::var_os(programs::ARGUMENTS) else {
        return;
    };
    let arguments = arguments.into_string().unwrap();
    let code = App::new(
        "counting-agent",
        "1",
        "Counts, and sends the numbers to a server.",
    )
    .plugin::<CountingPlugin>()
    .plugin::<RelayClientPlugin>()
    .enabled_by_default(["counting", "relay-client"])
    .main_with(arguments.split('\n').map(Into::into));
    assert_eq!(code, ExitCode::SUCCESS);
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The numbers of the rounds.
fn rounds(disturbance: Disturbance) -> impl Iterator<Item = u64> {
    let seconds = variable("ALUMET_CHAOS_SECONDS").filter(|_| disturbance == Disturbance::Others);
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let rounds = variable("ALUMET_CHAOS_ROUNDS").unwrap_or(25);
    (1..).take_while(move |round| end.map_or(*round <= rounds, |end| Instant::now() < end))
}

/// What is disturbed, besides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    Nothing,
    Network,
    Disk,
    Configuration,
    /// Of the agent: an older copy of its spool is put back after it has ended in order, or a bit flips after it was killed.
    FilesOfAgent,
    /// Of the server: an older copy of all its files or of its spool is put back, all are lost, or a bit flips, after it was
    /// killed.
    FilesOfServer,
    /// Somebody moves the file of the server away, or copies and empties it.
    Rotation,
    /// There are other agents, which are killed too.
    Others,
    /// The disk of the spool of the server is full, cannot be written or goes away, also for longer than agents wait.
    SpoolDisk,
    /// There is no more memory, so that allocations fail or the system kills.
    Memory,
}

fn run(disturbance: Disturbance) {
    let mut random = Random::new();
    let seed = random.seed();
    eprintln!("ALUMET_CHAOS_SEED={seed}");
    let rig = match disturbance {
        Disturbance::SpoolDisk => Rig::with_spool_disk(),
        _ => Some(Rig::new()),
    };
    let Some(rig) = rig else {
        eprintln!("this user cannot mount a disk: nothing is tried");
        return;
    };
    let mut server = Server::start(&rig);
    let proxy = proxy::Proxy::start(server.address());
    let agents = match disturbance {
        Disturbance::Others => variable("ALUMET_CHAOS_AGENTS").unwrap_or(4) as usize,
        _ => 1,
    };
    let mut agent = Agent::start(&rig, 0, proxy.address());
    let mut others: Vec<_> = (1..agents)
        .map(|number| Agent::start(&rig, number, proxy.address()))
        .collect();
    if disturbance == Disturbance::SpoolDisk {
        // Before it has stored once how far its file goes, it does not know after a kill what it wrote from memory.
        server.wait_until_reachable();
        sleep(Duration::from_secs(2));
    }
    let (mut snapshot, mut starved) = (None, 0);
    // A spool says what is in the file of its output: alone, it goes back only beside a file that still has that.
    let mut file_has_snapshot = false;
    for round in rounds(disturbance) {
        sleep(Duration::from_millis(random.below(600)));
        match disturbance {
            Disturbance::Nothing => {}
            Disturbance::Network => proxy.disturb(&mut random),
            Disturbance::Disk => {
                let victim = if random.below(2) == 0 {
                    server.pid()
                } else {
                    agent.pid()
                };
                let full = programs::fill_disk_of(victim);
                sleep(Duration::from_millis(random.below(400)));
                drop(full);
            }
            Disturbance::FilesOfAgent => match random.below(3) {
                0 => {
                    agent.kill();
                    snapshot = Some(rig.snapshot(OF_AGENT));
                    agent.restart(&rig, proxy.address());
                }
                1 if let Some(snapshot) = &snapshot => {
                    server.wait_until_reachable();
                    sleep(Duration::from_secs(1));
                    agent.drain();
                    rig.restore(OF_AGENT, snapshot);
                    // What it counts now waits, and may outlive a kill, before the server hears of it.
                    server.kill();
                    agent.restart(&rig, proxy.address());
                    sleep(Duration::from_millis(random.below(600)));
                    agent.kill_and_restart(&rig, proxy.address());
                    server.restart(&rig);
                }
                _ => {
                    agent.kill();
                    rig.flip_a_bit(OF_AGENT, &mut random);
                    agent.restart(&rig, proxy.address());
                }
            },
            Disturbance::FilesOfServer => {
                server.kill();
                match random.below(5) {
                    0 => {
                        snapshot = Some(rig.snapshot(OF_SERVER));
                        file_has_snapshot = true;
                    }
                    1 if let Some(snapshot) = &snapshot => {
                        rig.restore(OF_SERVER, snapshot);
                        file_has_snapshot = true;
                    }
                    2 if file_has_snapshot && let Some(snapshot) = &snapshot => {
                        rig.restore(SPOOL_OF_SERVER, snapshot);
                    }
                    3 => {
                        rig.restore(OF_SERVER, &Snapshot::default());
                        file_has_snapshot = false;
                    }
                    _ => rig.flip_a_bit(OF_SERVER, &mut random),
                }
                server.restart(&rig);
            }
            Disturbance::SpoolDisk => {
                let disk = rig.disk().unwrap();
                let kind = random.below(3);
                match kind {
                    0 => disk.fill(true),
                    1 => {
                        // One that never had its disk does not know that it has stored something.
                        server.kill_and_restart(&rig);
                        server.wait_until_reachable();
                        disk.take_away(true);
                    }
                    _ => {
                        server.kill();
                        disk.make_read_only(true);
                        server.restart(&rig);
                    }
                }
                let longest = if random.below(5) == 0 { 6000 } else { 600 };
                sleep(Duration::from_millis(random.below(longest)));
                match kind {
                    0 => disk.fill(false),
                    1 => disk.take_away(false),
                    _ => disk.make_read_only(false),
                }
            }
            Disturbance::Memory => {
                // With a backlog, and at its start, it needs most.
                let is_server = random.below(2) == 0;
                match is_server {
                    true => server.kill(),
                    false => agent.kill(),
                }
                sleep(Duration::from_millis(random.below(600)));
                match is_server {
                    true => server.restart(&rig),
                    false => agent.restart(&rig, proxy.address()),
                }
                sleep(Duration::from_millis(random.below(100)));
                let victim = if is_server { server.pid() } else { agent.pid() };
                let bytes = random.below(1 << 18);
                let by_group = random.below(2) == 0;
                let limited = by_group.then(|| SmallMemory::of(victim, bytes)).flatten();
                if limited.is_none() {
                    programs::take_memory_of(victim, bytes);
                }
                sleep(Duration::from_millis(random.below(600)));
                let has_ended = match is_server {
                    true => server.has_ended(),
                    false => agent.has_ended(),
                };
                starved += u32::from(has_ended);
                // Ends what the limit holds for.
                match is_server {
                    true => server.kill_and_restart(&rig),
                    false => agent.kill_and_restart(&rig, proxy.address()),
                }
            }
            Disturbance::Others => {
                let victim = random.below(others.len() as u64) as usize;
                others[victim].kill_and_restart(&rig, proxy.address());
            }
            Disturbance::Rotation => rig.rotate(&server, round, random.below(2) == 0),
            Disturbance::Configuration => {
                // Also while the other side is away.
                proxy.disturb(&mut random);
                match random.below(3) {
                    0 => agent.reload(&rig, proxy.address(), round),
                    1 => server.reload(&rig, round),
                    _ => {
                        agent.reload(&rig, proxy.address(), round);
                        server.reload(&rig, round);
                    }
                }
            }
        }
        match random.below(if disturbance == Disturbance::Nothing { 3 } else { 6 }) {
            0 => agent.kill_and_restart(&rig, proxy.address()),
            1 => {
                server.kill_and_restart(&rig);
                proxy.redirect(server.address());
            }
            2 => {
                agent.kill();
                server.kill_and_restart(&rig);
                proxy.redirect(server.address());
                agent.kill_and_restart(&rig, proxy.address());
            }
            _ => {}
        }
    }
    proxy.calm();
    if disturbance == Disturbance::SpoolDisk {
        // After a long failure, the next attempt of one that runs may be half a minute away.
        server.kill_and_restart(&rig);
    }
    // An agent that ends while its server is away leaves in the spool what it has, and that is right.
    server.wait_until_reachable();
    sleep(Duration::from_secs(2));
    // What waits is sent before the agent ends, and written before the server does.
    let mut agent_log = agent.end(&rig, proxy.address());
    for other in others {
        agent_log += &other.end(&rig, proxy.address());
    }
    let server_log = server.end();
    let result = account::check(&rig, agents);
    let is_starving = disturbance == Disturbance::Memory;
    if is_starving {
        eprintln!("{starved} programs ended for want of memory");
    }
    let wrong_word = ["panicked", "ledger is not balanced"]
        .iter()
        // Without memory for a thread, the runtime panics.
        .filter(|word| !is_starving || **word != "panicked")
        .find(|word| agent_log.contains(*word) || server_log.contains(*word));
    if result.is_err() || wrong_word.is_some() {
        let kept = rig.keep();
        panic!(
            "seed {seed}, {wrong_word:?}, everything is in {}: {result:?}",
            kept.display()
        );
    }
}

#[test]
fn kills_at_random_lose_and_repeat_nothing() {
    run(Disturbance::Nothing);
}

#[test]
fn kills_and_a_bad_network_lose_and_repeat_nothing() {
    run(Disturbance::Network);
}

#[test]
fn kills_and_changes_of_configuration_lose_and_repeat_nothing() {
    run(Disturbance::Configuration);
}

#[test]
fn kills_and_an_agent_whose_files_go_back_lose_and_repeat_nothing() {
    run(Disturbance::FilesOfAgent);
}

#[test]
fn kills_and_a_server_whose_files_go_back_or_are_lost_lose_and_repeat_nothing() {
    run(Disturbance::FilesOfServer);
}

#[test]
fn kills_and_rotations_from_outside_lose_and_repeat_nothing() {
    run(Disturbance::Rotation);
}

#[test]
fn kills_among_many_agents_lose_and_repeat_nothing() {
    run(Disturbance::Others);
}

#[test]
fn kills_and_a_disk_of_the_spool_that_fails_for_long_lose_and_repeat_nothing() {
    run(Disturbance::SpoolDisk);
}

#[test]
fn programs_without_memory_lose_and_repeat_nothing() {
    run(Disturbance::Memory);
}

#[test]
fn kills_and_full_disks_lose_and_repeat_nothing() {
    run(Disturbance::Disk);
}
