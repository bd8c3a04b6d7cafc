//! Replies as JSON: one object in one line.

use serde::{Deserialize, Serialize};

use crate::element::ElementReport;
use crate::reply::Reply;
use crate::request::GRAMMAR;
use crate::status::StatusReport;

/// A line is no reply.
#[derive(Debug, thiserror::Error)]
pub enum NotAReply {
    /// It is no JSON, or has other fields.
    #[error("this is no reply of an agent")]
    Json(#[from] serde_json::Error),
    /// It says that all went well, but not what.
    #[error("the reply of the agent says nothing; this program and the agent are of different versions")]
    Nothing,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commands: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selected: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    elements: Option<Vec<ElementReport>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Box<StatusReport>>,
}

impl Wire {
    fn new(reply: &Reply) -> Self {
        let mut wire = Self {
            ok: reply.error().is_none(),
            error: reply.error().map(str::to_owned),
            commands: None,
            message: None,
            selected: None,
            elements: None,
            status: None,
        };
        match reply {
            Reply::Message(message) => wire.message = Some(message.clone()),
            Reply::Selected(elements) => wire.selected = Some(elements.clone()),
            Reply::Elements(elements) => wire.elements = Some(elements.clone()),
            Reply::Status(status) => wire.status = Some(status.clone()),
            Reply::Refused(_) => {}
            Reply::Misunderstood(_) => wire.commands = Some(GRAMMAR.lines().map(str::to_owned).collect()),
        }
        wire
    }
}

impl Reply {
    /// The reply as one JSON object in one line, its end included.
    ///
    /// `ok` is true or false; `error` says what is wrong; `message`, `selected`, `elements` or `status` is the answer.
    /// `commands` lists all commands when the line was none.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string(&Wire::new(self));
        // Only a map with keys that are no texts can fail, and there is none.
        json.unwrap_or_else(|_| "{\"ok\":false,\"error\":\"the reply cannot be written as JSON\"}".to_owned())
            + "\n"
    }

    /// Reads what [`to_json`](Self::to_json) wrote. An error as a line of text is understood, too: an agent that takes
    /// no more connections does not know yet how to answer.
    ///
    /// # Errors
    /// When the line is something else.
    pub fn parse(line: &str) -> Result<Self, NotAReply> {
        if let Some(error) = line.strip_prefix("error: ") {
            return Ok(Self::Refused(error.trim_end().to_owned()));
        }
        let wire: Wire = serde_json::from_str(line)?;
        if !wire.ok {
            let error = wire
                .error
                .unwrap_or_else(|| "the agent does not say why".to_owned());
            return Ok(match wire.commands {
                Some(_) => Self::Misunderstood(error),
                None => Self::Refused(error),
            });
        }
        let message = wire.message.map(Self::Message);
        message
            .or(wire.selected.map(Self::Selected))
            .or(wire.elements.map(Self::Elements))
            .or(wire.status.map(Self::Status))
            .ok_or(NotAReply::Nothing)
    }
}
