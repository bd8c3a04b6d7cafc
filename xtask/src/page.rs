//! Files that chores write, as a whole or in part.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A file and the text that it should have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Relative to the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Gives the text of the file at a path relative to the root, if there is such a file.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Page {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// A file that people write, with new texts in its generated parts, which have names. Each part stands between two
    /// markers, such as `<!-- name:begin -->` and `<!-- name:end -->` in Markdown, and `# name:begin` and `# name:end` in
    /// TOML.
    pub(crate) fn filled(path: &str, parts: &[(&str, String)], read: Read<'_>) -> Result<Self> {
        let Some(mut text) = read(path) else {
            bail!("{path} does not exist; write it, with the markers of its generated parts");
        };
        for (name, content) in parts {
            text = if path.ends_with(".md") {
                let markers = ["begin", "end"].map(|edge| format!("<!-- {name}:{edge} -->"));
                // An empty line on both sides: Markdown needs it between a comment and a table.
                replaced(&text, &markers, &format!("\n{}\n\n", content.trim()))
            } else {
                let markers = ["begin", "end"].map(|edge| format!("# {name}:{edge}"));
                replaced(&text, &markers, content)
            }
            .with_context(|| path.to_owned())?;
        }
        Ok(Self::new(path, text))
    }

    /// Writes it, with its folder, and says so; a file that has the text already stays as it is.
    pub(crate) fn write(&self, root: &Path) -> Result<()> {
        let Self { path, text } = self;
        let place = root.join(path);
        if fs::read_to_string(&place).ok().as_ref() == Some(text) {
            return Ok(());
        }
        fs::create_dir_all(place.parent().unwrap_or(root))
            .and_then(|()| fs::write(&place, text))
            .with_context(|| format!("cannot write {path}"))?;
        println!("wrote {path}");
        Ok(())
    }
}

/// The text with `content` between two markers.
fn replaced(text: &str, [begin, end]: &[String; 2], content: &str) -> Result<String> {
    let Some((before, rest)) = text.split_once(begin) else {
        bail!("a generated part has no place; add the lines `{begin}` and `{end}` where it belongs");
    };
    let Some((_, after)) = rest.split_once(end) else {
        bail!("a generated part does not end; add the line `{end}` after `{begin}`");
    };
    if rest.contains(begin) {
        bail!("a generated part begins twice; leave one `{begin}`");
    }
    Ok(format!("{before}{begin}\n{content}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";

    fn filled(path: &str, text: &str, content: &str) -> Result<String> {
        let page = Page::filled(path, &[("x", content.to_owned())], &|_| Some(text.to_owned()))?;
        Ok(page.text)
    }

    #[test]
    fn only_the_text_between_the_markers_changes() {
        let new = filled("a.md", TEXT, "new\n").unwrap();
        assert_eq!(new, "a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nb\n");
        assert_eq!(filled("a.md", &new, "new\n").unwrap(), new);
        let toml = filled("a.toml", "a = 1\n# x:begin\n# x:end\nb = 2\n", "new = 3\n").unwrap();
        assert_eq!(toml, "a = 1\n# x:begin\nnew = 3\n# x:end\nb = 2\n");
    }

    #[test]
    fn missing_markers_are_named() {
        let message = |text: &str| format!("{:#}", filled("a.md", text, "new").unwrap_err());
        let missing = message("a\n");
        assert!(
            missing.starts_with("a.md: ")
                && missing.contains("add the lines `<!-- x:begin -->` and `<!-- x:end -->`"),
            "{missing}"
        );
        assert!(message("<!-- x:begin -->\n").contains("add the line `<!-- x:end -->`"));
        assert!(message("<!-- x:end -->\n<!-- x:begin -->\n").contains("does not end"));
        assert!(message(&TEXT.repeat(2)).contains("begins twice"));
    }
}
