//! Keys that have a new name: the old one still works, and warns.
//!
//! Each source is brought to the new names before the sources are merged, so that an old name in a file and the new one
//! on the command line are no conflict; both in one source are.

use super::key_path::KeyPath;
use super::place::Place;
use super::problem::{Problem, Problems, Warning};
use super::tree::{Node, Table, Value};

/// An old name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The path, with dots from the root on; `*` stands for any key: `plugins.*.enable`.
    pub old: &'static str,
    /// The path that took its place, with `*` where `old` has it: `plugins.*.enabled`.
    pub new: &'static str,
}

/// Brings one source to the new names.
pub(super) fn rename(
    table: &mut Table,
    aliases: &[Alias],
    warnings: &mut Vec<Warning>,
    problems: &mut Problems,
) {
    for alias in aliases {
        let old: Vec<&str> = alias.old.split('.').collect();
        let new: Vec<&str> = alias.new.split('.').collect();
        match rename_below(table, &KeyPath::root(), &old, &new) {
            Ok(renamed) => warnings.extend(renamed),
            Err(both) => {
                problems.keep::<()>(Err(both));
            }
        }
    }
}

/// Renames below `above`, and tells of each key that had its old name.
fn rename_below(
    table: &mut Table,
    above: &KeyPath,
    old: &[&str],
    new: &[&str],
) -> Result<Vec<Warning>, Problems> {
    if let ([first, old @ ..], [same, new @ ..]) = (old, new)
        && first == same
        && !old.is_empty()
    {
        let mut renamed = Vec::new();
        let mut problems = Problems::default();
        for (key, node) in table.iter_mut().filter(|(key, _)| *first == "*" || key == first) {
            if let Value::Table(inner) = &mut node.value {
                let step = rename_below(inner, &above.clone().key(key), old, new);
                renamed.extend(problems.keep(step).into_iter().flatten());
            }
        }
        return problems.or_ok(renamed);
    }
    let path = |keys: &[&str]| keys.iter().fold(above.clone(), |path, key| path.key(key));
    let (old_path, new_path) = (path(old), path(new));
    let Some(place) = find(table, old).map(|node| node.key.clone()) else {
        return Ok(Vec::new());
    };
    if let Some(other) = find(table, new) {
        let both = format!("`{old_path}` is the old name of `{new_path}`, and both are given");
        let help = format!("remove `{old_path}`; the new name stands at {}", other.key);
        take(table, old);
        return Err(Problem::new(both).at(&place).help(help).into());
    }
    if let ([old], [new]) = (old, new) {
        // In the same table the key keeps its position.
        let renamed = |(key, node)| (if key == **old { (*new).to_owned() } else { key }, node);
        *table = std::mem::take(table).into_iter().map(renamed).collect();
    } else if let Some(node) = take(table, old) {
        put(table, new, node, &place);
    }
    let what = format!("`{old_path}` is now called `{new_path}`");
    let warning = Problem::new(what)
        .at(&place)
        .help("rename the key; the old name still works");
    Ok(vec![Warning(warning)])
}

fn find<'t>(table: &'t Table, keys: &[&str]) -> Option<&'t Node> {
    let (last, parents) = keys.split_last()?;
    let table = parents
        .iter()
        .try_fold(table, |table, key| table.get(*key)?.table());
    table?.get(*last)
}

fn take(table: &mut Table, keys: &[&str]) -> Option<Node> {
    match keys {
        [key] => table.remove(*key),
        [key, rest @ ..] => match &mut table.get_mut(*key)?.value {
            Value::Table(inner) => take(inner, rest),
            _ => None,
        },
        [] => None,
    }
}

/// Puts the node under the keys; the tables on the way are made where they are missing.
fn put(table: &mut Table, keys: &[&str], node: Node, place: &Place) {
    let Some((first, rest)) = keys.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert((*first).to_owned(), node);
        return;
    }
    let empty = || Node::from_toml(toml::Table::new().into(), place);
    let parent = table.entry((*first).to_owned()).or_insert_with(empty);
    if let Value::Table(inner) = &mut parent.value {
        put(inner, rest, node, place);
    }
}
