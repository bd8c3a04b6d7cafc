//! Where a summary goes.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use tracing::Level;

use super::Summary;
use crate::cli::{Global, Measuring};
use crate::exit::Failed;
use crate::settings::LogSettings;
use crate::terminal;

/// Where summaries go. A program's own output is never mixed with them, unless that is asked for.
#[derive(Debug)]
pub(crate) struct SummaryPlaces {
    text: Place,
    json: Option<Place>,
}

#[derive(Debug)]
enum Place {
    StandardOutput,
    StandardError,
    /// Opened before anything runs, so that one that cannot be written is known then.
    File(File, PathBuf),
    /// One line, with the most important numbers. Nothing where only warnings and errors are logged.
    Log,
}

impl SummaryPlaces {
    /// Those that are asked for, `-` being the standard error for people and the standard output for programs. Unless told
    /// otherwise, a text goes to the terminal, or without one to the log.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn open(measuring: &Measuring, global: &Global, log: &LogSettings) -> Result<Self, Failed> {
        let dash = Path::new("-");
        let terminal = || {
            let terminal = OpenOptions::new().write(true).open("/dev/tty").ok()?;
            Some(Place::File(terminal, "/dev/tty".into()))
        };
        Ok(Self {
            text: match measuring.summary.as_deref() {
                Some(path) if path == dash => Place::StandardError,
                Some(path) => Place::file(path)?,
                // Whoever reads JSON there could not read anything else.
                None if global.quiet || log.is_json(global) => Place::Log,
                None if io::stderr().is_terminal() => Place::StandardError,
                None => terminal().unwrap_or(Place::Log),
            },
            json: match measuring.summary_json.as_deref() {
                Some(path) if path == dash => Some(Place::StandardOutput),
                Some(path) => Some(Place::file(path)?),
                None => None,
            },
        })
    }

    /// Tells a summary everywhere.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn tell(&mut self, summary: &Summary) -> Result<(), Failed> {
        match &mut self.text {
            Place::Log => summary.log(),
            place => place.write(summary.text().trim_end())?,
        }
        if let Some(place) = &mut self.json {
            let text = serde_json::to_string_pretty(summary).map_err(anyhow::Error::from)?;
            place.write(&text)?;
        }
        Ok(())
    }
}

impl Place {
    fn file(path: &Path) -> Result<Self, Failed> {
        let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
        Ok(Self::File(file, path.to_owned()))
    }

    fn write(&mut self, text: &str) -> Result<(), Failed> {
        match self {
            Self::StandardOutput => terminal::print(&format!("{text}\n")).map(drop),
            Self::StandardError | Self::Log => {
                terminal::complain(Level::INFO, text);
                Ok(())
            }
            Self::File(file, path) => writeln!(file, "{text}").map_err(|error| cannot_write(path, &error)),
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failed {
    let path = path.display();
    Failed::running(format!(
        "the summary cannot be written to {path}: {error}\n  help: name a file in a folder that exists and that you may write"
    ))
}

impl Summary {
    fn log(&self) {
        let usage = self.usage.as_ref();
        tracing::info!(
            duration_seconds = self.duration_seconds,
            cpu_seconds = usage.map(|usage| usage.cpu_user_seconds + usage.cpu_system_seconds),
            peak_memory_bytes = usage.map(|usage| usage.peak_memory_of_all_bytes),
            energy_joules = self.energy.program.as_ref().map(|program| program.joules),
            energy_quality = self.energy.program.as_ref().map(|program| program.quality.name()),
            "{}; the whole summary goes where --summary says",
            self.title
        );
    }
}
