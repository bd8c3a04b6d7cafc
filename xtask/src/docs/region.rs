//! Generated parts of files that people write: what stands between two markers.

use anyhow::{Result, bail};

/// The text with `content` between the markers `<!-- name:begin -->` and `<!-- name:end -->`.
pub(super) fn replaced(text: &str, name: &str, content: &str) -> Result<String> {
    let begin = format!("<!-- {name}:begin -->");
    let end = format!("<!-- {name}:end -->");
    let Some((before, rest)) = text.split_once(&begin) else {
        bail!(
            "the generated part `{name}` has no place; add the lines `{begin}` and `{end}` where it belongs"
        );
    };
    let Some((_, after)) = rest.split_once(&end) else {
        bail!("the generated part `{name}` does not end; add the line `{end}` after `{begin}`");
    };
    if rest.contains(&begin) {
        bail!("the generated part `{name}` begins twice; leave one `{begin}`");
    }
    // An empty line on both sides: Markdown needs it between a comment and a table.
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";

    #[test]
    fn only_the_text_between_the_markers_changes() {
        let new = replaced(TEXT, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nb\n");
        assert_eq!(replaced(&new, "x", "new\n").unwrap(), new);
    }

    #[test]
    fn missing_markers_are_named() {
        let message = |text: &str| replaced(text, "x", "new").unwrap_err().to_string();
        assert!(message("a\n").contains("add the lines `<!-- x:begin -->` and `<!-- x:end -->`"));
        assert!(message("<!-- x:begin -->\n").contains("add the line `<!-- x:end -->`"));
        assert!(message("<!-- x:end -->\n<!-- x:begin -->\n").contains("does not end"));
        assert!(message(&TEXT.repeat(2)).contains("begins twice"));
    }
}
