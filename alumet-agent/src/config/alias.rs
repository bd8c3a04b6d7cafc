//! Keys that have a new name: the old one still works, and warns.
//!
//! Each source is brought to the new names before the sources are merged, so that an old name in a file and the new one
//! on the command line are no conflict; both in one source are.

use std::borrow::Cow;

use super::key_path::{KeyPath, Step};
use super::place::Place;
use super::problem::{ConfigError, Problems, Warning};
use super::tree::{Entry, Node, Table, Value};

/// An old name of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    old: Cow<'static, str>,
    new: Cow<'static, str>,
    inverted: bool,
}

impl Alias {
    /// `old` is the old path of `new`, both with dots from the root on.
    ///
    /// `*` stands for any key; the first `*` of `new` is what the first `*` of `old` stood for, and so on:
    /// `plugins.*.enable` is the old path of `plugins.*.enabled`.
    pub fn new(old: impl Into<Cow<'static, str>>, new: impl Into<Cow<'static, str>>) -> Self {
        Self {
            old: old.into(),
            new: new.into(),
            inverted: false,
        }
    }

    /// The old key is a boolean that means the opposite of the new one.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        self.inverted = true;
        self
    }
}

/// Brings one source to the new names.
pub(super) fn rename(
    table: &mut Table,
    aliases: &[Alias],
    warnings: &mut Vec<Warning>,
    problems: &mut Problems,
) {
    for alias in aliases {
        let pattern: Vec<&str> = alias.old.split('.').collect();
        let mut matches = Vec::new();
        find(table, &pattern, &mut Vec::new(), &mut matches);
        for old in matches {
            rename_one(table, alias, &pattern, old, warnings, problems);
        }
    }
}

/// Collects the keys that exist under the pattern.
fn find(table: &Table, pattern: &[&str], above: &mut Vec<String>, matches: &mut Vec<Vec<String>>) {
    let Some((first, rest)) = pattern.split_first() else {
        return;
    };
    let named = table.entries.get_key_value(*first);
    let all = table.entries.iter().filter(|_| *first == "*");
    for (key, entry) in named.into_iter().filter(|_| *first != "*").chain(all) {
        above.push(key.clone());
        match entry.node.table() {
            _ if rest.is_empty() => matches.push(above.clone()),
            Some(table) => find(table, rest, above, matches),
            None => {}
        }
        above.pop();
    }
}

fn rename_one(
    root: &mut Table,
    alias: &Alias,
    pattern: &[&str],
    old: Vec<String>,
    warnings: &mut Vec<Warning>,
    problems: &mut Problems,
) {
    let mut stars = pattern
        .iter()
        .zip(&old)
        .filter(|(step, _)| **step == "*")
        .map(|(_, key)| key.clone());
    let new: Vec<String> = alias
        .new
        .split('.')
        .map(|step| {
            if step == "*" {
                stars.next().unwrap_or_default()
            } else {
                step.to_owned()
            }
        })
        .collect();
    let path = |keys: &[String]| keys.iter().map(String::as_str).collect::<KeyPath>();
    let (old_path, new_path) = (path(&old), path(&new));
    let Some(place) = key_place(root, &old_path) else {
        return;
    };
    if let Some(new_place) = key_place(root, &new_path) {
        problems.push(ConfigError::BothNames {
            place,
            old: old_path,
            new: new_path,
            new_place,
        });
        return;
    }
    if old[..old.len() - 1] == new[..new.len().saturating_sub(1)] {
        // In the same table the key keeps its position.
        let (Some(parent), Some(last), Some(renamed)) = (
            table_mut(root, &old[..old.len() - 1], &place),
            old.last(),
            new.last(),
        ) else {
            return;
        };
        parent.entries = std::mem::take(&mut parent.entries)
            .into_iter()
            .map(|(key, entry)| {
                if key == *last {
                    (renamed.clone(), alias.converted(entry))
                } else {
                    (key, entry)
                }
            })
            .collect();
    } else {
        let Some((last, parents)) = old.split_last() else {
            return;
        };
        let Some(entry) = table_mut(root, parents, &place).and_then(|parent| parent.entries.remove(last))
        else {
            return;
        };
        let Some((last, parents)) = new.split_last() else {
            return;
        };
        if let Some(parent) = table_mut(root, parents, &place) {
            parent.entries.insert(last.clone(), alias.converted(entry));
        }
    }
    warnings.push(Warning::Renamed {
        place,
        old: old_path,
        new: new_path,
    });
}

impl Alias {
    fn converted(&self, mut entry: Entry) -> Entry {
        if let (true, Value::Boolean(truth)) = (self.inverted, &mut entry.node.value) {
            *truth = !*truth;
        }
        entry
    }
}

fn key_place(root: &Table, path: &KeyPath) -> Option<Place> {
    let (Step::Key(first), rest) = path.steps().split_first()? else {
        return None;
    };
    let entry = root.entries.get(first)?;
    if rest.is_empty() {
        Some(entry.key.clone())
    } else {
        entry.node.find(rest).map(|(_, key)| key.clone())
    }
}

/// The table under `keys`, made where it is missing; `None` when something else is in the way.
fn table_mut<'t>(root: &'t mut Table, keys: &[String], place: &Place) -> Option<&'t mut Table> {
    let mut table = root;
    for key in keys {
        let entry = table.entries.entry(key.clone()).or_insert_with(|| Entry {
            key: place.clone(),
            node: Node::new(Value::Table(Table::default()), place.clone()),
        });
        table = entry.node.table_mut()?;
    }
    Some(table)
}
