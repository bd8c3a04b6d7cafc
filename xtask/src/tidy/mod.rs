//! `cargo xtask tidy`: the rules of the project that a program can check.

mod application;
mod core_layers;
mod crates;
mod dependency_direction;
mod files;
mod manifest;
mod readers;
mod registered;
mod tree;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use tree::Tree;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// The file, relative to the root.
    path: String,
    /// The line, from one.
    line: usize,
    /// What is wrong; how to mend it.
    message: String,
}

impl Violation {
    fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            message: message.into(),
        }
    }
}

/// `path:line: what; how to mend it`.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// All rules.
const CHECKS: &[fn(&Tree) -> Vec<Violation>] = &[
    application::check,
    core_layers::check,
    crates::check,
    dependency_direction::check,
    files::check,
    manifest::check,
    readers::check,
    registered::check,
    words::check,
];

/// Checks all rules and prints what breaks them.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::of(workspace)?;
    let mut violations: Vec<Violation> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    violations.sort();
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => bail!("one rule is broken"),
        many => bail!("rules are broken in {many} places"),
    }
}

/// What the checks find in a tree, as lines; for their tests.
#[cfg(test)]
fn lines(violations: &[Violation]) -> Vec<String> {
    violations
        .iter()
        .map(|violation| format!("{}:{}", violation.path, violation.line))
        .collect()
}
