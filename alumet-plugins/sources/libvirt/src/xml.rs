//! As much of XML as the files of libvirt have: elements, attributes and texts, no document types.

use std::borrow::Cow;

/// The start of an element, with the text up to the next tag.
pub(crate) struct Element<'a> {
    /// The names of the elements around it, from the outermost one, and its own; without the prefixes of namespaces.
    pub(crate) path: &'a [&'a str],
    attributes: &'a str,
    text: &'a str,
}

/// Calls this for each element, in their order, up to the first place where the text is no XML.
pub(crate) fn elements<'a>(mut rest: &'a str, mut each: impl FnMut(&Element<'_>)) {
    let mut path: Vec<&'a str> = Vec::new();
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let special = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"), ("<!", ">")];
        if let Some((opening, closing)) = special.iter().find(|(opening, _)| rest.starts_with(opening)) {
            let Some(end) = rest[opening.len()..].find(closing) else {
                return;
            };
            rest = &rest[opening.len() + end + closing.len()..];
            continue;
        }
        let Some(end) = end_of_tag(rest) else { return };
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('/') {
            path.pop();
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        path.push(name.split_once(':').map_or(name, |(_, name)| name));
        let text = rest.split('<').next().filter(|_| !is_empty).unwrap_or_default();
        each(&Element {
            path: &path,
            attributes,
            text,
        });
        if is_empty {
            path.pop();
        }
    }
}

impl<'a> Element<'a> {
    /// Whether the innermost elements are these.
    pub(crate) fn is(&self, inner: &[&str]) -> bool {
        self.path.ends_with(inner)
    }

    /// Its text, without blanks around it.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        decode(self.text.trim())
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut rest = self.attributes;
        loop {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, behind) = after[1..].split_once(quote)?;
            if key.trim() == name {
                return Some(decode(value));
            }
            rest = behind;
        }
    }
}

/// Where the tag ends that the text begins with: at the first `>` that is in no value.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(index),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The text with what its entities stand for; what is none stays.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let mut decoded = String::with_capacity(text.len());
    let mut parts = text.split('&');
    decoded.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let meant = part
            .split_once(';')
            .and_then(|(name, after)| Some((entity(name)?, after)));
        match meant {
            Some((char, after)) => {
                decoded.push(char);
                decoded.push_str(after);
            }
            None => {
                decoded.push('&');
                decoded.push_str(part);
            }
        }
    }
    decoded.into()
}

fn entity(name: &str) -> Option<char> {
    let number = name.strip_prefix('#');
    if let Some(number) = number {
        let code = match number.strip_prefix('x') {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        elements(text, |element| {
            seen.push(format!("{} {}", element.path.join("."), element.text()));
        });
        seen
    }

    #[test]
    fn elements_know_where_they_are_whatever_stands_between_them() {
        let text = "<?xml version='1.0'?>\n<!-- <x> --><!DOCTYPE a>\n<a t='1>2'><n:b> one &amp; &#x32;&#51; </n:b><c/>\
                    <![CDATA[<x>]]><d u=\"'\">x</d></a>";
        assert_eq!(seen(text), ["a ", "a.b one & 23", "a.c ", "a.d x"]);
    }

    #[test]
    fn attributes_have_either_quote_and_may_hold_the_other() {
        let mut values = Vec::new();
        elements("<a one='1' two = \"it's\" three='&lt;=&nbsp;'>", |element| {
            values = ["one", "two", "three", "four"]
                .map(|name| element.attribute(name).map(Cow::into_owned))
                .into();
        });
        let expected = ["1", "it's", "<=&nbsp;"].map(|value| Some(value.to_owned()));
        assert_eq!(values[..3], expected);
        assert_eq!(values[3], None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,60}", marked in "(<|>|/|=|'|\"|!--|-->|&|;|#|x|:|a|é| |\\?|\\[CDATA\\[){0,40}") {
            for text in [text, marked] {
                elements(&text, |element| {
                    let _ = (element.text(), element.attribute("a"));
                });
            }
        }
    }
}
