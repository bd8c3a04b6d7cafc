//! From the configuration to the output.

use std::time::Duration;

use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};

use crate::config::Config;
use crate::output::CsvOutput;
use crate::probe::probe;
use crate::stream_sink::is_stdout;

/// Writes samples to a CSV file.
#[derive(Debug)]
pub struct CsvPlugin;

impl Plugin for CsvPlugin {
    const ID: &'static str = "csv";
    const SUMMARY: &'static str = "Writes samples to a CSV file, with rotation and compression.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if alumet.is_trial() {
            probe(&config)?
                .into_iter()
                .for_each(|finding| alumet.note(finding));
            return Ok(Self);
        }
        let destination = match is_stdout(&config.output_path) {
            true => "the standard output".to_owned(),
            false => config.output_path.display().to_string(),
        };
        let output = CsvOutput::open(&config, alumet.clock().now())?;
        let spec = alumet
            .output("file", output)
            .queue(config.queue)
            .destination(destination);
        if !config.force_flush {
            spec.joined(usize::MAX, Duration::from_secs(1));
        }
        Ok(Self)
    }
}
