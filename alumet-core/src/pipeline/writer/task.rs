use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::output::Receipt;
use crate::pipeline::shared::Worker;
use crate::pipeline::supervise::{guard, guard_async};

use super::{Job, Step, Writer};

/// Feeds an output in a task, with several deliveries under way.
pub(crate) fn spawn(writer: Writer, runtime: &Handle) -> Worker {
    Worker::task(runtime, work(writer))
}

/// A delivery that is over.
type Ended = (Job, Result<Receipt, Failure>, Duration);

async fn work(mut writer: Writer) {
    let queue = Arc::clone(&writer.queue);
    let mut under_way = JoinSet::<Ended>::new();
    loop {
        match writer.step() {
            Step::Await(job, future, deadline) => {
                under_way.spawn(async move {
                    let started = Instant::now();
                    let result = tokio::time::timeout_at(deadline.into(), guard_async(future)).await;
                    let result = result.unwrap_or_else(|_| Err(super::no_answer()));
                    (job, result, started.elapsed())
                });
            }
            Step::Load { all } => {
                if let Some(backlog) = writer.backlog.clone() {
                    let loaded = tokio::task::spawn_blocking(move || guard(|| backlog.load(all))).await;
                    writer.loaded(loaded.unwrap_or_else(|error| Err(error.into())));
                }
            }
            Step::Wait { version, deadline } => tokio::select! {
                Some(Ok((job, result, busy))) = under_way.join_next() => {
                    writer.ended(job, result, busy);
                    // The spool is told once of all that are over.
                    while let Some(Ok((job, result, busy))) = under_way.try_join_next() {
                        writer.ended(job, result, busy);
                    }
                }
                () = queue.changed_since_async(version, deadline) => {}
            },
            Step::End => break,
        }
    }
    // Whatever is still under way is abandoned before anybody hears that it was given up.
    under_way.shutdown().await;
    writer.end();
}
