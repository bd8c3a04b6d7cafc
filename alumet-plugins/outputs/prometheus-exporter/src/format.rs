//! Which format and which compression a scraper gets, of those that it accepts.

use std::io::{self, Write};

/// A format of an exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// OpenMetrics; otherwise the text of Prometheus.
    pub is_open_metrics: bool,
    /// Whether it is the version of OpenMetrics that was before 1.0, which is the same but for its name.
    pub is_draft: bool,
    /// Whether names may have any character.
    pub is_utf8: bool,
}

/// How an answer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Format {
    /// What everybody understands.
    pub const TEXT: Self = Self {
        is_open_metrics: false,
        is_draft: false,
        is_utf8: false,
    };

    /// The best of those that the header `Accept` names; the text of Prometheus if it names none. `utf8_names`: whether there
    /// are names that need UTF-8.
    pub(crate) fn accepted(header: &str, utf8_names: bool) -> Self {
        let (mut best, mut best_weight) = (Self::TEXT, 0.0);
        for (range, parameters, weight) in choices(header) {
            let parameter = |key: &str| {
                let mut values = parameters.clone().filter_map(|pair| pair.split_once('='));
                let found = values.find(|(name, _)| name.trim().eq_ignore_ascii_case(key));
                found.map_or("", |(_, value)| value.trim().trim_matches('"'))
            };
            let version = parameter("version");
            let format = match range.to_ascii_lowercase().as_str() {
                "application/openmetrics-text" if ["", "1.0.0", "0.0.1"].contains(&version) => Self {
                    is_open_metrics: true,
                    is_draft: version == "0.0.1",
                    ..Self::TEXT
                },
                "text/plain" if ["", "0.0.4", "1.0.0"].contains(&version) => Self::TEXT,
                "text/*" | "*/*" => Self::TEXT,
                _ => continue,
            };
            if weight > best_weight {
                best_weight = weight;
                best = Self {
                    is_utf8: utf8_names && version == "1.0.0" && parameter("escaping") == "allow-utf-8",
                    ..format
                };
            }
        }
        best
    }

    /// The header `Content-Type`. `utf8_names`: whether others get names escaped.
    pub(crate) const fn content_type(self, utf8_names: bool) -> &'static str {
        match (self.is_open_metrics, self.is_draft, self.is_utf8, utf8_names) {
            (true, false, true, _) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (true, false, false, true) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values"
            }
            (true, false, false, false) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            (true, true, ..) => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            (false, _, true, _) => "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            (false, ..) => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl Coding {
    /// The best of those that the header `Accept-Encoding` names.
    pub(crate) fn accepted(header: &str) -> Self {
        let (mut best, mut best_weight) = (Self::Identity, 0.0);
        for (name, _, weight) in choices(header) {
            let coding = match name.to_ascii_lowercase().as_str() {
                "gzip" => Self::Gzip,
                "zstd" => Self::Zstd,
                _ => continue,
            };
            // Of two that are as welcome, the one that costs less.
            if weight > best_weight || weight == best_weight && weight > 0.0 && coding == Self::Zstd {
                (best, best_weight) = (coding, weight);
            }
        }
        best
    }

    /// The header `Content-Encoding`.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The bytes as they are sent.
    ///
    /// # Errors
    /// When there is no memory left.
    pub(crate) fn compress(self, text: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(text),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&text)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(&text, 1),
        }
    }
}

/// The choices of a header, each with its parameters and its weight; those that are refused have the weight 0.
fn choices(header: &str) -> impl Iterator<Item = (&str, std::str::Split<'_, char>, f32)> {
    header.split(',').map(|choice| {
        let mut parts = choice.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let weight = parts.clone().find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case("q")
                .then(|| value.trim().parse().unwrap_or(0.0))
        });
        (name, parts, weight.unwrap_or(1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_the_best_that_it_accepts() {
        const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
        const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            application/openmetrics-text;version=0.0.1;q=0.5,\
                            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let only_text = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3";
        for (header, utf8_names, expected) in [
            ("", false, TEXT),
            ("*/*", true, TEXT),
            ("text/html", false, TEXT),
            (
                "application/vnd.google.protobuf;proto=a.b;encoding=delimited;q=0.7,text/plain;q=0.1",
                false,
                TEXT,
            ),
            (prometheus_2, false, OPEN),
            (prometheus_3, false, OPEN),
            ("application/openmetrics-text", false, OPEN),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", false, OPEN),
            ("application/openmetrics-text; version=2.0.0", false, TEXT),
            (
                "application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=0.0.4",
                false,
                TEXT,
            ),
            ("application/openmetrics-text;q=0", false, TEXT),
            (
                "application/openmetrics-text;version=0.0.1",
                false,
                "application/openmetrics-text; version=0.0.1; charset=utf-8",
            ),
            (
                prometheus_2,
                true,
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=values",
            ),
            (
                prometheus_3,
                true,
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            (
                only_text,
                true,
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            (only_text, false, TEXT),
        ] {
            let format = Format::accepted(header, utf8_names);
            assert_eq!(format.content_type(utf8_names), expected, "{header}");
        }
    }

    #[test]
    fn an_answer_is_compressed_as_the_scraper_wants_it() {
        for (header, coding) in [
            ("", Coding::Identity),
            ("gzip", Coding::Gzip),
            ("gzip, deflate, br, zstd", Coding::Zstd),
            ("GZIP;q=1.0, zstd;q=0.5", Coding::Gzip),
            ("gzip;q=0, zstd;q=0", Coding::Identity),
            ("identity", Coding::Identity),
        ] {
            assert_eq!(Coding::accepted(header), coding, "{header}");
        }
    }
}
