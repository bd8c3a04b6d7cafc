//! The files of the dashboards.

use std::path::{Path, PathBuf};

use regex::{Captures, Regex};
use serde_json::Value as Json;

/// A dashboard of Grafana.
pub(crate) struct Dashboard {
    /// The name of its file, without the end.
    pub(crate) name: String,
    pub(crate) json: Json,
}

/// A query of a panel.
pub(crate) struct Query {
    /// Dashboard and panel.
    pub(crate) place: String,
    pub(crate) expr: String,
    pub(crate) is_instant: bool,
}

/// The folder of charts, dashboards and rules.
pub(crate) fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All dashboards.
pub(crate) fn all() -> Vec<Dashboard> {
    let files = std::fs::read_dir(charts().join("dashboards")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut dashboards: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| Dashboard {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            json: serde_json::from_slice(&std::fs::read(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        })
        .collect();
    assert!(!dashboards.is_empty());
    dashboards.sort_by(|one, other| one.name.cmp(&other.name));
    dashboards
}

/// The entries of a list.
pub(crate) fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

/// A text.
pub(crate) fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

impl Dashboard {
    pub(crate) fn panels(&self) -> &[Json] {
        list(&self.json["panels"])
    }

    /// What is chosen at the top, but for the source of data.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Json> {
        let all = list(&self.json["templating"]["list"]).iter();
        all.filter(|variable| variable["type"] != "datasource")
    }

    /// All queries of all panels.
    pub(crate) fn queries(&self) -> Vec<Query> {
        let of_panel = |panel: &Json| {
            let place = format!("{}/{}", self.name, text(&panel["title"]));
            let targets = list(&panel["targets"]).to_vec();
            targets.into_iter().map(move |target| Query {
                place: place.clone(),
                expr: text(&target["expr"]).to_owned(),
                is_instant: target["instant"] == true,
            })
        };
        self.panels().iter().flat_map(of_panel).collect()
    }
}

/// Puts values in the place of `$name` and `${name}`; asked for each name, which may have an end such as `:queryparam`.
pub(crate) fn substitute(text: &str, mut value: impl FnMut(&str) -> String) -> String {
    let variable = Regex::new(r"\$(?:\{([\w.:]+)\}|(\w+))").unwrap();
    let put = |found: &Captures<'_>| value(found.get(1).or(found.get(2)).unwrap().as_str());
    variable.replace_all(text, put).into_owned()
}
