//! From the text of an expression to its tokens.

use std::ops::Range;

use super::{FormulaError, Value};

/// A part of an expression, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// In bytes.
    pub(super) place: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind<'a> {
    Literal(Value),
    Name(&'a str),
    /// An operator, a parenthesis or a comma.
    Symbol(&'a str),
    End,
}

const SYMBOLS: [&str; 17] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "^", "!", "(", ")",
];

/// The tokens of an expression; the last one is its end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FormulaError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = if first.is_ascii_digit() || first == '.' {
            number(rest).map_err(|(message, length)| FormulaError::new(message, at..at + length))?
        } else if is_of_name(first) {
            name(rest)
        } else if let Some(symbol) = SYMBOLS
            .iter()
            .chain(&[","])
            .find(|symbol| rest.starts_with(**symbol))
        {
            (Kind::Symbol(&rest[..symbol.len()]), symbol.len())
        } else {
            let message = match first {
                '=' | ';' => {
                    "an expression computes one value and assigns none; compare with `==`".to_owned()
                }
                '"' => "an expression computes with numbers and truth values, and has no texts".to_owned(),
                _ => format!("`{first}` means nothing in an expression"),
            };
            return Err(FormulaError::new(message, at..at + first.len_utf8()));
        };
        tokens.push(Token {
            kind,
            place: at..at + length,
        });
        at += length;
    }
    tokens.push(Token {
        kind: Kind::End,
        place: text.len()..text.len(),
    });
    Ok(tokens)
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':' || c == '.'
}

fn name(text: &str) -> (Kind<'_>, usize) {
    let length = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    let kind = match &text[..length] {
        "true" => Kind::Literal(Value::Bool(true)),
        "false" => Kind::Literal(Value::Bool(false)),
        name => Kind::Name(name),
    };
    (kind, length)
}

/// `12`, `0x1f`, `1.5`, `1e-3`.
fn number(text: &str) -> Result<(Kind<'_>, usize), (String, usize)> {
    let mut length = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    let has_signed_exponent = text[..length].ends_with(['e', 'E']) && text[length..].starts_with(['+', '-']);
    if has_signed_exponent && !text.starts_with("0x") {
        let digits = &text[length + 1..];
        length += 1 + digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    }
    let digits = &text[..length];
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok().map(Value::Int)
    } else if let Ok(integer) = digits.parse() {
        Some(Value::Int(integer))
    } else {
        digits.parse().ok().map(Value::Float)
    };
    match value {
        Some(value) => Ok((Kind::Literal(value), length)),
        None => Err((format!("`{digits}` is no number"), length)),
    }
}
