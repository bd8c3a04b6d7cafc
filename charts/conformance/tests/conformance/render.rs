//! What helm has made: objects, and ways into them.

use std::collections::BTreeMap;

use serde_json::Value;

/// The kinds of objects that run pods for ever.
const WORKLOADS: [&str; 3] = ["DaemonSet", "Deployment", "StatefulSet"];

/// All objects of a release.
#[derive(Debug, Clone)]
pub(crate) struct Render(pub(crate) Vec<Value>);

impl Render {
    /// The objects in a YAML text of many documents, in which no key may come twice.
    pub(crate) fn of(text: &str) -> Result<Self, String> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
        Ok(Self(documents.into_iter().filter(|one| !one.is_null()).collect()))
    }

    /// The objects of a kind.
    pub(crate) fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// An object.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        let is_wanted = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        self.0.iter().find(is_wanted)
    }

    /// What runs for ever: neither hooks nor jobs.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(|object| WORKLOADS.iter().any(|kind| object["kind"] == *kind))
    }

    /// All that have pods, with the specification of these.
    pub(crate) fn pods(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.0.iter().filter_map(|object| {
            let spec = match object["kind"].as_str()? {
                "Pod" => &object["spec"],
                "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
                _ => &object["spec"]["template"]["spec"],
            };
            spec.is_object().then_some((object, spec))
        })
    }

    /// What is at a place: kind and name of an object, then words as in [`at`].
    pub(crate) fn at(&self, place: &str) -> Option<Value> {
        let (object, path) = place.split_once(' ').unwrap_or((place, ""));
        let (kind, name) = object.split_once('/').unwrap();
        at(self.find(kind, name)?, path)
    }

    /// The plugins that a configuration switches on: those with a table that does not say otherwise.
    pub(crate) fn plugins(&self, config_map: &str) -> BTreeMap<String, Value> {
        let tables = self.at(&format!("ConfigMap/{config_map} data config toml plugins"));
        let tables = tables.unwrap_or_else(|| panic!("{config_map} has no plugins"));
        let tables = tables.as_object().unwrap().clone().into_iter();
        let is_on = |table: &Value| ["enable", "enabled"].iter().all(|key| table[key] != false);
        tables.filter(|(_, table)| is_on(table)).collect()
    }
}

/// `Kind/name`.
pub(crate) fn title(object: &Value) -> String {
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// A text, empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The elements of a list; of anything else, none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The containers of a pod, those that run first as well.
pub(crate) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(&pod["initContainers"])
        .iter()
        .chain(list(&pod["containers"]))
}

/// Goes into a value by words: keys, numbers or names of elements, `toml`, which reads a text, and `pod`, which stands for the
/// way to the pod of a workload.
pub(crate) fn at(value: &Value, path: &str) -> Option<Value> {
    path.split_whitespace()
        .try_fold(value.clone(), |value, word| match &value {
            Value::Array(elements) => match word.parse::<usize>() {
                Ok(index) => elements.get(index).cloned(),
                Err(_) => elements.iter().find(|element| element["name"] == word).cloned(),
            },
            Value::String(text) if word == "toml" => Some(toml_value(text)),
            value if word == "pod" => at(value, "spec template spec"),
            value => value.get(word).cloned(),
        })
}

/// TOML as JSON.
pub(crate) fn toml_value(text: &str) -> Value {
    let table = text.parse::<toml::Table>();
    let table = table.unwrap_or_else(|error| panic!("no TOML: {error}\n{text}"));
    serde_json::to_value(table).unwrap()
}
