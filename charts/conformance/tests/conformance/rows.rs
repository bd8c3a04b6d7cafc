//! Requirements as tables of text.
//!
//! A line at the margin is what helm is told, or `defaults`; each line below it, indented, is one requirement: its number, a
//! place as in [`Render::at`], and after `=>` what is there: JSON, `~` and a part of a text, `some` for anything, or `none`. `$-`
//! stands for the name of the release and a hyphen.

use serde_json::Value;

use crate::chart::{Chart, Helm};
use crate::render::Render;

/// What helm is told, and what comes of it.
pub(crate) struct Group<'a> {
    pub(crate) told: &'a str,
    rows: Vec<&'a str>,
}

/// The groups of a table.
pub(crate) fn groups(table: &str) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for line in table.lines() {
        match groups.last_mut() {
            Some(group) if line.starts_with(' ') => group.rows.push(line.trim()),
            _ => groups.push(Group {
                told: line,
                rows: Vec::new(),
            }),
        }
    }
    groups
}

impl Group<'_> {
    /// The rows that do not hold in a render.
    pub(crate) fn broken(&self, render: &Render, release: &str) -> Vec<String> {
        let mut found = Vec::new();
        for row in &self.rows {
            let own = row.replace("$-", &format!("{release}-"));
            let (id, rest) = own.split_once(' ').unwrap();
            let (place, want) = rest.trim().split_once(" => ").unwrap();
            let value = render.at(place);
            if !holds(value.as_ref(), want) {
                let value = value.unwrap_or_default();
                found.push(format!(
                    "{id}: {}: {place} is {value}, and should be {want}",
                    self.told
                ));
            }
        }
        found
    }
}

fn holds(value: Option<&Value>, want: &str) -> bool {
    let Some(value) = value else {
        return want == "none";
    };
    match (want, want.strip_prefix("~ ")) {
        ("none", _) => false,
        ("some", _) => true,
        (_, Some(part)) => {
            value.to_string().contains(part) || value.as_str().is_some_and(|text| text.contains(part))
        }
        _ => {
            let want: Value = serde_json::from_str(want).unwrap();
            // A number that is whole may be written as an integer.
            *value == want || value.is_number() && value.as_f64() == want.as_f64()
        }
    }
}

/// Compares all rows of a table, and fails with those that do not hold.
pub(crate) fn hold(helm: &Helm, chart: Chart, table: &str) {
    let mut found = Vec::new();
    for group in groups(table) {
        let arguments = group.told.replace("defaults", "");
        match helm.try_render(chart, &arguments) {
            Ok(render) => found.extend(group.broken(&render, chart.release)),
            Err(message) => found.push(format!("{}: {message}", group.told)),
        }
    }
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}
