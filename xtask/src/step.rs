//! A command that a chore runs, and that a person can repeat.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command with its arguments and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    words: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Step {
    /// The command of these words.
    pub(crate) fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
        }
    }

    /// `cargo` with the words of `line`, which are separated by spaces.
    pub(crate) fn cargo(line: &str) -> Self {
        Self::new(["cargo"].into_iter().chain(line.split_whitespace()))
    }

    /// Appends arguments.
    pub(crate) fn with<W: Into<String>>(mut self, arguments: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(self.words.first().map_or("", String::as_str));
        command.args(self.words.iter().skip(1)).current_dir(folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it in `folder`, on the terminal.
    pub(crate) fn run(&self, folder: &Path) -> Result<()> {
        let status = self.command(folder).status();
        let status = status.with_context(|| format!("cannot run `{self}`"))?;
        if !status.success() {
            bail!("`{self}` failed ({status})");
        }
        Ok(())
    }

    /// Runs it in `folder` and takes what it prints.
    pub(crate) fn output(&self, folder: &Path) -> Result<String> {
        let output = self.command(folder).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run `{self}`"))?;
        if !output.status.success() {
            bail!("`{self}` failed ({})", output.status);
        }
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{self}` printed something that is no text"))
    }

    /// Whether it can be run and succeeds, silently.
    pub(crate) fn succeeds(&self, folder: &Path) -> bool {
        self.command(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// As a shell takes it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        for (at, word) in self.words.iter().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            write!(f, "{gap}{}", quoted(word))?;
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_prints_as_a_shell_takes_it() {
        let step = Step::cargo("doc --no-deps")
            .with(["it's"])
            .variable("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            step.to_string(),
            r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'"
        );
    }

    #[test]
    fn a_step_that_fails_says_which_it_was() {
        let folder = std::env::temp_dir();
        let error = Step::new(["false"]).run(&folder).unwrap_err();
        assert!(error.to_string().starts_with("`false` failed"), "{error}");
        let error = Step::new(["no-such-program"]).output(&folder).unwrap_err();
        assert!(
            error.to_string().contains("cannot run `no-such-program`"),
            "{error}"
        );
        assert!(!Step::new(["no-such-program"]).succeeds(&folder));
        assert!(Step::new(["true"]).succeeds(&folder));
        let printed = Step::new(["sh", "-c", "echo $WORD"]).variable("WORD", "yes");
        assert_eq!(printed.output(&folder).unwrap(), "yes\n");
    }
}
