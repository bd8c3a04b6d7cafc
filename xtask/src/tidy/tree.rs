//! The source tree as the checks see it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use super::Violation;
use crate::registration::{self, Plugin};
use crate::shell;
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
        let list = shell::output(
            "git ls-files -z --cached --others --exclude-standard",
            &workspace.root,
        )?;
        for path in list.split('\0') {
            let place = workspace.root.join(path);
            // Deleted files stay in the index until the next commit.
            if place.is_file() {
                let bytes = fs::read(place).with_context(|| format!("cannot read {path}"))?;
                let text = String::from_utf8(bytes).unwrap_or_default();
                tree.files.insert(path.to_owned(), text);
            }
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

    /// What `rule` finds in the single lines of the Rust sources that `concerns` chooses; `lines` says which of them count:
    /// [`numbered`] or [`code`].
    pub(super) fn in_lines(
        &self,
        concerns: impl Fn(&str) -> bool,
        lines: fn(&str) -> Vec<(usize, &str)>,
        rule: impl Fn(&str, &str) -> Option<String>,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        let is_concerned = |path: &str| path.ends_with(".rs") && concerns(path);
        for (path, text) in self.written().filter(|(path, _)| is_concerned(path)) {
            let broken = |(line, text)| Some(Violation::new(path, line, rule(path, text)?));
            found.extend(lines(text).into_iter().filter_map(broken));
        }
        found
    }

    /// The plugins, by their folders.
    pub(super) fn plugins(&self) -> Vec<Plugin> {
        registration::plugins(self.members.iter().map(|member| member.folder.as_str()))
    }

    /// The crate of that name.
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The first line of a file that begins with `start`, from one; line 1 when there is none.
    pub(super) fn line_of(&self, path: &str, start: &str) -> usize {
        let lines = numbered(self.text(path).unwrap_or(""));
        let line = lines
            .iter()
            .find(|(_, line)| line.trim_start().starts_with(start));
        line.map_or(1, |(at, _)| *at)
    }
}

/// The lines of a text with their numbers, from one.
pub(super) fn numbered(text: &str) -> Vec<(usize, &str)> {
    (1..).zip(text.lines()).collect()
}

/// The lines of code with their numbers: neither comments nor the module of tests, which ends a file.
pub(super) fn code(text: &str) -> Vec<(usize, &str)> {
    let mut lines = numbered(text);
    let tests = lines.iter().position(|(_, line)| line.ends_with("mod tests {"));
    lines.truncate(tests.unwrap_or(lines.len()));
    lines.retain(|(_, line)| !line.trim_start().starts_with("//"));
    lines
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
        let numbers = |text: &str| code(text).iter().map(|(line, _)| *line).collect::<Vec<_>>();
        let tests = "a\n    // b\n//! c\n#[cfg(test)]\n#[expect(x)]\npub(crate) mod tests {\n}\n";
        assert_eq!(numbers(tests), [1, 4, 5]);
        let twin = "#[cfg(test)]\nfn a() {}\n\n\n\nfn b() {}\n";
        assert_eq!(numbers(twin), [1, 2, 3, 4, 5, 6]);
    }
}
