//! What clients write after the `?`.

use std::time::Duration;

use alumet_core::Timestamp;
use alumet_shared_query::{Label, Matcher, Operator, QueryError, Range, Selector};
use serde::Serialize;
use utoipa::ToSchema;

use crate::matching::matcher;

use super::time::{duration, instant};

/// The parameters of one request, each to be taken once; what nobody takes is refused in the end.
pub(super) struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    now: Timestamp,
    /// What a node is called that has no name: this machine.
    host: String,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// Which part of a list this is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pagination {
    limit: usize,
    offset: usize,
    /// Whether there is more behind it.
    pub(super) has_next: bool,
}

impl Page {
    /// This part of all, and where it is.
    pub(super) fn of<T>(self, all: &[T]) -> (&[T], Pagination) {
        let start = self.offset.min(all.len());
        let end = start.saturating_add(self.limit).min(all.len());
        let pagination = Pagination {
            limit: self.limit,
            offset: self.offset,
            has_next: end < all.len(),
        };
        (&all[start..end], pagination)
    }
}

/// The parameters that are labels; each must be one of the texts that are given for it.
const LABELS: [&str; 7] = [
    "metric",
    "node",
    "resource_kind",
    "resource_id",
    "consumer_kind",
    "consumer_id",
    "quality",
];

/// How often `match` can be given: an expression may take a millisecond to understand.
const MOST_COMPARISONS: usize = 32;

/// How long ago `from` is if it is not given.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

impl Parameters {
    /// Of what stands behind the `?`.
    pub(super) fn new(query: &str, now: Timestamp, host: &str) -> Self {
        let given = form_urlencoded::parse(query.as_bytes());
        Self {
            given: given.into_owned().collect(),
            known: Vec::new(),
            now,
            host: host.to_owned(),
        }
    }

    /// The only value of a parameter.
    ///
    /// # Errors
    /// When there are several.
    pub(super) fn one(&mut self, name: &'static str) -> Result<Option<String>, QueryError> {
        let mut values = self.all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(QueryError::Invalid(format!("`{name}` is given more than once"))),
        }
    }

    /// The value of a parameter, as something else than text.
    ///
    /// # Errors
    /// When there are several, or it is not what `wanted` says.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, QueryError> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(QueryError::Invalid(format!(
                "`{name}` is {wanted}, and `{text}` is not"
            ))),
        }
    }

    /// All values of a parameter.
    fn all(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let given = self.given.extract_if(.., |(given, _)| given == name);
        given.map(|(_, value)| value).collect()
    }

    /// Which series are meant: by the labels that are parameters, and by `match`.
    ///
    /// # Errors
    /// When a comparison cannot be understood.
    pub(super) fn selector(&mut self) -> Result<Selector, QueryError> {
        let mut matchers = Vec::new();
        for name in LABELS {
            let mut values = self.all(name);
            if name == "node" && values.contains(&self.host) {
                values.push(String::new());
            }
            match &*values {
                [] => {}
                [value] => matchers.push(Matcher::equal(name, value)),
                several => {
                    let escaped: Vec<_> = several.iter().map(|value| regex::escape(value)).collect();
                    matchers.push(Matcher::new(name, Operator::Matches, &escaped.join("|"))?);
                }
            }
        }
        let comparisons = self.all("match");
        if comparisons.len() > MOST_COMPARISONS {
            let text = format!("`match` is given more than {MOST_COMPARISONS} times");
            return Err(QueryError::Invalid(text));
        }
        for text in comparisons {
            matchers.push(matcher(&text)?);
        }
        Ok(Selector { matchers })
    }

    /// `from` and `to`, also called `start_time` and `end_time`; without them, from `back` ago until now.
    ///
    /// # Errors
    /// When they are no times, or the first is not before the second.
    pub(super) fn range(&mut self, back: Duration) -> Result<Range, QueryError> {
        let (now, until) = (self.now, self.either("to", "end_time")?);
        let until = until.map_or(Ok(now), |text| instant(&text, now))?;
        let from = self.either("from", "start_time")?;
        let from = from.map_or(Ok(until.saturating_sub(back)), |text| instant(&text, now))?;
        if from >= until {
            let text = "the range is empty: `from` must be before `to`";
            return Err(QueryError::Invalid(text.to_owned()));
        }
        Ok(Range::new(from, until))
    }

    fn either(&mut self, name: &'static str, alias: &'static str) -> Result<Option<String>, QueryError> {
        match (self.one(name)?, self.one(alias)?) {
            (Some(_), Some(_)) => Err(QueryError::Invalid(format!(
                "`{alias}` is another name of `{name}`: give one of them"
            ))),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// `step`; 0 is the same as none.
    ///
    /// # Errors
    /// When it is no duration.
    pub(super) fn step(&mut self) -> Result<Option<Duration>, QueryError> {
        let step = self.one("step")?.map(|text| duration(&text)).transpose()?;
        Ok(step.filter(|step| !step.is_zero()))
    }

    /// `by`: labels, with commas between them; `None` if it is not given.
    pub(super) fn by(&mut self) -> Option<Vec<Label>> {
        let given = self.all("by");
        let names = given.iter().flat_map(|list| list.split(','));
        let names = names.map(str::trim).filter(|name| !name.is_empty());
        (!given.is_empty()).then(|| names.map(Label::from).collect())
    }

    /// `limit`, at most `most`, and `offset`.
    ///
    /// # Errors
    /// When they are no whole numbers.
    pub(super) fn page(&mut self, default: usize, most: usize) -> Result<Page, QueryError> {
        Ok(Page {
            limit: self.count("limit", default, most)?,
            offset: self.count("offset", 0, usize::MAX)?,
        })
    }

    /// A number from 0 to `most`; a larger one is taken for that.
    ///
    /// # Errors
    /// When it is no whole number.
    pub(super) fn count(
        &mut self,
        name: &'static str,
        default: usize,
        most: usize,
    ) -> Result<usize, QueryError> {
        let count = self.parsed(name, "a whole number from 0", |text| text.parse().ok())?;
        Ok(count.unwrap_or(default).min(most))
    }

    /// Everything that is wanted was taken.
    ///
    /// # Errors
    /// When there is more.
    pub(super) fn finish(&mut self) -> Result<(), QueryError> {
        let Some((name, _)) = self.given.pop() else {
            return Ok(());
        };
        Err(QueryError::Invalid(format!(
            "there is no parameter `{name}` here, but {}",
            self.known.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::new(query, Timestamp::from_nanos(7_200_000_000_000), "here")
    }

    fn matchers(query: &str) -> Vec<String> {
        let selector = parameters(query).selector().unwrap();
        let written = selector.matchers.iter();
        written
            .map(|one| format!("{} {:?} {}", one.label().name(), one.operator(), one.value()))
            .collect()
    }

    #[test]
    fn a_label_is_one_of_the_texts_that_are_given_for_it() {
        assert_eq!(
            matchers("metric=m&metric=a.b&quality=measured&match=rack%3D~r.*"),
            [
                r"metric Matches m|a\.b",
                "quality Equal measured",
                "rack Matches r.*",
            ]
        );
    }

    #[test]
    fn a_question_compares_only_so_much() {
        assert!(parameters(&"match=a=~b&".repeat(32)).selector().is_ok());
        let error = parameters(&"match=a=~b&".repeat(33)).selector().unwrap_err();
        assert_eq!(error.to_string(), "`match` is given more than 32 times");
    }

    #[test]
    fn the_name_of_this_machine_is_also_the_node_without_one() {
        assert_eq!(matchers("node=here"), ["node Matches here|"]);
        assert_eq!(matchers("node=there"), ["node Equal there"]);
    }

    #[test]
    fn a_range_is_the_last_hour_unless_it_is_given() {
        let range = |query| parameters(query).range(HOUR);
        let nanos = |from: i64, until: i64| Range {
            from: from * 1_000_000_000,
            until: until * 1_000_000_000,
        };
        assert_eq!(range(""), Ok(nanos(3600, 7200)));
        assert_eq!(range("to=5000"), Ok(nanos(1400, 5000)));
        assert_eq!(range("start_time=1&end_time=2"), Ok(nanos(1, 2)));
        for wrong in ["from=2&to=2", "from=1&start_time=1", "from=1&from=2", "from=x"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_nobody_takes_is_refused_with_what_there_is() {
        let mut parameters = parameters("limit=5&limt=6");
        assert_eq!(parameters.page(1, 3).unwrap(), Page { limit: 3, offset: 0 });
        let error = parameters.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no parameter `limt` here, but limit, offset"
        );
    }

    #[test]
    fn labels_to_group_by_stand_between_commas() {
        let by = |query| parameters(query).by().map(|by| by.len());
        assert_eq!(
            (by(""), by("by="), by("by=node,%20rack&by=a")),
            (None, Some(0), Some(3))
        );
    }

    proptest! {
        #[test]
        fn any_query_is_understood_or_refused(query in ".{0,80}") {
            let mut parameters = parameters(&query);
            let _ = (parameters.selector().is_ok(), parameters.range(HOUR).is_ok(), parameters.step().is_ok());
            let _ = (parameters.by(), parameters.page(1, 2).is_ok(), parameters.finish().is_ok());
        }
    }
}
