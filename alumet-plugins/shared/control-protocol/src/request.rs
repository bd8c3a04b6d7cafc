//! What can be asked of a running agent.

use std::fmt;
use std::time::Duration;

use alumet_core::Consumer;
use alumet_core::duration::HumanDuration;
use alumet_core::pipeline::{Pattern, PatternError};

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
explain [CONSUMER]                 how the energy of a consumer has come about: process 4711, cgroup /user.slice;
                                   without one: that of the machine
mark NAME                          begin a phase: everything is polled, and the samples and the summary tell the phases
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
    /// Say how the latest computed numbers of a consumer have come about.
    Explain(Consumer),
    /// Begin a phase of what is measured.
    Mark(String),
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
    /// Write replies like this from now on.
    Format(Format),
}

/// How replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Lines that begin with two spaces, and a last one that is `ok` or begins with `error: `.
    #[default]
    Text,
    /// One JSON object in one line.
    Json,
}

impl Request {
    /// Whether it only asks and changes nothing that is measured.
    pub const fn is_question(&self) -> bool {
        matches!(
            self,
            Self::List(_) | Self::Status | Self::Explain(_) | Self::Ping | Self::Help | Self::Format(_)
        )
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
            "explain" if words.left.is_empty() => Self::Explain(Consumer::LocalMachine),
            "explain" => {
                let kind = words.next("a consumer, such as `process 4711`")?;
                Self::Explain(Consumer::new(
                    kind,
                    words.next("the id of the consumer, such as `4711`")?,
                ))
            }
            "mark" => Self::Mark(words.next("the name of the phase that begins")?.to_owned()),
            "flush" => Self::Flush,
            "reload" => Self::Reload,
            "ping" => Self::Ping,
            "help" => Self::Help,
            "shutdown" => Self::Shutdown,
            "format" => Self::Format(match words.next("`text` or `json`")? {
                "text" => Format::Text,
                "json" => Format::Json,
                format => {
                    let why = "is no format; write `format text` or `format json`";
                    return Err(CommandError::about(format, why));
                }
            }),
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
                    action => {
                        let why = "is nothing that `control` can do: pause, disable, resume, enable, stop, trigger-now, \
                                   set-period, set-poll-interval";
                        return Err(CommandError::about(action, why));
                    }
                }
            }
            command => {
                let why = "is no command; send `help` for all commands";
                return Err(CommandError::about(command, why));
            }
        };
        words.end()?;
        Ok(request)
    }
}

/// A command and the words behind it that were not taken yet.
struct Words<'a> {
    command: &'a str,
    left: &'a [String],
}

impl<'a> Words<'a> {
    fn new(words: &'a [String]) -> Result<Self, CommandError> {
        let empty = || CommandError::new("the line is empty; send `help` for all commands");
        let (command, left) = words.split_first().ok_or_else(empty)?;
        Ok(Self { command, left })
    }

    fn next(&mut self, what: &str) -> Result<&'a str, CommandError> {
        let lacks = || CommandError::about(self.command, &format!("lacks {what}"));
        let (word, left) = self.left.split_first().ok_or_else(lacks)?;
        self.left = left;
        Ok(word)
    }

    fn pattern(&mut self) -> Result<Pattern, CommandError> {
        let pattern = self.next("a pattern, such as `sources/procfs/*`")?;
        let refused = |error: PatternError| CommandError::new(error);
        pattern.parse().map_err(refused)
    }

    /// All words that are left: a duration may have spaces.
    fn duration(&mut self) -> Result<Duration, CommandError> {
        let all = self.left.join(" ");
        self.next("a duration, such as `1s`")?;
        self.left = &[];
        let refused = |error| {
            let why = format!("is no duration ({error}); write it as 500ms, 1s or 1m 30s");
            CommandError::about(&all, &why)
        };
        Ok(*all.parse::<HumanDuration>().map_err(refused)?)
    }

    fn end(&self) -> Result<(), CommandError> {
        let Some(word) = self.left.first() else {
            return Ok(());
        };
        let (command, rest) = (words::excerpt(self.command), words::excerpt(word));
        let why = format!("nothing more can follow `{command}`; leave `{rest}` out");
        Err(CommandError(why))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (command, pattern) = match self {
            Self::List(pattern) => ("list", Some(pattern)),
            Self::Pause(pattern) => ("pause", Some(pattern)),
            Self::Resume(pattern) => ("resume", Some(pattern)),
            Self::Stop(pattern) => ("stop", Some(pattern)),
            Self::SetInterval(pattern, _) => ("set-interval", Some(pattern)),
            Self::Trigger(pattern) => ("trigger", Some(pattern)),
            Self::Explain(consumer) => {
                let (kind, id) = (consumer.kind(), consumer.id());
                return write!(f, "explain {} {}", quoted(kind), quoted(&id));
            }
            Self::Mark(phase) => return write!(f, "mark {}", quoted(phase)),
            Self::Status => ("status", None),
            Self::Flush => ("flush", None),
            Self::Reload => ("reload", None),
            Self::Ping => ("ping", None),
            Self::Help => ("help", None),
            Self::Shutdown => ("shutdown", None),
            Self::Format(Format::Text) => ("format text", None),
            Self::Format(Format::Json) => ("format json", None),
        };
        f.write_str(command)?;
        if let Some(pattern) = pattern {
            write!(f, " {}", quoted(&pattern.to_string()))?;
        }
        if let Self::SetInterval(_, interval) = self {
            write!(f, " {}", HumanDuration(*interval))?;
        }
        Ok(())
    }
}
