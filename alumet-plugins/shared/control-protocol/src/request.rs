//! What can be asked of a running agent.

use std::fmt;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::Pattern;

use crate::error::CommandError;
use crate::words::{self, quoted};

/// All commands, for people; one per line.
pub const GRAMMAR: &str = "\
list [PATTERN]                     the elements, how they are and what they did
status                             where every sample is, and how punctual the agent is
pause PATTERN                      let elements wait
resume PATTERN                     let them go on
stop PATTERN                       end elements; without a pattern: end the agent
set-interval PATTERN DURATION      poll sources at another interval: 500ms, 1s, 1m 30s
trigger PATTERN                    poll sources now
flush                              write everything that has been measured
reload                             read the configuration again
ping                               check that measuring goes on
shutdown                           end the agent
help                               this list
format text|json                   how replies are written from now on; `json COMMAND` for one command
control PATTERN ACTION             pause, disable, resume, enable, stop, trigger-now,
                                   set-period DURATION, set-poll-interval DURATION
PATTERN is kind/plugin/name, such as sources/procfs/* or outputs or *; put it in double quotes if it has a space";

/// Something that a running agent is asked to do.
///
/// Its text, which `Display` gives, is the command without the end of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Say how elements are.
    List(Pattern),
    /// Say where every sample is.
    Status,
    /// Let elements wait.
    Pause(Pattern),
    /// Let elements go on.
    Resume(Pattern),
    /// End elements.
    Stop(Pattern),
    /// Poll sources at another interval.
    SetInterval(Pattern, Duration),
    /// Poll sources now.
    Trigger(Pattern),
    /// Write everything that has been measured.
    Flush,
    /// Read the configuration again.
    Reload,
    /// Check that measuring goes on.
    Ping,
    /// List all commands.
    Help,
    /// End the agent.
    Shutdown,
}

impl Request {
    /// Whether it only asks and changes nothing.
    pub const fn is_question(&self) -> bool {
        matches!(self, Self::List(_) | Self::Status | Self::Ping | Self::Help)
    }

    /// The request that the words of a line name.
    pub(crate) fn from_words(words: &[String]) -> Result<Self, CommandError> {
        let Some((command, arguments)) = words.split_first() else {
            return Err(CommandError::Empty);
        };
        let rest = Arguments {
            command,
            left: arguments,
        };
        match command.as_str() {
            "list" if arguments.is_empty() => Ok(Self::List(Pattern::all())),
            "list" => rest.pattern(Self::List),
            "status" => rest.nothing(Self::Status),
            "pause" => rest.pattern(Self::Pause),
            "resume" => rest.pattern(Self::Resume),
            // Without a pattern it has always meant the whole agent.
            "stop" if arguments.is_empty() => Ok(Self::Shutdown),
            "stop" => rest.pattern(Self::Stop),
            "set-interval" => rest.pattern_and_duration(),
            "trigger" => rest.pattern(Self::Trigger),
            "flush" => rest.nothing(Self::Flush),
            "reload" => rest.nothing(Self::Reload),
            "ping" => rest.nothing(Self::Ping),
            "help" => rest.nothing(Self::Help),
            "shutdown" => rest.nothing(Self::Shutdown),
            "control" => rest.control(),
            _ => Err(CommandError::Unknown(words::excerpt(command))),
        }
    }
}

/// The words behind a command.
struct Arguments<'a> {
    command: &'a str,
    left: &'a [String],
}

impl Arguments<'_> {
    fn nothing(&self, request: Request) -> Result<Request, CommandError> {
        match self.left.first() {
            None => Ok(request),
            Some(word) => Err(CommandError::TooMuch {
                command: words::excerpt(self.command),
                rest: words::excerpt(word),
            }),
        }
    }

    fn pattern(mut self, request: fn(Pattern) -> Request) -> Result<Request, CommandError> {
        let pattern = self.take_pattern()?;
        self.nothing(request(pattern))
    }

    fn pattern_and_duration(mut self) -> Result<Request, CommandError> {
        let pattern = self.take_pattern()?;
        Ok(Request::SetInterval(pattern, self.duration()?))
    }

    /// The old form: `control PATTERN ACTION`.
    fn control(mut self) -> Result<Request, CommandError> {
        let pattern = self.take_pattern()?;
        let Some((action, left)) = self.left.split_first() else {
            return Err(self.missing("what to do, such as `pause`"));
        };
        let rest = Arguments {
            command: action,
            left,
        };
        match action.as_str() {
            "pause" | "disable" => rest.nothing(Request::Pause(pattern)),
            "resume" | "enable" => rest.nothing(Request::Resume(pattern)),
            "stop" => rest.nothing(Request::Stop(pattern)),
            "trigger-now" => rest.nothing(Request::Trigger(pattern)),
            "set-period" | "set-poll-interval" => Ok(Request::SetInterval(pattern, rest.duration()?)),
            _ => Err(CommandError::UnknownAction(words::excerpt(action))),
        }
    }

    fn take_pattern(&mut self) -> Result<Pattern, CommandError> {
        let Some((word, left)) = self.left.split_first() else {
            return Err(self.missing("a pattern, such as `sources/procfs/*`"));
        };
        self.left = left;
        Ok(word.parse()?)
    }

    /// All words that are left: a duration may have spaces.
    fn duration(&self) -> Result<Duration, CommandError> {
        if self.left.is_empty() {
            return Err(self.missing("a duration, such as `1s`"));
        }
        let text = self.left.join(" ");
        match text.parse::<HumanDuration>() {
            Ok(duration) => Ok(*duration),
            Err(error) => Err(CommandError::Duration {
                text: words::excerpt(&text),
                error: error.to_string(),
            }),
        }
    }

    fn missing(&self, what: &'static str) -> CommandError {
        CommandError::Missing {
            command: words::excerpt(self.command),
            what,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (command, pattern) = match self {
            Self::List(pattern) => ("list", pattern),
            Self::Pause(pattern) => ("pause", pattern),
            Self::Resume(pattern) => ("resume", pattern),
            Self::Stop(pattern) => ("stop", pattern),
            Self::Trigger(pattern) => ("trigger", pattern),
            Self::SetInterval(pattern, interval) => {
                let interval = HumanDuration(*interval);
                return write!(f, "set-interval {} {interval}", quoted(&pattern.to_string()));
            }
            Self::Status => return f.write_str("status"),
            Self::Flush => return f.write_str("flush"),
            Self::Reload => return f.write_str("reload"),
            Self::Ping => return f.write_str("ping"),
            Self::Help => return f.write_str("help"),
            Self::Shutdown => return f.write_str("shutdown"),
        };
        write!(f, "{command} {}", quoted(&pattern.to_string()))
    }
}

impl std::str::FromStr for Request {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        Self::from_words(&words::split(text)?)
    }
}
