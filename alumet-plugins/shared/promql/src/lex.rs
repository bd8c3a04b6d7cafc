//! Text to tokens.

use crate::error::ApiError;

/// The smallest piece of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// The name of a metric, label, function or operator.
    Word(String),
    Number(f64),
    /// In nanoseconds.
    Duration(i64),
    /// What stands between quotes.
    Text(String),
    Symbol(&'static str),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 24] = [
    "==", "!=", ">=", "<=", "=~", "!~", "=", ">", "<", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[",
    "]", ",", "@", ":",
];

/// The tokens of a text, each with the position of its first byte; the last one is the end.
///
/// # Errors
/// What cannot be a token.
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ApiError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        if let Some(comment) = rest.strip_prefix('#') {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let Some(first) = rest.chars().next() else {
            tokens.push((at, Token::End));
            return Ok(tokens);
        };
        let is_digit = |c: char| c.is_ascii_digit();
        let length;
        let token = if is_digit(first) || first == '.' && rest[1..].starts_with(is_digit) {
            length = number_length(rest);
            number(&rest[..length])
                .ok_or_else(|| wrong(at, &format!("`{}` is no number", &rest[..length])))?
        } else if is_word(first) && first != ':' {
            length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            Token::Word(rest[..length].to_owned())
        } else if matches!(first, '"' | '\'' | '`') {
            let quoted =
                quoted(rest).ok_or_else(|| wrong(at, "this text does not end, or has a wrong escape"))?;
            length = quoted.1;
            Token::Text(quoted.0)
        } else {
            let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
            let symbol = symbol.ok_or_else(|| wrong(at, &format!("unexpected character {first:?}")))?;
            length = symbol.len();
            Token::Symbol(symbol)
        };
        tokens.push((at, token));
        rest = &rest[length..];
    }
}

/// What is wrong, and at which byte of the expression.
pub(crate) fn wrong(at: usize, what: &str) -> ApiError {
    ApiError::bad_data(format!("parse error at character {}: {what}", at + 1))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// How long the number or duration at the beginning is.
fn number_length(text: &str) -> usize {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let mut before = ' ';
    let end = text.find(|c: char| {
        let is_exponent = matches!(before, 'e' | 'E') && !is_hex && matches!(c, '+' | '-');
        before = c;
        !(c.is_ascii_alphanumeric() || c == '.' || is_exponent)
    });
    end.unwrap_or(text.len())
}

fn number(text: &str) -> Option<Token> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(hex) = hex {
        return Some(Token::Number(u64::from_str_radix(hex, 16).ok()? as f64));
    }
    match text.parse() {
        Ok(number) => Some(Token::Number(number)),
        Err(_) => duration(text).map(Token::Duration),
    }
}

/// Nanoseconds of `1h30m`: whole numbers with units, each unit once and the longer ones first.
pub(crate) fn duration(text: &str) -> Option<i64> {
    const DAY: i64 = 86_400_000;
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * DAY),
        ("w", 7 * DAY),
        ("d", DAY),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let (mut rest, mut sum, mut units) = (text, 0_i64, UNITS.as_slice());
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let after = rest[digits..].find(|c: char| c.is_ascii_digit());
        let (unit, later) = rest[digits..].split_at(after.unwrap_or(rest.len() - digits));
        let index = units.iter().position(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.checked_mul(units[index].1)?)?;
        (rest, units) = (later, &units[index + 1..]);
    }
    if text.is_empty() {
        return None;
    }
    sum.checked_mul(1_000_000)
}

/// The text between quotes, and how long it is with them. Escapes are those of Go; between backquotes, there are none.
fn quoted(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next()?;
    let mut rest = &text[1..];
    // Bytes, because an escape can be a part of a character.
    let mut out = Vec::new();
    loop {
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        match c {
            _ if c == quote => return Some((String::from_utf8(out).ok()?, text.len() - rest.len())),
            '\n' if quote != '`' => return None,
            '\\' if quote != '`' => {
                let escape = rest.chars().next()?;
                // Of an octal number, this is the first digit.
                let (skipped, length, radix) = match escape {
                    'x' => (1, 2, 16),
                    'u' => (1, 4, 16),
                    'U' => (1, 8, 16),
                    '0'..='7' => (0, 3, 8),
                    _ => (escape.len_utf8(), 0, 10),
                };
                let digits = rest.get(skipped..skipped + length)?;
                rest = &rest[skipped + length..];
                let code = || match digits.contains('+') {
                    true => None,
                    false => u32::from_str_radix(digits, radix).ok(),
                };
                match escape {
                    'a' => out.push(7),
                    'b' => out.push(8),
                    'f' => out.push(12),
                    'n' => out.push(b'\n'),
                    'r' => out.push(b'\r'),
                    't' => out.push(b'\t'),
                    'v' => out.push(11),
                    '\\' => out.push(b'\\'),
                    _ if escape == quote => out.push(quote as u8),
                    'u' | 'U' => push(&mut out, char::from_u32(code()?)?),
                    _ => out.push(u8::try_from(code()?).ok()?),
                }
            }
            c => push(&mut out, c),
        }
    }
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexed(text: &str) -> Vec<Token> {
        let tokens = tokens(text).unwrap().into_iter();
        let mut tokens: Vec<_> = tokens.map(|(_, token)| token).collect();
        assert_eq!(tokens.pop(), Some(Token::End));
        tokens
    }

    #[test]
    fn numbers_and_durations_are_told_apart() {
        for (text, token) in [
            ("1", Token::Number(1.0)),
            (".5", Token::Number(0.5)),
            ("1e3", Token::Number(1000.0)),
            ("1e-3", Token::Number(0.001)),
            ("0x1F", Token::Number(31.0)),
            ("5m", Token::Duration(300_000_000_000)),
            ("1h30m", Token::Duration(5_400_000_000_000)),
            ("1s500ms", Token::Duration(1_500_000_000)),
        ] {
            assert_eq!(lexed(text), [token], "{text}");
        }
        assert_eq!(
            lexed("1-1"),
            [Token::Number(1.0), Token::Symbol("-"), Token::Number(1.0)]
        );
        for text in ["5q", "1m1h", "1m1m", "99999999999y", "1e", "0xg"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quoted_text_has_the_escapes_of_go() {
        for (text, meant) in [
            (r#""a\"b""#, "a\"b"),
            (r"'a\'b'", "a'b"),
            (r"`a\n`", r"a\n"),
            (r#""\n\t\\\x41\101\u00e9\U0001F600""#, "\n\t\\AAé😀"),
            (r#""\xc3\xa9""#, "é"),
        ] {
            assert_eq!(lexed(text), [Token::Text(meant.to_owned())], "{text}");
        }
        for text in [
            r#"""#,
            r#""\"#,
            r#""\q""#,
            r#""\u00""#,
            r#""\400""#,
            r#""\xff""#,
            r#""\x+1""#,
            "'a\nb'",
        ] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
