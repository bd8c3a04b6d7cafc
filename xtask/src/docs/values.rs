//! The values of a chart, as a table for its README.

use std::fmt::Write;

/// A value and what its file says about it.
#[derive(Debug, PartialEq)]
struct Row {
    key: String,
    default: String,
    description: String,
}

/// The table of a `values.yaml` whose keys have comments that begin with `# --`; `prefix` goes before each key.
pub(super) fn table(yaml: &str, prefix: &str) -> String {
    let mut text = "| Value | Default | Description |\n|---|---|---|\n".to_owned();
    for Row {
        key,
        default,
        description,
    } in rows(yaml)
    {
        let default = match default.as_str() {
            "" => String::new(),
            default => format!("`{}`", default.replace('|', "\\|")),
        };
        let _ = writeln!(
            text,
            "| `{prefix}{key}` | {default} | {} |",
            description.replace('|', "\\|")
        );
    }
    text
}

/// The keys that say something: those with a value of their own, and those with a comment.
fn rows(yaml: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // The keys above this line, with their indentation.
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut comment: Option<String> = None;
    // The lines of a text or of an item of a list that are deeper than this are no keys.
    let mut text_below: Option<usize> = None;
    for line in yaml.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if text_below.is_some_and(|key| trimmed.is_empty() || indent > key) {
            continue;
        }
        text_below = None;
        if trimmed.is_empty() {
            comment = None;
        } else if trimmed.starts_with("- ") {
            text_below = Some(indent);
        } else if let Some(begin) = trimmed.strip_prefix("# -- ") {
            comment = Some(begin.to_owned());
        } else if let Some(more) = trimmed.strip_prefix("# ") {
            if let Some(comment) = &mut comment {
                let _ = write!(comment, " {more}");
            }
        } else if let Some((key, value)) = key_and_value(trimmed) {
            path.retain(|(above, _)| *above < indent);
            path.push((indent, key));
            if value.starts_with(['|', '>']) {
                text_below = Some(indent);
            }
            let keys: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
            let description = comment.take().unwrap_or_default();
            if !value.is_empty() || !description.is_empty() {
                let default = match value.starts_with(['|', '>']) {
                    true => String::new(),
                    false => value.to_owned(),
                };
                rows.push(Row {
                    key: keys.join("."),
                    default,
                    description,
                });
            }
        }
    }
    rows
}

/// `key: value`, without the comment behind it.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let is_key = !key.starts_with(['#', '{', '[']) && !key.contains(' ');
    let value = value.split_once(" #").map_or(value, |(value, _)| value);
    is_key.then(|| (key.trim_matches('"'), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_path_default_and_comment() {
        let yaml = "# A file.\n\n# -- Where from,\n# in two lines\nimage:\n  # -- A registry\n  registry: \"\"   # not a part\n  tag: 1|2\n\
                    list:\n  - name: x\n    value: 1\n# -- Inline data\ndata: |\n  a: b\n\n  # -- c\n  d: e\n# -- The end\nend: {}\n";
        assert_eq!(
            table(yaml, "sub."),
            "| Value | Default | Description |\n|---|---|---|\n\
             | `sub.image` |  | Where from, in two lines |\n\
             | `sub.image.registry` | `\"\"` | A registry |\n\
             | `sub.image.tag` | `1\\|2` |  |\n\
             | `sub.data` |  | Inline data |\n\
             | `sub.end` | `{}` | The end |\n"
        );
    }
}
