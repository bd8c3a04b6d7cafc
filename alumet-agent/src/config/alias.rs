//! Keys that have a new name: the old one still works, and warns.
//!
//! Each source is brought to the new names before the sources are merged, so that an old name in a file and the new one
//! on the command line are no conflict; both in one source are.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key_path::KeyPath;
use super::place::Source;
use super::problem::Problem;

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
    fn paths(&self, table: &mut DeTable<'_>) -> Vec<(KeyPath, KeyPath)> {
        let Some((above, _)) = self.old.split_once(".*") else {
            return vec![(KeyPath::dotted(self.old), KeyPath::dotted(self.new))];
        };
        let above: Vec<&str> = above.split('.').collect();
        let children = table_at(table, &above).into_iter().flat_map(|table| table.keys());
        let path = |text: &str, child: &str| {
            let keys = text.split('.').map(|key| if key == "*" { child } else { key });
            keys.fold(KeyPath::root(), KeyPath::key)
        };
        let children = children.map(|child| child.get_ref());
        children
            .map(|child| (path(self.old, child), path(self.new, child)))
            .collect()
    }
}

/// Brings one source to the new names; gives a warning for each, or the problem that it is given under both names.
pub(super) fn rename(
    table: &mut DeTable<'_>,
    aliases: &[Alias],
    source: &Arc<Source>,
) -> Vec<Result<Problem, Problem>> {
    let paths: Vec<_> = aliases.iter().flat_map(|alias| alias.paths(table)).collect();
    let renamed = |(old, new)| rename_one(table, &old, &new, source);
    paths.into_iter().filter_map(renamed).collect()
}

fn rename_one(
    table: &mut DeTable<'_>,
    old: &KeyPath,
    new: &KeyPath,
    source: &Arc<Source>,
) -> Option<Result<Problem, Problem>> {
    let (new_key, new_above) = new.split_last()?;
    let taken = table_at(table, &new_above).and_then(|above| Some(above.get_key_value(new_key)?.0.span()));
    let (old_key, old_above) = old.split_last()?;
    let above = table_at(table, &old_above)?;
    let span = above.get_key_value(old_key)?.0.span();
    let place = source.place(span.clone());
    if let Some(taken) = taken {
        above.remove(old_key);
        let both = format!("`{old}` is the old name of `{new}`, and both are given");
        let help = format!("remove `{old}`; the new name stands at {}", source.place(taken));
        return Some(Err(Problem::new(both).at(place).help(help)));
    }
    let spanned = |key: &str| Spanned::new(span.clone(), key.to_owned().into());
    if new_above == old_above {
        // In the same table the key keeps its position.
        let entries = std::mem::take(above).into_iter();
        let renamed = |(key, value): (Spanned<_>, _)| match key.get_ref() == old_key {
            true => (spanned(new_key), value),
            false => (key, value),
        };
        *above = entries.map(renamed).collect();
    } else {
        let value = above.remove(old_key)?;
        let mut above = table;
        for key in new_above {
            let inner = above
                .entry(spanned(key))
                .or_insert_with(|| Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
            let DeValue::Table(inner) = inner.get_mut() else {
                return None;
            };
            above = inner;
        }
        above.insert(spanned(new_key), value);
    }
    Some(Ok(Problem::new(format!("`{old}` is now called `{new}`"))
        .at(place)
        .help("rename the key; the old name still works")))
}

/// The table below these keys.
fn table_at<'t, 'i>(table: &'t mut DeTable<'i>, keys: &[&str]) -> Option<&'t mut DeTable<'i>> {
    keys.iter()
        .try_fold(table, |table, key| match table.get_mut(*key)?.get_mut() {
            DeValue::Table(table) => Some(table),
            _ => None,
        })
}
