//! The source tree as the checks see it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use super::Violation;
use crate::files;
use crate::registration::{self, Plugin};
use crate::workspace::{Member, Workspace};

/// All text files of the repository and all crates of the workspace.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    /// The text of each file, by path relative to the root. Files that are no text are empty here.
    pub(super) files: BTreeMap<String, String>,
    /// The crates.
    pub(super) members: Vec<Member>,
}

impl Tree {
    /// Reads the files of the workspace.
    pub(super) fn of(workspace: &Workspace) -> Result<Self> {
        let mut tree = Self {
            members: workspace.members.clone(),
            ..Self::default()
        };
        for path in files::tracked(&workspace.root)? {
            let bytes =
                fs::read(workspace.root.join(&path)).with_context(|| format!("cannot read {path}"))?;
            tree.files
                .insert(path, String::from_utf8(bytes).unwrap_or_default());
        }
        Ok(tree)
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Files that were written by people for this project: everything but captured test data.
    pub(super) fn written(&self) -> impl Iterator<Item = (&str, &str)> {
        let captured = |path: &str| {
            path.contains("/fixtures/") && !path.ends_with(".rs") && !path.ends_with(".md")
                || path.contains("proptest-regressions")
                || path == "Cargo.lock"
        };
        self.files
            .iter()
            .filter(move |(path, _)| !captured(path))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust sources.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.written().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// What `rule` finds in the single lines of the Rust sources that `concerns` chooses; `lines` says which of them count:
    /// [`numbered`] or [`code`].
    pub(super) fn in_lines<'a, L: Iterator<Item = (usize, &'a str)>>(
        &'a self,
        concerns: impl Fn(&str) -> bool,
        lines: fn(&'a str) -> L,
        rule: impl Fn(&str, &str) -> Option<String>,
    ) -> Vec<Violation> {
        let files = self.rust().filter(|(path, _)| concerns(path));
        let lines = files.flat_map(|(path, text)| lines(text).map(move |(line, text)| (path, line, text)));
        let found =
            lines.filter_map(|(path, line, text)| Some(Violation::new(path, line, rule(path, text)?)));
        found.collect()
    }

    /// The plugins, by their folders.
    pub(super) fn plugins(&self) -> Vec<Plugin> {
        let manifests = self.files.keys();
        registration::plugins(manifests.filter_map(|path| path.strip_suffix("/Cargo.toml")))
    }

    /// The crate of that name.
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The first line of a file that has `needle`, from one; line 1 when there is none.
    pub(super) fn line_of(&self, path: &str, needle: &str) -> usize {
        let mut lines = self.text(path).unwrap_or("").lines();
        lines
            .position(|line| line.contains(needle))
            .map_or(1, |line| line + 1)
    }
}

/// The lines of a text with their numbers, from one.
pub(super) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// The lines of code with their numbers: neither comments nor the module of tests, which ends a file.
pub(super) fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_start_of_tests = |at: &usize| {
        let following = &lines[*at..lines.len().min(at + 4)];
        lines[*at] == "#[cfg(test)]" && following.iter().any(|line| line.contains("mod tests"))
    };
    let end = (0..lines.len()).find(is_start_of_tests).unwrap_or(lines.len());
    numbered(text)
        .take(end)
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
impl Tree {
    /// A tree of these files.
    pub(super) fn with_files(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            files: files.collect(),
            members: Vec::new(),
        }
    }

    /// Adds a crate.
    pub(super) fn and(mut self, member: Member) -> Self {
        self.members.push(member);
        self
    }

    /// The same tree with another text in one file.
    pub(super) fn changed(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_data_is_not_written_for_this_project() {
        let tree = Tree::with_files(&[
            ("a/tests/fixtures/proc/stat", "x"),
            ("a/tests/fixtures/ORIGIN.md", "x"),
            ("a/tests/fixtures.rs", "x"),
            ("Cargo.lock", "x"),
        ]);
        let written: Vec<&str> = tree.written().map(|(path, _)| path).collect();
        assert_eq!(written, ["a/tests/fixtures.rs", "a/tests/fixtures/ORIGIN.md"]);
    }

    #[test]
    fn code_is_what_is_neither_comment_nor_test() {
        let numbers = |text: &str| code(text).map(|(line, _)| line).collect::<Vec<_>>();
        let tests = "a\n    // b\n//! c\n#[cfg(test)]\n#[expect(x)]\npub(crate) mod tests {\n}\n";
        assert_eq!(numbers(tests), [1]);
        let twin = "#[cfg(test)]\nfn a() {}\n\n\n\nfn b() {}\n";
        assert_eq!(numbers(twin), [1, 2, 3, 4, 5, 6]);
    }
}
