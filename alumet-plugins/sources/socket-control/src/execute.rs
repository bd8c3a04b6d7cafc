//! From a request to the pipeline and back.

use alumet_core::pipeline::{Control, ControlError, Pattern};
use alumet_shared_control_protocol::{GRAMMAR, Reply, Request};

/// Does what is asked. Waits for the pipeline, usually some microseconds.
pub(crate) fn execute(request: &Request, control: &Control) -> Reply {
    if request.is_question() {
        tracing::debug!(%request, "a question at the control socket");
    } else {
        tracing::info!(%request, "a command at the control socket");
    }
    let result = match request {
        Request::List(pattern) => control.list(pattern).map(Reply::Elements),
        Request::Status => control.status().map(|status| Reply::Status(Box::new(status))),
        Request::Pause(pattern) => control.pause(pattern).map(Reply::Selected),
        Request::Resume(pattern) => control.resume(pattern).map(Reply::Selected),
        Request::Stop(pattern) => stop(pattern, control),
        Request::SetInterval(pattern, interval) => {
            control.set_interval(pattern, *interval).map(Reply::Selected)
        }
        Request::Trigger(pattern) => control.trigger(pattern).map(Reply::Selected),
        Request::Explain(consumer) => control.explain(consumer).map(Reply::Message),
        Request::Mark(phase) => control.mark(phase).map(|()| message("the phase has begun")),
        Request::Flush => control
            .flush()
            .map(|()| message("everything measured is written")),
        Request::Reload => control.reload().map(Reply::Message),
        Request::Ping => control.ping().map(|()| message("pong")),
        Request::Help => Ok(message(GRAMMAR)),
        // The connection knows it already.
        Request::Format(_) => Ok(message("")),
        Request::Shutdown => control.request_shutdown().map(|()| message("the agent stops")),
    };
    result.unwrap_or_else(|error: ControlError| {
        tracing::debug!(%request, %error, "the command was refused");
        Reply::Refused(error.to_string())
    })
}

/// Ends elements. With the last source the program may end the whole pipeline, before this has waited for all of them.
fn stop(pattern: &Pattern, control: &Control) -> Result<Reply, ControlError> {
    let before = control.list(pattern)?;
    match control.stop(pattern) {
        Err(ControlError::NotRunning) if !before.is_empty() => Ok(Reply::Selected(
            before.into_iter().map(|element| element.key).collect(),
        )),
        result => result.map(Reply::Selected),
    }
}

fn message(text: &str) -> Reply {
    Reply::Message(text.to_owned())
}
