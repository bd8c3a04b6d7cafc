//! One connection: lines in, replies out, one after the other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Control;
use alumet_shared_control_protocol::{Format, LINE_LIMIT, Line, Reply, Request};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::execute::execute;

/// How long a reader may take to make room for a reply.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Since when a connection is idle; `None` while it is answered.
pub(crate) type Idle = Arc<Mutex<Option<Instant>>>;

/// Somebody who is connected.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    control: Control,
    idle_timeout: Duration,
    idle: Idle,
    /// Cancelled when somebody else needs its place.
    leave: CancellationToken,
    format: Format,
}

impl Connection {
    pub(crate) fn new(
        stream: UnixStream,
        control: Control,
        idle_timeout: Duration,
        idle: Idle,
        leave: CancellationToken,
    ) -> Self {
        Self {
            stream: BufReader::new(stream),
            control,
            idle_timeout,
            idle,
            leave,
            format: Format::Text,
        }
    }

    /// Answers until the other side or this agent has enough.
    pub(crate) async fn serve(mut self, stop: CancellationToken) {
        if let Err(error) = self.answer_all(&stop).await {
            // Whoever goes away without reading has their reasons.
            tracing::debug!(%error, "a connection to the control socket broke");
        }
    }

    async fn answer_all(&mut self, stop: &CancellationToken) -> io::Result<()> {
        let mut line = Vec::new();
        // Whether the rest of a line that is too long is passed over.
        let mut discarding = false;
        let mut deadline = Instant::now() + self.idle_timeout;
        while !stop.is_cancelled() {
            line.clear();
            // Not more than the longest line and its end.
            let mut stream = (&mut self.stream).take(LINE_LIMIT as u64 + 1);
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.leave.cancelled() => {
                    let reason = "others need the place of this connection, which was idle; connect again";
                    return self.write(self.format, &Reply::Refused(reason.to_owned())).await;
                }
                () = sleep_until(deadline) => {
                    let idle = HumanDuration(self.idle_timeout);
                    let reason = format!("no complete command came for {idle}; the connection is closed");
                    return self.write(self.format, &Reply::Refused(reason)).await;
                }
                read = stream.read_until(b'\n', &mut line) => read?,
            };
            let has_end = line.pop_if(|last| *last == b'\n').is_some();
            if discarding {
                discarding = !has_end;
            } else if has_end {
                *self.idle.lock() = None;
                self.answer(&line).await?;
                *self.idle.lock() = Some(Instant::now());
                deadline = Instant::now() + self.idle_timeout;
            } else if line.len() > LINE_LIMIT {
                discarding = true;
                let reason = format!("the line is longer than {LINE_LIMIT} bytes and was not read");
                self.write(self.format, &Reply::Misunderstood(reason)).await?;
            } else if !line.is_empty() {
                // It may be the beginning of another command, so it is not carried out.
                let reason = "the last line has no end, so it was not carried out; end it with a newline";
                self.write(self.format, &Reply::Refused(reason.to_owned()))
                    .await?;
            }
            if !has_end && line.len() <= LINE_LIMIT {
                break;
            }
        }
        Ok(())
    }

    async fn answer(&mut self, line: &[u8]) -> io::Result<()> {
        let Ok(text) = std::str::from_utf8(line) else {
            let reply = Reply::Misunderstood("the line is no UTF-8".to_owned());
            return self.write(self.format, &reply).await;
        };
        let line = Line::parse(text);
        let reply = match line.request {
            Err(error) => Reply::Misunderstood(error.to_string()),
            Ok(request) => {
                if let Request::Format(format) = request {
                    self.format = format;
                }
                let control = self.control.clone();
                let done = tokio::task::spawn_blocking(move || execute(&request, &control)).await;
                done.unwrap_or_else(|error| {
                    tracing::error!(%error, "a command at the control socket failed unexpectedly");
                    Reply::Refused("the command failed unexpectedly; see the log of the agent".to_owned())
                })
            }
        };
        self.write(line.format.unwrap_or(self.format), &reply).await
    }

    async fn write(&mut self, format: Format, reply: &Reply) -> io::Result<()> {
        let text = match format {
            Format::Text => reply.to_text(),
            Format::Json => reply.to_json(),
        };
        timeout(
            WRITE_PATIENCE.min(self.idle_timeout),
            self.stream.write_all(text.as_bytes()),
        )
        .await?
    }
}
