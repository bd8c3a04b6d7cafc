//! The configuration in force, as text.

use toml::Value;

use super::key_path::{KeyPath, Step};
use super::reference::Writer;
use super::schema::Shape;
use super::{Document, Origin, secret};

impl Document {
    /// Writes the merged configuration as TOML, with `origins` each key with a comment that says who gave it. Secrets are shown as `***`.
    ///
    /// A secret is what a schema marks as one, what stands under a key named like one (`token`, `password`, `secret`,
    /// `api_key`, or ending in `_` and one of these), and what an environment variable of such a name gave.
    pub fn show(&self, origins: bool) -> String {
        let origin = |path: &KeyPath| {
            let origin = self.given.get(path).map(|given| given.place.to_string());
            origins.then(|| origin.unwrap_or_else(|| Origin::Default.to_string()))
        };
        let values = self.masked(&self.values, &KeyPath::root(), false);
        let mut writer = Writer::new(&origin);
        writer.table(&Shape::any(), values.as_table(), &KeyPath::root(), false);
        writer.text.finish()
    }

    /// The value under a path, with the mask in place of everything secret.
    fn masked(&self, value: &Value, path: &KeyPath, is_hidden: bool) -> Value {
        let is_marked = self.given.get(path).is_some_and(|given| given.is_secret);
        let is_hidden = is_hidden || is_marked || secret::is_named_so(path);
        match value {
            Value::Table(table) => {
                let masked = |(key, value): (&String, _)| {
                    let value = self.masked(value, &path.clone().key(key), is_hidden);
                    (key.clone(), value)
                };
                Value::Table(table.iter().map(masked).collect())
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let masked = |(at, item)| self.masked(item, &path.clone().then(Step::Index(at)), is_hidden);
                Value::Array(items.map(masked).collect())
            }
            _ if is_hidden => secret::MASK.into(),
            value => value.clone(),
        }
    }
}
