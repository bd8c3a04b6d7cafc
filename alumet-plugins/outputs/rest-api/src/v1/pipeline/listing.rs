//! Parts of lists, as GPU telemetry pipelines ask for them.

use axum::http::header::HeaderValue;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::layers::LIMIT_CLAMPED;
use crate::v1::parameters::{Page, Pagination, Parameters};

/// How many are listed if nothing else is asked for.
const DEFAULT: usize = 100;
/// How many are listed at most.
const MOST: usize = 1000;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) limit: usize,
    pub(super) offset: usize,
    is_clamped: bool,
}

impl Listing {
    /// `limit` and `offset`. A limit that is not from 1 to 1000 is taken for 100, and an offset below 0 for 0.
    ///
    /// # Errors
    /// When they are no whole numbers.
    pub(super) fn of(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let limit = number("limit", parameters)?;
        let wanted = limit.map(|limit| usize::try_from(limit).unwrap_or_default());
        let taken = wanted.filter(|limit| (1..=MOST).contains(limit));
        let offset = number("offset", parameters)?.unwrap_or_default();
        Ok(Self {
            limit: taken.unwrap_or(DEFAULT),
            offset: usize::try_from(offset).unwrap_or_default(),
            is_clamped: wanted.is_some() && taken.is_none(),
        })
    }

    /// This part, and where it is.
    pub(super) fn part<'a, T>(&self, all: &'a [T]) -> (&'a [T], Pagination) {
        let page = Page {
            limit: self.limit,
            offset: self.offset,
        };
        page.of(all)
    }

    /// The answer; it says if the limit was taken for another one.
    pub(super) fn said(&self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        if self.is_clamped {
            let limit = HeaderValue::from(self.limit);
            response.headers_mut().insert(LIMIT_CLAMPED, limit);
        }
        response
    }
}

/// A whole number; what no number of 64 bits can hold is the nearest that one can.
fn number(name: &'static str, parameters: &mut Parameters) -> Result<Option<i64>, ApiError> {
    let Some(text) = parameters.one(name)? else {
        return Ok(None);
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::bad_request(format!(
            "`{name}` is a whole number, and `{text}` is not"
        )));
    }
    Ok(Some(sign * digits.parse().unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use alumet_core::Timestamp;

    use super::*;

    fn of(query: &str) -> Result<Listing, ApiError> {
        Listing::of(&mut Parameters::new(query, Timestamp::from_nanos(0), "here"))
    }

    #[test]
    fn limits_that_cannot_be_are_taken_for_the_default_and_it_is_said() {
        for (query, limit, offset, is_clamped) in [
            ("", 100, 0, false),
            ("limit=7&offset=3", 7, 3, false),
            ("limit=1000", 1000, 0, false),
            ("limit=1001", 100, 0, true),
            ("limit=0&offset=-5", 100, 0, true),
            ("limit=-1", 100, 0, true),
            ("limit=99999999999999999999", 100, 0, true),
            ("limit=-99999999999999999999", 100, 0, true),
        ] {
            let listing = of(query).unwrap();
            let wanted = Listing {
                limit,
                offset,
                is_clamped,
            };
            assert_eq!(listing, wanted, "{query}");
        }
        for wrong in ["limit=x", "limit=", "limit=1.5", "offset=-", "limit=1&limit=2"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parts_follow_each_other_without_gap_or_overlap() {
        let all: Vec<u32> = (0..25).collect();
        let mut seen = Vec::new();
        for offset in (0..50).step_by(10) {
            let (part, pagination) = of(&format!("limit=10&offset={offset}")).unwrap().part(&all);
            seen.extend_from_slice(part);
            assert_eq!(pagination.has_next, offset + 10 < 25);
        }
        assert_eq!(seen, all);
    }
}
