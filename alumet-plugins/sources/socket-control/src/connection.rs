//! One connection: lines in, replies out, one after the other.

use std::io;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Control;
use alumet_shared_control_protocol::{Command, Format, Line, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::execute::execute;
use crate::lines::{LineBuffer, LineFault};

/// How long a reader may take to make room for a reply.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who is connected.
pub(crate) struct Connection {
    stream: UnixStream,
    control: Control,
    idle_timeout: Duration,
    format: Format,
}

impl Connection {
    pub(crate) fn new(stream: UnixStream, control: Control, idle_timeout: Duration) -> Self {
        Self {
            stream,
            control,
            idle_timeout,
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
        let mut lines = LineBuffer::default();
        let mut piece = [0; 4096];
        let mut deadline = Instant::now() + self.idle_timeout;
        loop {
            while let Some(line) = lines.next() {
                self.answer(line).await?;
                if stop.is_cancelled() {
                    return Ok(());
                }
                deadline = Instant::now() + self.idle_timeout;
            }
            let read = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(deadline) => {
                    let idle = HumanDuration(self.idle_timeout);
                    let reason = format!("no complete command came for {idle}; the connection is closed");
                    return self.write(self.format, &Reply::Refused(reason)).await;
                }
                read = self.stream.read(&mut piece) => read?,
            };
            if read == 0 {
                if lines.has_part() {
                    // It may be the beginning of another command, so it is not carried out.
                    let reason = "the last line has no end, so it was not carried out; end it with a newline";
                    self.write(self.format, &Reply::Refused(reason.to_owned()))
                        .await?;
                }
                return Ok(());
            }
            lines.push(&piece[..read]);
        }
    }

    async fn answer(&mut self, line: Result<String, LineFault>) -> io::Result<()> {
        let line = match line {
            Ok(text) => Line::parse(&text),
            Err(fault) => {
                return self
                    .write(self.format, &Reply::Misunderstood(fault.to_string()))
                    .await;
            }
        };
        let reply = match line.command {
            Err(error) => Reply::Misunderstood(error.to_string()),
            Ok(Command::Format(format)) => {
                self.format = format;
                Reply::Message(String::new())
            }
            Ok(Command::Do(request)) => {
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
