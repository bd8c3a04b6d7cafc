//! What a server says about lines that it refuses.

use alumet_core::Failure;
use alumet_core::output::Receipt;
use alumet_shared_http_delivery::Answer;
use hashbrown::HashMap;
use serde::Deserialize;

use crate::text::push_measurement;

/// Which lines of a request are refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Their numbers, from 0 on, and why.
    lines: Vec<(usize, String)>,
    /// The lines that the server has not written only because of these.
    again: Vec<usize>,
}

/// The body of an answer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    /// Versions 1 and 3.
    error: String,
    /// Version 2.
    message: String,
    /// Version 3.
    data: Option<Vec<RefusedLine>>,
}

#[derive(Deserialize)]
struct RefusedLine {
    line_number: usize,
    error_message: String,
}

impl Refused {
    /// The statuses of answers that say something about lines.
    pub(crate) const STATUSES: [u16; 2] = [400, 422];

    /// Adds it to the receipt of those samples that have no line.
    pub(crate) fn tell(self, receipt: &mut Receipt) {
        let position = receipt.position_of_kept();
        for (line, reason) in self.lines {
            receipt.reject(position(line), reason);
        }
        for line in self.again {
            receipt.again(position(line));
        }
    }
}

/// What has become of the lines of a request.
///
/// # Errors
/// When the answer does not tell: then parts of it come again, down to the lines that are refused alone. What a server has
/// written before, it has then once, because a line has the same tags and time each time.
pub(crate) fn verdict(answer: &Answer, text: &[u8]) -> Result<Refused, Failure> {
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = [body.error, body.message].concat();
    let lines: Vec<&[u8]> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let mut refused = match body.data {
        Some(data) if !data.is_empty() => data
            .into_iter()
            .map(|line| (line.line_number.wrapping_sub(1), line.error_message))
            .collect(),
        _ => unparsed(&said, &lines),
    };
    // "partial write" is what every version calls it when the others are written.
    let is_partial = said.contains("partial write");
    if refused.is_empty() && is_partial {
        refused = dropped(&said, &lines);
    }
    refused.retain(|(line, _)| *line < lines.len());
    if refused.is_empty() {
        let said = format!("the server answers {}: {}", answer.status, answer.words());
        return Err(Failure::too_large(said));
    }
    refused.sort_unstable();
    refused.dedup_by_key(|(line, _)| *line);
    let again = match is_partial {
        true => Vec::new(),
        false => (0..lines.len())
            .filter(|line| refused.binary_search_by_key(line, |(line, _)| *line).is_err())
            .collect(),
    };
    Ok(Refused {
        lines: refused,
        again,
    })
}

/// Versions 1 and 2 quote what they cannot parse: `unable to parse 'LINE': REASON`.
fn unparsed(said: &str, lines: &[&[u8]]) -> Vec<(usize, String)> {
    const QUOTE: &str = "unable to parse '";
    let numbers: HashMap<&[u8], usize> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| (*line, number))
        .collect();
    let mut found = Vec::new();
    for (at, _) in said.match_indices(QUOTE) {
        let quoted = &said[at + QUOTE.len()..];
        // The line itself may hold what seems to end it.
        for (end, mark) in quoted.match_indices("': ").take(8) {
            if let Some(number) = numbers.get(&quoted.as_bytes()[..end]) {
                let reason = &quoted[end + mark.len()..];
                let reason = reason.find(QUOTE).map_or(reason, |next| &reason[..next]);
                let reason = reason.split(" dropped=").next().unwrap_or(reason);
                found.push((*number, reason.trim().to_owned()));
                break;
            }
        }
    }
    found
}

/// Versions 1 and 2 count what they drop, and name a measurement at most: `… on measurement "M" … dropped=N`. It is known which
/// lines these are if the measurement, or the request, has just so many.
fn dropped(said: &str, lines: &[&[u8]]) -> Vec<(usize, String)> {
    let Some((reason, count)) = said.rsplit_once(" dropped=") else {
        return Vec::new();
    };
    let reason = reason
        .rsplit_once("partial write: ")
        .map_or(reason, |(_, reason)| reason);
    let count = count.trim().parse().unwrap_or(0);
    let named = reason
        .split_once(" on measurement \"")
        .and_then(|(_, rest)| rest.split_once("\" is type "));
    let is_of_it = |line: &[u8]| match named {
        None => true,
        Some((measurement, _)) => {
            let mut head = String::new();
            push_measurement(&mut head, measurement);
            let after = line.strip_prefix(head.as_bytes());
            after.is_some_and(|after| after.starts_with(b",") || after.starts_with(b" "))
        }
    };
    let those: Vec<usize> = (0..lines.len())
        .filter(|number| is_of_it(lines[*number]))
        .collect();
    if those.len() != count {
        return Vec::new();
    }
    those
        .into_iter()
        .map(|number| (number, reason.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use alumet_core::failure::Remedy;
    use alumet_shared_http_delivery::StatusCode;

    use super::*;

    const TEXT: &str = "a,t=1 value=1 1\nb value=2 2\nc,t='x': value=3,s=\"y\" 3\na,t=2 value=4 4\n";

    fn of(body: &str) -> Result<Refused, Failure> {
        let answer = Answer {
            status: StatusCode::BAD_REQUEST,
            headers: Default::default(),
            body: body.to_owned().into(),
        };
        verdict(&answer, TEXT.as_bytes())
    }

    fn refused(lines: &[(usize, &str)], again: &[usize]) -> Refused {
        Refused {
            lines: lines
                .iter()
                .map(|(line, why)| (*line, (*why).to_owned()))
                .collect(),
            again: again.to_vec(),
        }
    }

    #[test]
    fn version_1_quotes_what_it_cannot_parse_and_has_written_the_rest() {
        let body = r#"{"error":"partial write: unable to parse 'b value=2 2': bad value\nunable to parse 'c,t='x': value=3,s=\"y\" 3': worse dropped=0"}"#;
        assert_eq!(of(body).unwrap(), refused(&[(1, "bad value"), (2, "worse")], &[]));
    }

    #[test]
    fn version_2_writes_nothing_if_it_cannot_parse_a_line() {
        let body = r#"{"code":"invalid","message":"unable to parse 'b value=2 2': bad value"}"#;
        assert_eq!(of(body).unwrap(), refused(&[(1, "bad value")], &[0, 2, 3]));
    }

    #[test]
    fn version_3_counts_lines() {
        let body = r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"b","line_number":2,"error_message":"bad"},{"original_line":"?","line_number":99,"error_message":"bad"}]}"#;
        assert_eq!(of(body).unwrap(), refused(&[(1, "bad")], &[]));
    }

    #[test]
    fn a_conflict_of_types_is_that_of_all_lines_of_the_measurement_if_so_many_are_dropped() {
        let conflict = |count| {
            format!(
                r#"{{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \"value\" on measurement \"a\" is type float, already exists as type integer dropped={count}"}}"#
            )
        };
        let why = "field type conflict: input field \"value\" on measurement \"a\" is type float, already exists as type integer";
        assert_eq!(of(&conflict(2)).unwrap(), refused(&[(0, why), (3, why)], &[]));
        assert_eq!(of(&conflict(1)).unwrap_err().remedy(), Remedy::Split);
        let all = r#"{"error":"partial write: points beyond retention policy dropped=4"}"#;
        assert_eq!(of(all).unwrap().lines.len(), 4);
    }

    #[test]
    fn whatever_else_is_said_parts_of_the_request_come_again() {
        for body in [
            "",
            "no",
            "{}",
            r#"{"error":"unable to parse 'z': no"}"#,
            r#"{"data":[]}"#,
            "[1]",
        ] {
            assert_eq!(of(body).unwrap_err().remedy(), Remedy::Split, "{body}");
        }
    }
}
