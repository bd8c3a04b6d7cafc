//! Keys that have a new name: the old one still works, and warns.
//!
//! Each source is brought to the new names before the sources are merged, so that an old name in a file and the new one
//! on the command line are no conflict; both in one source are.

use std::borrow::Cow;

use toml::{Table, Value};

use super::key_path::{KeyPath, Step};
use super::problem::{Problem, Problems};
use super::{Document, find_mut};

/// An old name of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The path, with dots from the root on; one `*` stands for any key: `plugins.*.enable`.
    pub old: Cow<'static, str>,
    /// The path that took its place, with `*` where `old` has it: `plugins.*.enabled`.
    pub new: Cow<'static, str>,
}

impl Alias {
    /// The old and the new paths that it stands for in a document.
    fn paths(&self, document: &Document) -> Vec<(KeyPath, KeyPath)> {
        let path = |text: &str, child: &str| {
            let keys = text.split('.').map(|key| if key == "*" { child } else { key });
            keys.fold(KeyPath::root(), KeyPath::key)
        };
        let Some((above, _)) = self.old.split_once(".*") else {
            return vec![(path(&self.old, ""), path(&self.new, ""))];
        };
        let table = document.table(&KeyPath::dotted(above)).into_iter().flatten();
        table
            .map(|(child, _)| (path(&self.old, child), path(&self.new, child)))
            .collect()
    }
}

impl Document {
    /// Brings one source to the new names, which come after the other keys of their table. An old name warns once, however
    /// many tables have it.
    pub(super) fn rename(&mut self, aliases: &[Alias], problems: &mut Problems) {
        let paths: Vec<_> = aliases.iter().map(|alias| alias.paths(self)).collect();
        for paths in paths {
            let renamed: Vec<_> = paths
                .into_iter()
                .filter_map(|(old, new)| self.rename_key(&old, &new, problems))
                .collect();
            if let Some((first, others)) = renamed.split_first() {
                let help = "rename the key; the old name still works";
                let help = match others.len() {
                    0 => help.to_owned(),
                    others => format!("{help}, here and in {others} other tables"),
                };
                self.warnings.push(first.clone().help(help).to_warning());
            }
        }
    }

    /// Gives what is to be told of a key that had its old name.
    fn rename_key(&mut self, old: &KeyPath, new: &KeyPath, problems: &mut Problems) -> Option<Problem> {
        let taken = self.given.get(new).map(|given| given.key.clone());
        let place = self.given(old).key;
        let moved = self.take(old, new)?;
        if let Some(taken) = taken {
            let both = format!("`{old}` is the old name of `{new}`, and both are given");
            let help = format!("remove `{old}`; the new name stands at {taken}");
            problems.push(Problem::new(both).at(place).help(help));
            return None;
        }
        self.lay(moved);
        self.forget_empty(old);
        Some(Problem::new(format!("`{old}` is now called `{new}`")).at(place))
    }

    /// Takes out the tables above a key that has moved, if nothing else is in them: nobody knows them any more.
    fn forget_empty(&mut self, old: &KeyPath) {
        let above = (1..old.steps().len()).rev().map(|length| &old.steps()[..length]);
        for path in above {
            let is_empty = |table: &Value| table.as_table().is_some_and(Table::is_empty);
            let Some((Step::Key(key), above)) = path.split_last() else {
                return;
            };
            match find_mut(&mut self.values, above).and_then(Value::as_table_mut) {
                Some(table) if table.get(key).is_some_and(is_empty) => drop(table.remove(key)),
                _ => return,
            }
            self.given.remove(path);
        }
    }

    /// Takes out what stands under a path; gives a document in which it stands under another one.
    fn take(&mut self, old: &KeyPath, new: &KeyPath) -> Option<Self> {
        let (Step::Key(key), above) = old.steps().split_last()? else {
            return None;
        };
        let value = find_mut(&mut self.values, above)?.as_table_mut()?.remove(key)?;
        let mut moved = Self::nested(new, value, &self.given(old).key);
        for (path, given) in std::mem::take(&mut self.given) {
            match path.steps().strip_prefix(old.steps()) {
                Some(below) => {
                    let path = below.iter().cloned().fold(new.clone(), KeyPath::then);
                    moved.given.insert(path, given);
                }
                None => drop(self.given.insert(path, given)),
            }
        }
        Some(moved)
    }
}
