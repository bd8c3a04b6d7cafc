//! Keys that have a new name: the old one still works, and warns.
//!
//! Each source is brought to the new names before the sources are merged, so that an old name in a file and the new one
//! on the command line are no conflict; both in one source are.

use super::key_path::KeyPath;
use super::problem::{Problem, Problems, Warning};
use super::tree::{self, Table};

/// An old name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The path, with dots from the root on; one `*` stands for any key: `plugins.*.enable`.
    pub old: &'static str,
    /// The path that took its place, with `*` where `old` has it: `plugins.*.enabled`.
    pub new: &'static str,
}

impl Alias {
    /// The old and the new paths that it stands for in a table.
    fn paths(&self, table: &mut Table) -> Vec<(KeyPath, KeyPath)> {
        let Some((above, _)) = self.old.split_once(".*") else {
            return vec![(KeyPath::dotted(self.old), KeyPath::dotted(self.new))];
        };
        let children = table_at(table, KeyPath::dotted(above).keys());
        let children = children.into_iter().flat_map(|table| table.keys());
        let path = |text: &str, child: &str| {
            let keys = text.split('.').map(|key| if key == "*" { child } else { key });
            keys.fold(KeyPath::root(), KeyPath::key)
        };
        children
            .map(|child| (path(self.old, child), path(self.new, child)))
            .collect()
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
        for (old, new) in alias.paths(table) {
            match rename_one(table, &old, &new) {
                Ok(warning) => warnings.extend(warning),
                Err(both) => problems.push(both),
            }
        }
    }
}

fn rename_one(table: &mut Table, old: &KeyPath, new: &KeyPath) -> Result<Option<Warning>, Problem> {
    let taken = entry(table, new).and_then(|(table, key)| Some(table.get(key)?.key.clone()));
    let Some((above, key)) = entry(table, old) else {
        return Ok(None);
    };
    let Some(place) = above.get(key).map(|node| node.key.clone()) else {
        return Ok(None);
    };
    if let Some(taken) = taken {
        above.remove(key);
        let both = format!("`{old}` is the old name of `{new}`, and both are given");
        let help = format!("remove `{old}`; the new name stands at {taken}");
        return Err(Problem::new(both).at(&place).help(help));
    }
    match new.keys().next_back() {
        // In the same table the key keeps its position.
        Some(new_key) if new.keys().rev().skip(1).eq(old.keys().rev().skip(1)) => {
            let renamed = |(name, node)| (if name == key { new_key.to_owned() } else { name }, node);
            *above = std::mem::take(above).into_iter().map(renamed).collect();
        }
        _ => {
            if let Some(node) = above.remove(key) {
                tree::join(table, tree::nested(new, node), false);
            }
        }
    }
    let what = format!("`{old}` is now called `{new}`");
    let warning = Problem::new(what)
        .at(&place)
        .help("rename the key; the old name still works");
    Ok(Some(Warning(warning)))
}

/// The table below these keys.
fn table_at<'t, 'k>(table: &'t mut Table, mut keys: impl Iterator<Item = &'k str>) -> Option<&'t mut Table> {
    keys.try_fold(table, |table, key| table.get_mut(key)?.table_mut())
}

/// The table in which a key stands, if there is one, and the key.
fn entry<'t, 'k>(table: &'t mut Table, path: &'k KeyPath) -> Option<(&'t mut Table, &'k str)> {
    let mut keys = path.keys();
    let last = keys.next_back()?;
    Some((table_at(table, keys)?, last))
}
