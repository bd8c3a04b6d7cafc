//! The formats: OpenMetrics and the text of Prometheus.

use std::net::IpAddr;

use alumet_core::Timestamp;
use alumet_core::time::Monotonic;
use alumet_shared_prometheus_names::{Name, Number, OWN, Scale, kind_word};

use crate::format::Format;
use crate::labels::{Labels, push_quoted};
use crate::store::{Family, Store};

impl Store {
    /// What `scraper` gets at this time. Most series cost a copy of their text and a number.
    pub fn scrape(&mut self, format: Format, scraper: IpAddr, now: Monotonic, out: &mut Vec<u8>) {
        self.sweep(now, Some(scraper));
        self.rank();
        // About as long as the last one; what grows by copying costs more than all the rest.
        out.reserve(self.last_len + self.last_len / 16);
        let has_created = format.is_open_metrics && self.config.created_timestamps;
        for index in self.by_name.values() {
            self.families[*index as usize].write(format, has_created, out);
        }
        for (name, help, is_counter, value) in [
            ("series", "Series whose value is kept.", false, self.count as u64),
            (
                "series_left_out",
                "Series that were left out because of the limit.",
                true,
                self.left_out,
            ),
        ] {
            let name = Name {
                name: format!("{OWN}{name}"),
                escaped: None,
            };
            let head = Head { format, name: &name };
            head.describe(is_counter, "", help, out);
            head.open(if is_counter { "_total" } else { "" }, out);
            // Without labels, the name stands alone.
            out.pop();
            out.push(b' ');
            Scale::One.push(out, Number::Whole(value.into()));
            out.push(b'\n');
        }
        if format.is_open_metrics {
            out.extend_from_slice(b"# EOF\n");
        }
        self.last_len = out.len();
    }
}

impl Family {
    fn write(&self, format: Format, has_created: bool, out: &mut Vec<u8>) {
        let name = &self.name.name;
        let head = Head { format, name };
        head.describe(self.is_counter, &self.name.unit, &self.help, out);
        let (mut sample, mut created) = (Vec::new(), Vec::new());
        head.open(if self.is_counter { "_total" } else { "" }, &mut sample);
        head.open("_created", &mut created);
        let text = |labels: &Labels, out: &mut Vec<u8>| {
            let text = labels
                .utf8
                .as_ref()
                .filter(|_| format.is_utf8)
                .unwrap_or(&labels.text);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"} ");
        };
        for cell in self.cells.iter().filter(|cell| cell.is_used()) {
            let mut number = cell.number;
            if let Some(fold) = &cell.fold {
                if fold.is_hidden {
                    continue;
                }
                number = fold.own(number);
            }
            out.extend_from_slice(&sample);
            text(&cell.labels, out);
            cell.what.scale.push(out, number);
            out.push(b'\n');
            if has_created && let Some(since) = cell.created {
                out.extend_from_slice(&created);
                text(&cell.labels, out);
                push_seconds(out, since);
                out.push(b'\n');
            }
        }
        for rest in &self.rests.all {
            if let Some(number) = rest.number {
                out.extend_from_slice(&sample);
                text(&rest.labels, out);
                rest.what.scale.push(out, number);
                out.push(b'\n');
            }
        }
    }
}

/// What stands before the labels.
struct Head<'a> {
    format: Format,
    name: &'a Name,
}

impl Head<'_> {
    /// The name of a family or of a sample with this end, in quotes if it needs them.
    fn name(&self, end: &str) -> (String, bool) {
        match (&self.name.escaped, self.format.is_utf8) {
            (Some(_), true) => {
                let mut quoted = "\"".to_owned();
                push_quoted(&mut quoted, &self.name.name);
                quoted.push_str(end);
                quoted.push('"');
                (quoted, true)
            }
            _ => (format!("{}{end}", self.name.get(false)), false),
        }
    }

    fn describe(&self, is_counter: bool, unit: &str, help: &str, out: &mut Vec<u8>) {
        let format = self.format;
        // In the text of Prometheus, a family has the name of its samples.
        let end = if is_counter && !format.is_open_metrics {
            "_total"
        } else {
            ""
        };
        let (name, _) = self.name(end);
        let mut text = format!("# HELP {name} ");
        match format.is_open_metrics {
            true => push_quoted(&mut text, help),
            false => text.push_str(&help.replace('\\', "\\\\").replace('\n', "\\n")),
        }
        text.push_str(&format!("\n# TYPE {name} {}\n", kind_word(is_counter)));
        if format.is_open_metrics && !unit.is_empty() {
            text.push_str(&format!("# UNIT {name} {unit}\n"));
        }
        out.extend_from_slice(text.as_bytes());
    }

    /// The beginning of a sample, up to its labels.
    fn open(&self, end: &str, out: &mut Vec<u8>) {
        let (name, is_quoted) = self.name(end);
        let text = if is_quoted {
            format!("{{{name},")
        } else {
            format!("{name}{{")
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends seconds since 1970, with nine decimals.
fn push_seconds(out: &mut Vec<u8>, time: Timestamp) {
    let nanos = time.as_nanos();
    let mut digits = [b'0'; 9];
    let mut rest = nanos.rem_euclid(1_000_000_000) as u32;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(
        itoa::Buffer::new()
            .format(nanos.div_euclid(1_000_000_000))
            .as_bytes(),
    );
    out.push(b'.');
    out.extend_from_slice(&digits);
}
