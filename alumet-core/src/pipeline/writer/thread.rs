use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::failure::Failure;
use crate::output::Receipt;
use crate::pipeline::message::Outgoing;
use crate::pipeline::queue::Queue;
use crate::pipeline::shared::Worker;
use crate::pipeline::supervise::guard;

use super::{Step, Writer};

/// Feeds an output in a thread of its own, in which it may block.
pub(crate) fn spawn(writer: Writer) -> std::io::Result<Worker> {
    let name: String = format!("out-{}", writer.account.key().plugin)
        .chars()
        .filter(char::is_ascii)
        .take(15)
        .collect();
    Worker::thread(name, move || {
        let runtime = writer.shared.runtime.present();
        let _runtime = runtime.as_ref().map(Handle::enter);
        work(writer);
    })
}

fn work(mut writer: Writer) {
    let queue = Arc::clone(&writer.queue);
    loop {
        match writer.step() {
            Step::Await(job, future, deadline) => {
                let started = Instant::now();
                let result = guard(|| block_on(future, deadline, &queue));
                writer.ended(job, result, started.elapsed());
            }
            Step::Load { all } => {
                if let Some(backlog) = &writer.backlog {
                    let loaded = guard(|| backlog.load(all));
                    writer.loaded(loaded);
                }
            }
            Step::Wait { version, deadline } => queue.changed_since(version, deadline),
            Step::End => return writer.end(),
        }
    }
}

/// Waits for a delivery in this thread, until the deadline or until the queue is abandoned.
fn block_on(
    future: impl Future<Output = Result<Receipt, Failure>>,
    deadline: Instant,
    queue: &Queue<Outgoing>,
) -> Result<Receipt, Failure> {
    /// How often the end is looked for.
    const LOOK: Duration = Duration::from_millis(100);

    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || queue.is_abandoned() {
            return Err(super::no_answer());
        }
        std::thread::park_timeout(left.min(LOOK));
    }
}
