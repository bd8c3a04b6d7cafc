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
        let mut words = Words::new(words)?;
        let request = match words.command {
            "list" if words.left.is_empty() => Self::List(Pattern::all()),
            "list" => Self::List(words.pattern()?),
            "status" => Self::Status,
            "pause" => Self::Pause(words.pattern()?),
            "resume" => Self::Resume(words.pattern()?),
            // Without a pattern it has always meant the whole agent.
            "stop" if words.left.is_empty() => Self::Shutdown,
            "stop" => Self::Stop(words.pattern()?),
            "set-interval" => Self::SetInterval(words.pattern()?, words.duration()?),
            "trigger" => Self::Trigger(words.pattern()?),
            "flush" => Self::Flush,
            "reload" => Self::Reload,
            "ping" => Self::Ping,
            "help" => Self::Help,
            "shutdown" => Self::Shutdown,
            "control" => {
                let pattern = words.pattern()?;
                // What follows belongs to the action.
                words.command = words.next("what to do, such as `pause`")?;
                match words.command {
                    "pause" | "disable" => Self::Pause(pattern),
                    "resume" | "enable" => Self::Resume(pattern),
                    "stop" => Self::Stop(pattern),
                    "trigger-now" => Self::Trigger(pattern),
                    "set-period" | "set-poll-interval" => Self::SetInterval(pattern, words.duration()?),
                    action => return Err(CommandError::UnknownAction(words::excerpt(action))),
                }
            }
            command => return Err(CommandError::Unknown(words::excerpt(command))),
        };
        words.end()?;
        Ok(request)
    }
}

/// A command and the words behind it that were not taken yet.
pub(crate) struct Words<'a> {
    command: &'a str,
    left: &'a [String],
}

impl<'a> Words<'a> {
    pub(crate) fn new(words: &'a [String]) -> Result<Self, CommandError> {
        let (command, left) = words.split_first().ok_or(CommandError::Empty)?;
        Ok(Self { command, left })
    }

    pub(crate) fn next(&mut self, what: &'static str) -> Result<&'a str, CommandError> {
        let (word, left) = self.left.split_first().ok_or_else(|| CommandError::Missing {
            command: words::excerpt(self.command),
            what,
        })?;
        self.left = left;
        Ok(word)
    }

    fn pattern(&mut self) -> Result<Pattern, CommandError> {
        Ok(self.next("a pattern, such as `sources/procfs/*`")?.parse()?)
    }

    /// All words that are left: a duration may have spaces.
    fn duration(&mut self) -> Result<Duration, CommandError> {
        let all = self.left.join(" ");
        self.next("a duration, such as `1s`")?;
        self.left = &[];
        match all.parse::<HumanDuration>() {
            Ok(duration) => Ok(*duration),
            Err(error) => Err(CommandError::Duration {
                text: words::excerpt(&all),
                error: error.to_string(),
            }),
        }
    }

    pub(crate) fn end(&self) -> Result<(), CommandError> {
        match self.left.first() {
            None => Ok(()),
            Some(word) => Err(CommandError::TooMuch {
                command: words::excerpt(self.command),
                rest: words::excerpt(word),
            }),
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
