//! A model check: clients, sessions, the router and the disk, in many orders.
//!
//! Flow control, acknowledgements, seats and numbers are the real ones. What is between them is played: messages are numbers
//! and sizes, the network is a channel, the disk commits some of what came whenever it is its turn. Clients go away at any
//! moment, noticed or not, and come back; the server may stop. In any order, all this ends, and everything that a client
//! sends is stored once, in its order, and acknowledged then; never is more under way than there is room for, and in the end all
//! room is free.
//!
//! Another task goes on only where one awaits. So this is about who waits for whom, and not about what threads do at the same
//! time: within a semaphore or a channel, which tokio tests, or between two lines of a task.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use alumet_relay_protocol::v1::{ServerMessage, server_message::Message};
use tokio::sync::{OwnedMutexGuard, mpsc, watch};
use tokio::task::yield_now;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use super::schedule::{Schedule, all, random};
use super::{BATCH_BYTES, Flow, Room, SAMPLE_BYTES};
use crate::refusal::Refusal;
use crate::registry::{Instance, Received};
use crate::seat::Claim;
use crate::sequence::Sequence;

/// What there is, before anything happens.
struct Setup {
    /// Of each client the sizes of its batches.
    clients: Vec<Vec<usize>>,
    /// How many times each of them goes away, and comes back.
    departures: usize,
    window: usize,
    shared: usize,
    queue: usize,
    /// How many batches a transaction may have.
    group: usize,
    stops: bool,
}

struct World {
    schedule: Rc<Schedule>,
    setup: Setup,
    shared: Room,
    stop: CancellationToken,
    queue: mpsc::Sender<Batch>,
    senders: Vec<Sender>,
    /// What all have under way.
    under_way: Cell<usize>,
    clients_left: Cell<usize>,
    everything_is_over: CancellationToken,
}

struct Sender {
    instance: Instance,
    /// The last batch that is on disk.
    commits: watch::Sender<u64>,
    /// The last batch that the router was given.
    handed_on: Cell<u64>,
}

/// What the router is given.
struct Batch {
    client: usize,
    sequence: u64,
    bytes: usize,
    /// What its session has under way.
    under_way: Rc<Cell<usize>>,
}

fn check(schedule: &Rc<Schedule>, setup: Setup) {
    let (queue, mut queued) = mpsc::channel(setup.queue);
    let (append, mut appended) = mpsc::unbounded_channel();
    let sender = || Sender {
        instance: Instance::default(),
        commits: watch::Sender::new(0),
        handed_on: Cell::new(0),
    };
    let world = Rc::new(World {
        schedule: Rc::clone(schedule),
        shared: Room::new(setup.shared as u64),
        stop: CancellationToken::new(),
        queue,
        senders: setup.clients.iter().map(|_| sender()).collect(),
        under_way: Cell::new(0),
        clients_left: Cell::new(setup.clients.len()),
        everything_is_over: CancellationToken::new(),
        setup,
    });
    schedule.spawn("router".to_owned(), async move {
        while let Some(batch) = queued.recv().await {
            append.send(batch).ok().unwrap();
        }
    });
    let disk = Rc::clone(&world);
    schedule.spawn("disk".to_owned(), async move {
        let mut transaction = Vec::new();
        while appended.recv_many(&mut transaction, disk.setup.group).await > 0 {
            yield_now().await;
            transaction.drain(..).for_each(|batch| disk.commit(&batch));
        }
    });
    for client in 0..world.setup.clients.len() {
        let world = Rc::clone(&world);
        schedule.spawn(format!("client {client}"), async move {
            world.client(client).await;
        });
    }
    if world.setup.stops {
        let world = Rc::clone(&world);
        schedule.spawn("stop".to_owned(), async move {
            world.sleep(60).await;
            world.stop.cancel();
        });
    }
    let mut left = schedule.run();
    // They wait for what nobody has any more.
    left.retain(|name| name != "router" && name != "disk");
    assert!(left.is_empty(), "they wait for ever: {left:?}");
    assert_eq!(world.under_way.get(), 0);
    for sender in &world.senders {
        assert_eq!(*sender.commits.borrow(), sender.handed_on.get());
    }
    let all_of_it = pin!(world.shared.take(usize::MAX));
    let is_there = all_of_it.poll(&mut Context::from_waker(Waker::noop())).is_ready();
    assert!(is_there, "some room was not given back");
}

impl World {
    fn spawn(&self, what: &str, client: usize, task: impl Future<Output = ()> + 'static) {
        self.schedule.spawn(format!("{what} {client}"), task);
    }

    /// For any time: others do much or little meanwhile.
    async fn sleep(&self, most: usize) {
        for _ in 0..self.schedule.choose(most) {
            yield_now().await;
        }
    }

    /// Sends until everything is acknowledged, in several sessions if it goes away in between.
    async fn client(self: &Rc<Self>, client: usize) {
        for _ in 0..self.setup.departures {
            let silence = CancellationToken::new();
            let mut session = Box::pin(Rc::clone(self).converse(client, silence.clone()));
            tokio::select! {
                biased;
                _ = &mut session => continue,
                () = self.sleep(30) => {}
            }
            match self.schedule.choose(3) {
                0 => continue,
                // The server does not notice that the client has gone,
                1 => silence.cancel(),
                // or the client does not notice that another one has its spool.
                _ => {}
            }
            self.spawn("former client", client, async move {
                session.await;
            });
        }
        let stays = CancellationToken::new();
        let acknowledged = Rc::clone(self).converse(client, stays).await;
        let batches = self.setup.clients[client].len() as u64;
        assert!(
            acknowledged == Some(batches) || self.stop.is_cancelled(),
            "{acknowledged:?} of {batches} were acknowledged to client {client}, which stayed"
        );
        self.clients_left.update(|left| left - 1);
        if self.clients_left.get() == 0 {
            self.everything_is_over.cancel();
        }
    }

    /// Sends what is missing and hears what is stored, until the server ends the session; or is silent from some moment on.
    async fn converse(self: Rc<Self>, client: usize, silence: CancellationToken) -> Option<u64> {
        let commits = &self.senders[client].commits;
        let (stored, to, mut answers) = self.begin(client).await?;
        let batches = (1..).zip(&self.setup.clients[client]);
        let send = async move {
            for (sequence, bytes) in batches.skip_while(|(sequence, _)| *sequence <= stored) {
                if to.send((sequence, *bytes)).await.is_err() {
                    return;
                }
            }
        };
        let hear = async {
            let mut acknowledged = stored;
            while let Some(Ok(answer)) = answers.recv().await {
                let Some(Message::Ack(ack)) = answer.message else {
                    panic!("no acknowledgement")
                };
                assert!(ack.sequence > acknowledged, "told twice");
                assert!(ack.sequence <= *commits.borrow(), "told before it is stored");
                acknowledged = ack.sequence;
            }
            acknowledged
        };
        let mut conversation = pin!(async { tokio::join!(send, hear).1 });
        let acknowledged = silence.run_until_cancelled(&mut conversation).await;
        if acknowledged.is_none() {
            self.everything_is_over.cancelled().await;
        }
        acknowledged
    }

    /// Begins a session as the service does, and gives what the client has of it: how much is stored, where its batches go, and
    /// where answers come from.
    async fn begin(
        self: &Rc<Self>,
        client: usize,
    ) -> Option<(
        u64,
        mpsc::Sender<(u64, usize)>,
        mpsc::Receiver<Result<ServerMessage, Status>>,
    )> {
        let sender = &self.senders[client];
        let claim = Claim {
            run: [1; 16],
            node: "a".into(),
            peer: ([127, 0, 0, 1], 1).into(),
        };
        let replaced = sender.instance.seat.lock().take(claim).unwrap();
        let seat = replaced.clone().drop_guard();
        let received = Arc::clone(&sender.instance.received).lock_owned().await;
        if replaced.is_cancelled() {
            return None;
        }
        let commits = sender.commits.subscribe();
        let stored = *sender.commits.borrow();
        let sequence = Sequence::begin(stored, received.last, 1);
        let (answers, heard) = mpsc::channel(2);
        let (to, requests) = mpsc::channel(1);
        let window = Room::new(self.setup.window as u64);
        let flow = Flow::new(
            [window, self.shared.clone()],
            commits,
            answers,
            [replaced, self.stop.clone()],
        );
        let session = Session {
            world: Rc::clone(self),
            client,
            requests,
            flow,
            received,
            sequence,
            under_way: Rc::default(),
        };
        self.spawn("session", client, session.run(stored, seat));
        Some((stored, to, heard))
    }

    fn commit(&self, batch: &Batch) {
        let sender = &self.senders[batch.client];
        let last = sender.commits.send_replace(batch.sequence);
        assert_eq!(last + 1, batch.sequence, "once, and in order");
        let Setup { window, shared, .. } = self.setup;
        self.under_way.update(|bytes| bytes - batch.bytes.min(shared));
        batch
            .under_way
            .update(|bytes| bytes - (batch.bytes + SAMPLE_BYTES).min(window));
    }
}

/// A session, without what is in its batches.
struct Session {
    world: Rc<World>,
    client: usize,
    requests: mpsc::Receiver<(u64, usize)>,
    flow: Flow,
    received: OwnedMutexGuard<Received>,
    sequence: Sequence,
    under_way: Rc<Cell<usize>>,
}

impl Session {
    async fn run(mut self, stored: u64, _seat: DropGuard) {
        let (last_call, aborted) = (CancellationToken::new(), CancellationToken::new());
        let acknowledging = self.flow.acknowledging(stored, last_call.clone());
        let until = aborted.clone();
        self.world.spawn("acknowledging", self.client, async move {
            until.run_until_cancelled(acknowledging).await;
        });
        let result = match self.take_all().await {
            Ok(()) => self.flow.stored(self.received.last).await,
            refused => refused,
        };
        match result {
            Ok(()) => last_call.cancel(),
            Err(_) => aborted.cancel(),
        }
        self.world.spawn("leaving", self.client, self.flow.leave());
    }

    async fn take_all(&mut self) -> Result<(), Refusal> {
        while let Some((sequence, bytes)) = self.flow.until(self.requests.recv()).await? {
            if self.sequence.is_new(sequence - 1, sequence, sequence)? {
                self.hand_on(sequence, bytes).await?;
            }
        }
        Ok(())
    }

    async fn hand_on(&mut self, sequence: u64, payload: usize) -> Result<(), Refusal> {
        let room = self.flow.room(payload, 1).await?;
        let (world, bytes) = (&*self.world, payload + BATCH_BYTES);
        let decoded = bytes + SAMPLE_BYTES;
        let Setup { window, shared, .. } = world.setup;
        world.under_way.update(|under_way| under_way + bytes.min(shared));
        self.under_way.update(|under_way| under_way + decoded.min(window));
        assert!(world.under_way.get() <= shared, "of all clients");
        assert!(self.under_way.get() <= window, "of this session");
        let batch = Batch {
            client: self.client,
            sequence,
            bytes,
            under_way: Rc::clone(&self.under_way),
        };
        world.queue.send(batch).await.ok().unwrap();
        world.senders[self.client].handed_on.set(sequence);
        self.sequence.received(sequence);
        self.received.last = sequence;
        self.flow.sent(sequence, room);
        Ok(())
    }
}

#[test]
fn everything_is_stored_once_and_nobody_waits_for_ever_in_random_orders() {
    let runs = std::env::var("ALUMET_SCHEDULES").map_or(2_000, |text| text.parse().unwrap());
    random(runs, |schedule| {
        let one_of = |sizes: &[usize]| sizes[schedule.choose(sizes.len())];
        let batches = |_| {
            (0..schedule.choose(6))
                .map(|_| one_of(&[0, 100, 400, 5_000]))
                .collect()
        };
        let setup = Setup {
            clients: (0..2 + schedule.choose(3)).map(batches).collect(),
            departures: schedule.choose(3),
            window: one_of(&[1, 600, 2_000]),
            shared: one_of(&[300, 900, 6_000]),
            queue: 1 + schedule.choose(2),
            group: 1 + schedule.choose(4),
            stops: schedule.choose(4) == 0,
        };
        check(schedule, setup);
    });
}

#[test]
fn everything_is_stored_once_and_nobody_waits_for_ever_in_all_orders_with_few_deviations() {
    let runs = all(2, |schedule| {
        let setup = Setup {
            clients: vec![vec![0, 100], vec![5_000, 0]],
            departures: 1,
            window: 600,
            shared: 700,
            queue: 1,
            group: 2,
            stops: false,
        };
        check(schedule, setup);
    });
    assert!(runs > 1_000, "{runs}");
}
