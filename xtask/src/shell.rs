//! Commands that chores run, written as a shell takes them, so that a person can repeat each one.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a line in `folder`, on the terminal.
pub(crate) fn run(line: &str, folder: &Path) -> Result<()> {
    finished(line, folder, Stdio::inherit()).map(drop)
}

/// Runs a line in `folder` and takes what it prints.
pub(crate) fn output(line: &str, folder: &Path) -> Result<String> {
    let output = finished(line, folder, Stdio::piped())?;
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed something that is no text"))
}

/// Whether a line can be run and succeeds, silently.
pub(crate) fn succeeds(line: &str, folder: &Path) -> bool {
    let output = command(line, folder).output();
    output.is_ok_and(|output| output.status.success())
}

fn finished(line: &str, folder: &Path, stdout: Stdio) -> Result<Output> {
    let mut command = command(line, folder);
    command
        .stdin(Stdio::inherit())
        .stdout(stdout)
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot run `sh`")?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    Ok(output)
}

fn command(line: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder);
    command
}

/// Any text as one word of a line.
pub(crate) fn quoted(word: &str) -> String {
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
    fn a_quoted_word_comes_out_as_it_was() {
        let folder = std::env::temp_dir();
        for word in ["", "plain-word", "two words", "it's", "$HOME `x` \"y\" \\ *;\n"] {
            let line = format!("printf %s {}", quoted(word));
            assert_eq!(output(&line, &folder).unwrap(), word, "{line}");
        }
        assert_eq!(quoted("--package=a_b"), "--package=a_b");
    }

    #[test]
    fn a_line_that_fails_says_which_it_was() {
        let folder = std::env::temp_dir();
        let error = run("exit 3", &folder).unwrap_err();
        assert_eq!(error.to_string(), "`exit 3` failed (exit status: 3)");
        let error = output("no-such-program 2> /dev/null", &folder).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
        assert!(!succeeds("no-such-program", &folder));
        assert!(succeeds("true", &folder));
        assert_eq!(output("WORD=yes sh -c 'echo $WORD'", &folder).unwrap(), "yes\n");
    }
}
