//! Comparisons of labels as clients and files write them.

use alumet_shared_query::{Matcher, Operator, QueryError};

/// `label=value`, `label!=value`, `label=~regex` or `label!~regex`.
///
/// # Errors
/// [`QueryError::Invalid`] when it is nothing of these, or the regular expression cannot be understood.
pub(crate) fn matcher(text: &str) -> Result<Matcher, QueryError> {
    let not_one = || {
        QueryError::Invalid(format!(
            "`{text}` compares nothing; write `label=value`, `label!=value`, `label=~regex` or `label!~regex`"
        ))
    };
    let end = text.find(['=', '!']).filter(|end| *end > 0).ok_or_else(not_one)?;
    let (label, rest) = text.split_at(end);
    let operators = [
        ("=~", Operator::Matches),
        ("!~", Operator::NotMatches),
        ("!=", Operator::NotEqual),
        ("=", Operator::Equal),
    ];
    let mut found = operators.into_iter();
    let found = found.find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)));
    let (operator, value) = found.ok_or_else(not_one)?;
    Matcher::new(label, operator, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sign_ends_the_label_and_all_after_it_is_compared() {
        for (text, label, operator, value) in [
            ("node=n1", "node", Operator::Equal, "n1"),
            ("node=", "node", Operator::Equal, ""),
            ("a!=b=c", "a", Operator::NotEqual, "b=c"),
            ("a=~b|!c", "a", Operator::Matches, "b|!c"),
            ("a!~=", "a", Operator::NotMatches, "="),
        ] {
            let matcher = matcher(text).unwrap();
            let found = (matcher.label().name(), matcher.operator(), matcher.value());
            assert_eq!(found, (label, operator, value));
        }
        for wrong in ["", "a", "=b", "!~b", "a!b", "a=~("] {
            assert!(matcher(wrong).is_err(), "{wrong}");
        }
    }
}
