use std::time::Duration;

use alumet_core::Failure;
use alumet_core::failure::words;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};

/// What a server has answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status: of the 2xx, or one that the request accepts.
    pub status: StatusCode,
    /// Its headers, and what HTTP/2 has sent as such after the body.
    pub headers: HeaderMap,
    /// What it holds, decompressed.
    pub body: Bytes,
}

/// A server that asks for more has made a mistake, or people are mending it meanwhile.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

impl Answer {
    /// What it holds, as one short line for people.
    pub fn words(&self) -> String {
        words(&self.body)
    }

    /// What the status means: the answer itself if all is well, or what is to be done about it. `server` is named then.
    /// A page says nothing about samples, whatever its status.
    pub(crate) fn judge(self, server: &str, is_page: bool) -> Result<Self, Failure> {
        let status = self.status;
        if status.is_success() && !is_page {
            return Ok(self);
        }
        let said = match self.words() {
            words if words.is_empty() => format!("{server} answers {status}"),
            words => format!("{server} answers {status}: {words}"),
        };
        Err(match status.as_u16() {
            300..=399 => {
                let to = self.headers.get(LOCATION).and_then(|to| to.to_str().ok());
                // What follows the path may be secret.
                let to = to.and_then(|to| to.split(['?', '#']).next()).unwrap_or("nowhere");
                Failure::retry(format!(
                    "{server} answers {status} and points to {to}, which is not followed because credentials would go along; \
                     write that address into the configuration"
                ))
            }
            401 | 403 => Failure::retry(format!(
                "{said}; check `token`, `token_file`, `user` and `password_file`, and what they are allowed there"
            )),
            404 | 405 | 501 => Failure::retry(format!("{said}; check the address and what listens there")),
            415 => Failure::retry(format!("{said}; perhaps it does not know this `compression`")),
            413 => Failure::too_large(said),
            408 | 425 | 429 | 500.. => match retry_after(&self.headers) {
                Some(pause) => Failure::retry_after(pause, said),
                None => Failure::retry(said),
            },
            _ if is_page => Failure::retry(format!("{said}; check the address and what listens there")),
            _ => Failure::skip(said),
        })
    }
}

/// Whether an answer with these headers is a page for people.
pub(crate) fn is_page(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"))
}

/// How long the server wants to be left alone (RFC 9110, section 10.2.3); a date counts on its own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(RETRY_AFTER)?;
    let pause = match after.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let (then, now) = (
                httpdate::parse_http_date(after),
                httpdate::parse_http_date(text(DATE)?),
            );
            // A date that has passed is now.
            then.ok()?.duration_since(now.ok()?).unwrap_or_default()
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use alumet_core::failure::Remedy;
    use reqwest::header::HeaderValue;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn each_status_says_what_is_to_be_done_in_the_words_of_the_server() {
        for (status, remedy) in [
            (301, Remedy::Retry),
            (400, Remedy::Skip),
            (401, Remedy::Retry),
            (403, Remedy::Retry),
            (404, Remedy::Retry),
            (408, Remedy::Retry),
            (409, Remedy::Skip),
            (415, Remedy::Retry),
            (422, Remedy::Skip),
            (429, Remedy::Retry),
            (500, Remedy::Retry),
            (503, Remedy::Retry),
        ] {
            let failure = answer(status, "partial\nwrite").judge("s:1", false).unwrap_err();
            assert_eq!(failure.remedy(), remedy, "{status}");
            let text = failure.to_string();
            assert!(text.starts_with(&format!("s:1 answers {status}")), "{text}");
            assert!(status == 301 || text.contains(": partial write"), "{text}");
        }
        assert!(answer(204, "").judge("s:1", false).is_ok());
    }

    #[test]
    fn a_pause_is_a_number_of_seconds_or_a_date_and_never_too_long() {
        let now = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        for (text, seconds) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:57 GMT", Some(20)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("999999999", Some(600)),
            ("-1", None),
            ("soon", None),
        ] {
            let after = HeaderValue::from_static(text);
            let headers = HeaderMap::from_iter([(RETRY_AFTER, after), (DATE, now.clone())]);
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
