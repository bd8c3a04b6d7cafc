//! Bounded queues of batches, measured in samples, between threads and tasks.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

/// What travels in a queue.
pub(crate) trait Weighted {
    /// The number of samples; items without samples always find room.
    fn weight(&self) -> usize;
}

/// The queue is closed; the item comes back.
#[derive(Debug)]
pub(crate) struct Closed<T>(pub(crate) T);

/// A first-in-first-out queue with room for a number of samples.
///
/// An item that is larger than the whole queue is let in when nothing else weighs on it. Threads and asynchronous tasks
/// may use both ends.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    changed: Condvar,
    changed_async: Notify,
}

struct State<T> {
    items: VecDeque<T>,
    weight: usize,
    /// Everything finds room, because the end is near and nothing new comes.
    unbounded: bool,
    paused: bool,
    closed: bool,
    abandoned: bool,
    /// How often something has changed.
    version: u64,
}

/// What waiting for an item until a deadline gave.
#[derive(Debug)]
pub(crate) enum Popped<T> {
    /// The oldest item.
    Item(T),
    /// Nothing came in time.
    Late,
    /// Nothing comes any more.
    End,
}

impl<T: Weighted> Queue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            weight: 0,
            unbounded: false,
            paused: false,
            closed: false,
            abandoned: false,
            version: 0,
        };
        Self {
            state: Mutex::new(state),
            capacity,
            changed: Condvar::new(),
            changed_async: Notify::new(),
        }
    }

    /// Appends an item, waiting until there is room.
    pub(crate) fn push(&self, item: T) -> Result<(), Closed<T>> {
        let mut state = self.state.lock();
        while !state.closed && !state.has_room(item.weight(), self.capacity) {
            self.changed.wait(&mut state);
        }
        self.append(&mut state, item)
    }

    /// Appends an item, waiting until there is room.
    pub(crate) async fn push_async(&self, item: T) -> Result<(), Closed<T>> {
        loop {
            let changed = self.changed_async.notified();
            {
                let mut state = self.state.lock();
                if state.closed || state.has_room(item.weight(), self.capacity) {
                    return self.append(&mut state, item);
                }
            }
            changed.await;
        }
    }

    /// Appends an item; the oldest items with samples go to `evicted` until there is room.
    pub(crate) fn push_evicting(&self, item: T, mut evicted: impl FnMut(T)) -> Result<(), Closed<T>> {
        let mut state = self.state.lock();
        while !state.closed && !state.has_room(item.weight(), self.capacity) {
            let oldest = state.items.iter().position(|item| item.weight() > 0);
            let Some(oldest) = oldest.and_then(|index| state.items.remove(index)) else {
                break;
            };
            state.weight -= oldest.weight();
            evicted(oldest);
        }
        self.append(&mut state, item)
    }

    fn append(&self, state: &mut State<T>, item: T) -> Result<(), Closed<T>> {
        if state.closed {
            return Err(Closed(item));
        }
        state.weight += item.weight();
        state.items.push_back(item);
        self.notify(state);
        Ok(())
    }

    /// Takes the oldest item, waiting for one; `None` when the queue is closed and empty, or abandoned.
    #[cfg(test)]
    pub(crate) fn pop(&self) -> Option<T> {
        match self.pop_until(None) {
            Popped::Item(item) => Some(item),
            Popped::End | Popped::Late => None,
        }
    }

    /// Takes the oldest item, waiting for one until `deadline`.
    pub(crate) fn pop_until(&self, deadline: Option<Instant>) -> Popped<T> {
        let mut state = self.state.lock();
        loop {
            match self.take_from(&mut state) {
                Popped::Late if deadline.is_none_or(|deadline| Instant::now() < deadline) => {
                    self.wait(&mut state, deadline);
                }
                popped => return popped,
            }
        }
    }

    /// Takes the oldest item without waiting for one.
    pub(crate) fn take(&self) -> Popped<T> {
        self.take_from(&mut self.state.lock())
    }

    fn take_from(&self, state: &mut State<T>) -> Popped<T> {
        let popped = state.take();
        if matches!(popped, Popped::Item(_)) {
            self.notify(state);
        }
        popped
    }

    /// Whether nothing new comes.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Whether everything is given up.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }

    /// Whether nothing can be taken at the moment.
    pub(crate) fn is_paused(&self) -> bool {
        self.state.lock().is_paused()
    }

    /// Takes the oldest item of a kind out of its turn, if there is one and the queue is not paused.
    pub(crate) fn take_if(&self, is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        let mut state = self.state.lock();
        if state.is_paused() {
            return None;
        }
        let index = state.items.iter().position(is_wanted)?;
        let item = state.items.remove(index)?;
        state.weight -= item.weight();
        self.notify(&mut state);
        Some(item)
    }

    /// While paused, nothing can be taken until the queue is closed.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.change(|state| state.paused = paused);
    }

    /// Gives room to everything, so that nobody waits for anybody while the pipeline stops.
    pub(crate) fn open_wide(&self) {
        self.change(|state| state.unbounded = true);
    }

    /// Refuses new items; those that wait can still be taken.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Refuses new items and gives up those that wait.
    pub(crate) fn abandon(&self) {
        let given_up = self.change(|state| {
            state.closed = true;
            state.abandoned = true;
            state.weight = 0;
            std::mem::take(&mut state.items)
        });
        // Whoever waits for an answer gets it, and the series of what is given up may retire.
        drop(given_up);
    }

    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        self.notify(&mut state);
        result
    }

    /// How often something has changed.
    pub(crate) fn version(&self) -> u64 {
        self.state.lock().version
    }

    /// Waits until `deadline` for a change since `version`.
    pub(crate) fn changed_since(&self, version: u64, deadline: Option<Instant>) {
        let mut state = self.state.lock();
        if state.version == version {
            self.wait(&mut state, deadline);
        }
    }

    fn wait(&self, state: &mut MutexGuard<'_, State<T>>, deadline: Option<Instant>) {
        match deadline {
            None => self.changed.wait(state),
            Some(deadline) => {
                self.changed.wait_until(state, deadline);
            }
        }
    }

    /// As [`Self::changed_since`], in a task.
    pub(crate) async fn changed_since_async(&self, version: u64, deadline: Option<Instant>) {
        let changed = self.changed_async.notified();
        if self.version() != version {
            return;
        }
        match deadline {
            None => changed.await,
            Some(deadline) => {
                let _ = tokio::time::timeout_at(deadline.into(), changed).await;
            }
        }
    }

    fn notify(&self, state: &mut State<T>) {
        state.version += 1;
        self.changed.notify_all();
        self.changed_async.notify_waiters();
    }
}

impl<T: Weighted> State<T> {
    const fn has_room(&self, weight: usize, capacity: usize) -> bool {
        weight == 0 || self.unbounded || self.weight == 0 || self.weight + weight <= capacity
    }

    const fn is_paused(&self) -> bool {
        self.paused && !self.closed
    }

    /// [`Popped::Late`] if there is nothing yet.
    fn take(&mut self) -> Popped<T> {
        if self.abandoned {
            return Popped::End;
        }
        if self.is_paused() {
            return Popped::Late;
        }
        match self.items.pop_front() {
            Some(item) => {
                self.weight -= item.weight();
                Popped::Item(item)
            }
            None if self.closed => Popped::End,
            None => Popped::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Debug, PartialEq)]
    struct Item(usize, &'static str);

    impl Weighted for Item {
        fn weight(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn the_oldest_samples_make_room_and_items_without_samples_stay() {
        let queue = Queue::new(10);
        let mut evicted = Vec::new();
        for item in [Item(4, "a"), Item(0, "marker"), Item(4, "b"), Item(4, "c")] {
            queue.push_evicting(item, |old| evicted.push(old)).unwrap();
        }
        assert_eq!(evicted, [Item(4, "a")]);
        assert_eq!(queue.pop(), Some(Item(0, "marker")));
    }

    #[test]
    fn an_item_larger_than_the_queue_passes_alone() {
        let queue = Queue::new(10);
        queue.push(Item(100, "large")).unwrap();
        queue.close();
        assert_eq!(queue.pop(), Some(Item(100, "large")));
        assert_eq!(queue.pop(), None);
        assert!(queue.push(Item(1, "late")).is_err());
    }

    #[test]
    fn a_full_queue_blocks_until_something_is_taken() {
        let queue = Arc::new(Queue::new(1));
        queue.push(Item(1, "first")).unwrap();
        let pusher = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.push(Item(1, "second")).is_ok()
        });
        assert_eq!(queue.pop(), Some(Item(1, "first")));
        assert_eq!(queue.pop(), Some(Item(1, "second")));
        assert!(pusher.join().unwrap());
    }

    #[test]
    fn a_queue_that_is_opened_wide_lets_those_in_who_wait() {
        let queue = Arc::new(Queue::new(1));
        queue.push(Item(1, "first")).unwrap();
        let pusher = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.push(Item(1, "second")).is_ok()
        });
        queue.open_wide();
        assert!(pusher.join().unwrap());
        queue
            .push_evicting(Item(5, "third"), |_| panic!("nothing is evicted any more"))
            .unwrap();
    }

    #[tokio::test]
    async fn tasks_and_threads_share_a_queue() {
        let queue = Arc::new(Queue::new(2));
        let producer = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move {
                for _ in 0..100 {
                    queue.push_async(Item(1, "x")).await.unwrap();
                }
                queue.close();
            }
        });
        let consumer = tokio::task::spawn_blocking({
            let queue = Arc::clone(&queue);
            move || std::iter::from_fn(|| queue.pop()).count()
        });
        producer.await.unwrap();
        assert_eq!(consumer.await.unwrap(), 100);
    }

    #[test]
    fn an_abandoned_queue_gives_nothing_more() {
        let queue = Queue::new(2);
        queue.push(Item(1, "x")).unwrap();
        queue.abandon();
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn a_paused_queue_keeps_its_items_until_it_is_closed() {
        let queue = Queue::new(2);
        queue.set_paused(true);
        queue.push(Item(1, "x")).unwrap();
        assert!(matches!(queue.state.lock().take(), Popped::Late));
        queue.close();
        assert_eq!(queue.pop(), Some(Item(1, "x")));
    }
}
