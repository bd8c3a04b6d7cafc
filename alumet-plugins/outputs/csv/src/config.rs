//! What the table `[plugins.csv]` holds.

use std::path::PathBuf;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use alumet_core::size::ByteSize;

use crate::field::Form;

/// Where and how samples are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The file, relative to the working directory. Its folder is created when it is missing. A named pipe works too;
    /// `-` is the standard output.
    pub output_path: PathBuf,
    /// Whether each batch is written at once. If not, batches of up to a second are written together.
    pub force_flush: bool,
    /// Whether the unit is appended to the name of the metric, after an underscore. Plain numbers have none.
    pub append_unit_to_metric_name: bool,
    /// Whether that unit is the symbol shown to people (`°C`) or the UCUM code (`Cel`).
    pub use_unit_display_name: bool,
    /// What separates columns: one ASCII character other than a double quote, the end of a line or NUL.
    pub csv_delimiter: char,
    /// What separates the attributes in the column `__late_attributes`: one ASCII character other than `=`, `\`, a
    /// double quote, the end of a line or NUL.
    pub csv_late_delimiter: char,
    /// Whether text that a spreadsheet would take for a formula, such as `=A1+1`, is escaped: its first character is
    /// written as `%3D`. Numbers stay as they are. Control characters are escaped in any case.
    pub spreadsheet_safe: bool,
    /// The file is rotated before it grows above this size. Without it, size does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_size: Option<ByteSize>,
    /// The file is rotated at every multiple of this duration since 1970-01-01T00:00 UTC: `"1h"` at each full hour,
    /// `"1d"` at midnight. Without it, time does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["1d"]))]
    pub rotate_interval: Option<HumanDuration>,
    /// How many rotated files are kept; the oldest are removed. Without it, all of them. Needs `rotate_size` or
    /// `rotate_interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [10]))]
    pub keep_files: Option<u32>,
    /// How rotated files are compressed. The file being written is always plain, so this needs `rotate_size` or
    /// `rotate_interval`.
    pub compression: Compression,
    /// How samples wait for this output.
    pub queue: QueuePolicy,
}

/// How rotated files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// They are left as they are.
    #[default]
    None,
    /// As Zstandard, to a file that ends in `.zst`.
    Zstd,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output_path: PathBuf::from("alumet-output.csv"),
            force_flush: true,
            append_unit_to_metric_name: true,
            use_unit_display_name: true,
            csv_delimiter: ';',
            csv_late_delimiter: ',',
            spreadsheet_safe: false,
            rotate_size: None,
            rotate_interval: None,
            keep_files: None,
            compression: Compression::None,
            queue: QueuePolicy::default(),
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        const REMEDY: &str = "set `rotate_size` or `rotate_interval` as well, or leave this key out";
        let mut faults = Faults::default();
        if self.output_path.as_os_str().is_empty() {
            faults.add("output_path", "name a file, for example \"alumet-output.csv\"");
        }
        check_delimiter("csv_delimiter", self.csv_delimiter, &[], &mut faults);
        check_delimiter(
            "csv_late_delimiter",
            self.csv_late_delimiter,
            &['=', '\\'],
            &mut faults,
        );
        if self.rotate_size == Some(ByteSize(0)) {
            let message = "a file cannot be kept below zero bytes; write a size such as \"100 MiB\" or leave the key out";
            faults.add("rotate_size", message);
        }
        if let Some(interval) = self.rotate_interval {
            faults.refuse_often("rotate_interval", *interval, Duration::from_secs(1));
        }
        if self.keep_files == Some(0) {
            let message = "every rotated file would be removed at once; keep at least 1, or leave the key out to keep all";
            faults.add("keep_files", message);
        } else if self.keep_files.is_some() && !self.rotates() {
            faults.add("keep_files", format!("only rotated files are removed; {REMEDY}"));
        }
        if self.compression != Compression::None && !self.rotates() {
            faults.add(
                "compression",
                format!("only rotated files are compressed; {REMEDY}"),
            );
        }
        self.queue.check("queue", &mut faults);
        faults.or_ok()
    }

    /// Whether something rotates the file.
    pub(crate) const fn rotates(&self) -> bool {
        self.rotate_size.is_some() || self.rotate_interval.is_some()
    }

    /// The keys that say how a line looks; the others are the default.
    pub(crate) fn format(&self) -> Self {
        Self {
            append_unit_to_metric_name: self.append_unit_to_metric_name,
            use_unit_display_name: self.use_unit_display_name,
            csv_delimiter: self.csv_delimiter,
            csv_late_delimiter: self.csv_late_delimiter,
            spreadsheet_safe: self.spreadsheet_safe,
            ..Self::default()
        }
    }

    /// How text becomes a field.
    pub(crate) fn form(&self) -> Form {
        Form {
            spreadsheet_safe: self.spreadsheet_safe,
            ..Form::new(self.delimiter())
        }
    }

    /// What separates columns.
    pub(crate) fn delimiter(&self) -> u8 {
        // `check` has refused everything but ASCII.
        u8::try_from(self.csv_delimiter).unwrap_or(b';')
    }
}

fn check_delimiter(key: &str, delimiter: char, also_refused: &[char], faults: &mut Faults) {
    if !delimiter.is_ascii() {
        let message = format!("{delimiter:?} is not ASCII; use for example \";\" or \",\"");
        faults.add(key, message);
    } else if matches!(delimiter, '"' | '\r' | '\n' | '\0') || also_refused.contains(&delimiter) {
        let message =
            format!("{delimiter:?} has a meaning of its own in this format; use for example \";\" or \",\"");
        faults.add(key, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alumet_core::output::OnFull;

    /// The table of a whole configuration file.
    fn table(file: &str) -> Config {
        let mut file: toml::Table = file.parse().unwrap();
        let mut plugins: toml::Table = file.remove("plugins").unwrap().try_into().unwrap();
        plugins.remove("csv").unwrap().try_into().unwrap()
    }

    #[test]
    fn the_default_file_parses_to_the_default() {
        assert_eq!(table(include_str!("../config.toml")), Config::default());
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn every_key_that_the_default_file_comments_out_is_a_key() {
        let text: String = include_str!("../config.toml")
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let config = table(&text);
        assert_eq!(config.rotate_size, Some(ByteSize(100 << 20)));
        assert_eq!(config.rotate_interval, Some(HumanDuration::from_secs(86_400)));
        assert_eq!(config.keep_files, Some(10));
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn the_default_survives_toml() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
    }

    #[test]
    fn a_value_that_cannot_work_is_refused_by_the_name_of_its_key() {
        for (text, key) in [
            ("output_path = ''", "output_path"),
            ("csv_delimiter = '\"'", "csv_delimiter"),
            ("csv_delimiter = \"\\n\"", "csv_delimiter"),
            ("csv_delimiter = \"\\r\"", "csv_delimiter"),
            ("csv_delimiter = \"\\u0000\"", "csv_delimiter"),
            ("csv_delimiter = '§'", "csv_delimiter"),
            ("csv_late_delimiter = '='", "csv_late_delimiter"),
            ("csv_late_delimiter = '\\'", "csv_late_delimiter"),
            ("rotate_size = 0", "rotate_size"),
            ("rotate_size = '0 MiB'", "rotate_size"),
            ("rotate_interval = '0s'", "rotate_interval"),
            ("keep_files = 0", "keep_files"),
            ("keep_files = 3", "keep_files"),
            ("compression = 'zstd'", "compression"),
            ("queue.capacity = 0", "queue.capacity"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check().unwrap_err().keys(), [key], "{text}");
        }
        for text in [
            "csv_delimiter = ';;'",
            "csv_delimiter = ''",
            "rotate_size = -1",
            "compression = 'gzip'",
        ] {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_queue_may_be_given_in_part() {
        let config: Config = toml::from_str("queue = { on_full = 'block' }").unwrap();
        assert_eq!(
            config.queue,
            QueuePolicy {
                on_full: OnFull::Block,
                ..QueuePolicy::default()
            }
        );
    }
}
