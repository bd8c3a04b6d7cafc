//! What the agent answers.

use alumet_core::pipeline::{ElementKey, ElementStatus, PipelineStatus};
use serde::Serialize;

use crate::request::GRAMMAR;
use crate::table::one_line;
use crate::{element, status};

/// The answer to one command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It was done, and there is something to say.
    Message(String),
    /// It was done to these elements.
    Selected(Vec<ElementKey>),
    /// How these elements are.
    Elements(Vec<ElementStatus>),
    /// How the agent is.
    Status(Box<PipelineStatus>),
    /// It was not done, or not all of it.
    #[serde(rename = "error")]
    Refused(String),
    /// The line is no command.
    #[serde(rename = "error")]
    Misunderstood(String),
}

/// A reply as JSON.
#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    #[serde(flatten)]
    reply: &'a Reply,
    #[serde(skip_serializing_if = "Option::is_none")]
    commands: Option<Vec<&'static str>>,
}

impl Reply {
    /// How the text of a status begins when something keeps the agent from measuring and delivering all that it should: a
    /// line for each follows.
    pub const NOT_READY: &str = "not ready";

    /// What is wrong, if something is.
    fn error(&self) -> Option<&str> {
        match self {
            Self::Refused(error) | Self::Misunderstood(error) => Some(error),
            _ => None,
        }
    }

    /// The reply as lines: what there is to say, each line behind two spaces, then `ok` or one line that begins with
    /// `error: `. What else an error says stands before that line.
    pub fn to_text(&self) -> String {
        let body = match self {
            Self::Message(message) => message.clone(),
            Self::Selected(elements) => {
                let lines = elements.iter().map(|element| one_line(&element.to_string()));
                lines.collect::<Vec<_>>().join("\n")
            }
            Self::Elements(elements) => element::table(elements),
            Self::Status(status) => status::text(status),
            Self::Refused(error) => error.split_once('\n').unwrap_or_default().1.to_owned(),
            Self::Misunderstood(_) => GRAMMAR.to_owned(),
        };
        let clean = |line: &str| line.replace(char::is_control, "\u{fffd}");
        let lines = body.trim_end().lines().map(|line| format!("  {}\n", clean(line)));
        let last = match self.error() {
            None => "ok".to_owned(),
            Some(error) => format!("error: {}", clean(error.lines().next().unwrap_or_default())),
        };
        lines.chain([last + "\n"]).collect()
    }

    /// The reply as one JSON object in one line, its end included.
    ///
    /// `ok` is true or false; `error` says what is wrong; `message`, `selected`, `elements` or `status` is the answer.
    /// `commands` lists all commands when the line was none.
    pub fn to_json(&self) -> String {
        let commands = matches!(self, Self::Misunderstood(_)).then(|| GRAMMAR.lines().collect());
        let json = serde_json::to_string(&Json {
            ok: self.error().is_none(),
            reply: self,
            commands,
        });
        // Only a map with keys that are no texts can fail, and there is none.
        json.unwrap_or_else(|_| "{\"ok\":false,\"error\":\"the reply cannot be written as JSON\"}".to_owned())
            + "\n"
    }
}
