//! Generated parts of files that people write: what stands between two markers.

use anyhow::{Result, bail};

/// The text with `content` between the markers `<!-- name:begin -->` and `<!-- name:end -->`.
pub(crate) fn replaced_in_markdown(text: &str, name: &str, content: &str) -> Result<String> {
    // An empty line on both sides: Markdown needs it between a comment and a table.
    let content = format!("\n{}\n\n", content.trim());
    replaced(
        text,
        [&format!("<!-- {name}:begin -->"), &format!("<!-- {name}:end -->")],
        &content,
    )
}

/// The text with the lines of `content` between the markers `# name:begin` and `# name:end`.
pub(crate) fn replaced_in_toml(text: &str, name: &str, content: &str) -> Result<String> {
    replaced(
        text,
        [&format!("# {name}:begin"), &format!("# {name}:end")],
        content,
    )
}

fn replaced(text: &str, [begin, end]: [&str; 2], content: &str) -> Result<String> {
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

    #[test]
    fn only_the_text_between_the_markers_changes() {
        let new = replaced_in_markdown(TEXT, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nb\n");
        assert_eq!(replaced_in_markdown(&new, "x", "new\n").unwrap(), new);
        let toml = replaced_in_toml("a = 1\n# x:begin\n# x:end\nb = 2\n", "x", "new = 3\n").unwrap();
        assert_eq!(toml, "a = 1\n# x:begin\nnew = 3\n# x:end\nb = 2\n");
    }

    #[test]
    fn missing_markers_are_named() {
        let message = |text: &str| replaced_in_markdown(text, "x", "new").unwrap_err().to_string();
        assert!(message("a\n").contains("add the lines `<!-- x:begin -->` and `<!-- x:end -->`"));
        assert!(message("<!-- x:begin -->\n").contains("add the line `<!-- x:end -->`"));
        assert!(message("<!-- x:end -->\n<!-- x:begin -->\n").contains("does not end"));
        assert!(message(&TEXT.repeat(2)).contains("begins twice"));
    }
}
