//! The labels of series, as both formats write them.

use alumet_core::attributes::Attributes;
use alumet_core::series::SeriesInfo;
use alumet_shared_prometheus_names::{Name, Naming};

use crate::config::Config;

/// What stands for all consumers that are not exposed by themselves.
const OTHER: &str = "other";

/// All labels of a series but the empty ones, which are missing ones to a scraper: `a="b",c="d"`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    /// With plain names.
    pub(crate) text: String,
    /// With names as they are, where that is something else.
    pub(crate) utf8: Option<String>,
}

/// The labels of a series; with `without`, those of the sum of several consumers, which lacks these attributes.
pub(crate) fn labels(
    info: &SeriesInfo,
    naming: &Naming,
    config: &Config,
    without: Option<&[String]>,
) -> Labels {
    let consumer = info.consumer();
    let id = consumer.id();
    let consumer = match without {
        // Nobody else has the labels of a sum.
        None if config.top.is_some() && consumer.kind() == OTHER => ("other_consumer", &*id),
        None => (consumer.kind(), &*id),
        Some(_) => (OTHER, ""),
    };
    let attributes = info.attributes_with_quality();
    let is_kept = |key: &str| !without.is_some_and(|without| without.iter().any(|one| one == key));
    let kept: Attributes = match config.add_attributes_to_labels {
        true => attributes
            .iter()
            .filter(|(key, _)| is_kept(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        false => Attributes::EMPTY,
    };
    let mut labels = Labels::default();
    let mut utf8 = String::new();
    for (name, value) in naming.labels(info.resource(), consumer, &kept) {
        push_label(&mut labels.text, &name, &value, false);
        push_label(&mut utf8, &name, &value, true);
    }
    labels.utf8 = (utf8 != labels.text).then_some(utf8);
    labels
}

fn push_label(out: &mut String, name: &Name, value: &str, is_utf8: bool) {
    if !out.is_empty() {
        out.push(',');
    }
    match is_utf8 && name.escaped.is_some() {
        true => {
            out.push('"');
            push_quoted(out, &name.name);
            out.push('"');
        }
        false => out.push_str(name.get(is_utf8)),
    }
    out.push_str("=\"");
    push_quoted(out, value);
    out.push('"');
}

/// Appends text with backslashes, quotes and line feeds escaped.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}
