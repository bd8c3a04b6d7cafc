//! Tables that are named after plugins.

use super::Section;
use super::problem::{ConfigError, Problems};
use super::suggest::nearest;
use super::tree::{Node, Value};

/// The names that the tables under `[plugins]` may have.
#[derive(Debug, Clone, Copy)]
pub struct KnownPlugins<'a> {
    /// The plugins of this program.
    pub compiled: &'a [&'a str],
    /// The plugins that exist and that this program was built without.
    pub not_compiled: &'a [&'a str],
}

impl KnownPlugins<'_> {
    /// Compares the keys of a section, such as that of `plugins`, with the names.
    ///
    /// # Errors
    /// Every key that names no plugin of this program, unless it is one that is switched off, and every one whose value
    /// is no table.
    pub fn check(&self, plugins: &Section<'_>) -> Result<(), Problems> {
        let mut problems = Problems::default();
        for (name, entry) in plugins.node.table().into_iter().flat_map(|table| &table.entries) {
            let place = entry.key.clone();
            if self.compiled.contains(&name.as_str()) {
                if entry.node.table().is_none() {
                    problems.push(ConfigError::WrongType {
                        place: entry.node.place.clone(),
                        path: plugins.path.clone().key(name),
                        expected: "a table".to_owned(),
                        found: entry.node.kind().to_owned(),
                    });
                }
            } else if self.not_compiled.contains(&name.as_str()) {
                if !is_switched_off(&entry.node) {
                    problems.push(ConfigError::PluginNotCompiled {
                        place,
                        name: name.clone(),
                    });
                }
            } else {
                problems.push_with(|| self.unknown(place, name));
            }
        }
        problems.or_ok(())
    }

    fn unknown(&self, place: super::Place, name: &str) -> ConfigError {
        let candidates = self.compiled.iter().chain(self.not_compiled).copied();
        ConfigError::UnknownPlugin {
            place,
            name: name.to_owned(),
            nearest: nearest(name, candidates).map(str::to_owned),
        }
    }
}

/// Whether the table of a plugin says `enabled = false`.
fn is_switched_off(plugin: &Node) -> bool {
    let enabled = plugin.table().and_then(|table| table.entries.get("enabled"));
    enabled.is_some_and(|entry| matches!(entry.node.value, Value::Boolean(false)))
}
