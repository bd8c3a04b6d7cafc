//! What the table `[plugins.csv]` holds.

use std::path::PathBuf;
use std::time::Duration;

use alumet_core::duration::HumanDuration;
use alumet_core::output::QueuePolicy;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use alumet_core::size::ByteSize;

use crate::format::{Dialect, Format};

/// Where and how samples are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The file, relative to the working directory. Its folder is created when it is missing. A named pipe works too;
    /// `-` is the standard output.
    pub output_path: PathBuf,
    /// Whether each batch is written at once. If not, batches of up to a second are written together.
    pub force_flush: bool,
    /// What the file looks like. `plain` is read by every program as it is; a file that was written in the other dialect is
    /// renamed, and a new one begun.
    pub dialect: Dialect,
    /// Whether the unit is appended to the name of the metric, after an underscore; plain numbers have none. Left out: yes
    /// in the dialect `original`. In `plain` it has a column of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub append_unit_to_metric_name: Option<bool>,
    /// Whether the unit is the symbol shown to people (`°C`) or the UCUM code (`Cel`).
    pub use_unit_display_name: bool,
    /// What separates columns: one ASCII character other than a double quote, the end of a line or NUL. Left out: `;` in the
    /// dialect `original`, a comma in `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [";"]))]
    pub csv_delimiter: Option<char>,
    /// What separates the attributes in the column `__late_attributes` of the dialect `original`: one ASCII character other
    /// than `=`, `\`, a double quote, the end of a line or NUL. Left out: a comma.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [","]))]
    pub csv_late_delimiter: Option<char>,
    /// Whether `<file>.meta.json` beside each file says what is in it: the host, the columns, and the unit, kind and
    /// description of each metric. Left out: yes in the dialect `plain`, no in `original`. A stream has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [true]))]
    pub metadata: Option<bool>,
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
    /// The most that the file and all rotated ones may have together: the oldest are removed before it is more. Without
    /// `rotate_size`, the file is rotated at a quarter of it. Left out: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["1 GiB"]))]
    pub max_total_size: Option<ByteSize>,
    /// How many rotated files are kept; the oldest are removed. Without it, all of them, within `max_total_size`. Needs one of
    /// the keys that rotate the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [10]))]
    pub keep_files: Option<u32>,
    /// How rotated files are compressed. The file being written never is, so this needs one of the keys that rotate it:
    /// `rotate_size`, `rotate_interval` or `max_total_size`.
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
            dialect: Dialect::Original,
            append_unit_to_metric_name: None,
            use_unit_display_name: true,
            csv_delimiter: None,
            csv_late_delimiter: None,
            metadata: None,
            spreadsheet_safe: false,
            rotate_size: None,
            rotate_interval: None,
            max_total_size: None,
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
        const REMEDY: &str =
            "set `rotate_size`, `rotate_interval` or `max_total_size` as well, or leave this key out";
        let mut faults = Faults::default();
        if self.output_path.as_os_str().is_empty() {
            faults.add("output_path", "name a file, for example \"alumet-output.csv\"");
        }
        if let Some(delimiter) = self.csv_delimiter {
            check_delimiter("csv_delimiter", delimiter, &[], &mut faults);
        }
        if let Some(delimiter) = self.csv_late_delimiter {
            check_delimiter("csv_late_delimiter", delimiter, &['=', '\\'], &mut faults);
        }
        self.check_dialect(&mut faults);
        if self.rotate_size == Some(ByteSize(0)) {
            let message = "a file cannot be kept below zero bytes; write a size such as \"100 MiB\" or leave the key out";
            faults.add("rotate_size", message);
        }
        if let Some(most) = self.max_total_size {
            self.check_total(most, &mut faults);
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

    /// Refuses keys that have no place in the dialect.
    fn check_dialect(&self, faults: &mut Faults) {
        if self.dialect == Dialect::Original {
            return;
        }
        const REMEDY: &str = "remove this key, or set `dialect = \"original\"`";
        if self.append_unit_to_metric_name == Some(true) {
            let message =
                format!("in the dialect `plain` the unit is in the column `unit`, not in the name; {REMEDY}");
            faults.add("append_unit_to_metric_name", message);
        }
        if self.csv_late_delimiter.is_some() {
            let message =
                format!("the dialect `plain` has no column `__late_attributes` to be divided; {REMEDY}");
            faults.add("csv_late_delimiter", message);
        }
    }

    /// Refuses a bound that leaves no room for a rotated file.
    fn check_total(&self, most: ByteSize, faults: &mut Faults) {
        if most == ByteSize(0) {
            let message =
                "files cannot be kept below zero bytes; write a size such as \"1 GiB\" or leave the key out";
            faults.add("max_total_size", message);
        } else if let Some(each) = self.rotate_size
            && each.0 > most.0 / 2
        {
            let message = format!(
                "there would be no room for any rotated file beside one of `rotate_size`; set it to at least {}, or make \
                 `rotate_size` smaller",
                ByteSize(each.0.saturating_mul(2))
            );
            faults.add("max_total_size", message);
        }
    }

    /// Whether something rotates the file.
    pub(crate) const fn rotates(&self) -> bool {
        self.rotate_size.is_some() || self.rotate_interval.is_some() || self.max_total_size.is_some()
    }

    /// How large the file may become before it is rotated, in bytes.
    pub(crate) fn most_bytes(&self) -> Option<u64> {
        let each = self.rotate_size.map(|size| size.0);
        each.or(self.max_total_size.map(|most| most.0 / 4))
    }

    /// How many bytes the file and all rotated ones have at most, if there is a bound.
    pub(crate) fn most_of_all(&self) -> Option<u64> {
        let kept = self.keep_files.zip(self.rotate_size);
        let kept = kept.map(|(count, size)| size.0.saturating_mul(u64::from(count) + 1));
        let most = self.max_total_size.map(|most| most.0);
        most.into_iter().chain(kept).min()
    }

    /// Whether each file has another beside it that describes it.
    pub(crate) fn has_metadata(&self) -> bool {
        self.metadata.unwrap_or(self.dialect == Dialect::Plain)
    }

    /// How lines look.
    pub(crate) fn format(&self) -> Format {
        let is_plain = self.dialect == Dialect::Plain;
        let usual = if is_plain { b',' } else { b';' };
        // `check` has refused everything but ASCII.
        let ascii = |key: Option<char>, usual| key.and_then(|key| u8::try_from(key).ok()).unwrap_or(usual);
        Format {
            dialect: self.dialect,
            delimiter: ascii(self.csv_delimiter, usual),
            late_delimiter: ascii(self.csv_late_delimiter, b','),
            unit_in_name: self.append_unit_to_metric_name.unwrap_or(!is_plain),
            unit_symbol: self.use_unit_display_name,
            spreadsheet_safe: self.spreadsheet_safe,
        }
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
        assert_eq!(config.max_total_size, Some(ByteSize(1 << 30)));
        assert_eq!(
            config.format(),
            Config::default().format(),
            "it shows the defaults of the dialect"
        );
        assert_eq!(config.has_metadata(), Config::default().has_metadata());
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
            ("max_total_size = 0", "max_total_size"),
            (
                "max_total_size = '1 GiB'\nrotate_size = '600 MiB'",
                "max_total_size",
            ),
            (
                "dialect = 'plain'\nappend_unit_to_metric_name = true",
                "append_unit_to_metric_name",
            ),
            (
                "dialect = 'plain'\ncsv_late_delimiter = ','",
                "csv_late_delimiter",
            ),
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
            "dialect = 'wide'",
        ] {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bound_on_all_files_rotates_each_at_a_quarter_of_it() {
        for (text, most) in [
            ("max_total_size = 1000", Some(250)),
            ("max_total_size = 1000\nrotate_size = 500", Some(500)),
            ("rotate_interval = '1d'", None),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.check(), Ok(()));
            assert!(config.rotates());
            assert_eq!(config.most_bytes(), most, "{text}");
        }
    }

    #[test]
    fn keys_that_a_dialect_allows_are_stronger_than_its_own_choice() {
        let text =
            "dialect = 'plain'\ncsv_delimiter = ';'\nappend_unit_to_metric_name = false\nmetadata = false";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.format().delimiter, b';');
        assert!(!config.has_metadata());
        let plain: Config = toml::from_str("dialect = 'plain'").unwrap();
        assert_eq!(plain.format().delimiter, b',');
        assert!(plain.has_metadata());
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
