//! The joules of a range, each once, by labels.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use alumet_core::metric::Quality;
use alumet_shared_query::{
    Backend, Budget, Identity, Label, Matcher, Operator, QueryError, Range, Selector, SeriesEntry, Steps,
};

use crate::v1::labels::{By, undisputed};

use super::consumers::node;
use super::joules::{Joules, measure, worse};
use super::{consumers, meters};

/// Who has used how much.
pub(super) struct Account {
    /// In the order of their labels; no joule is in two of them.
    pub(super) rows: Vec<Row>,
    /// All joules.
    pub(super) joules: f64,
}

/// The joules of a group of series.
pub(super) struct Row {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) joules: f64,
    pub(super) quality: Quality,
    /// The metrics that tell them.
    pub(super) metrics: BTreeSet<String>,
    /// When intervals begin, in nanoseconds since 1970, with their joules.
    pub(super) points: BTreeMap<i64, f64>,
}

/// The energy that is asked for.
pub(super) struct Question<'a> {
    pub(super) selector: &'a Selector,
    pub(super) steps: Steps,
    pub(super) by: &'a By,
    /// What the node without a name is called.
    pub(super) host: &'a str,
    pub(super) backend: &'a dyn Backend,
    pub(super) budget: &'a Budget,
}

/// The series that count.
struct Chosen {
    series: HashSet<Arc<Identity>>,
    /// Of all series with the same number, only the largest counts.
    one_of: HashMap<Arc<Identity>, usize>,
}

impl Question<'_> {
    /// Adds it up.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub(super) async fn answer(&self) -> Result<Account, QueryError> {
        self.budget.admit_points(self.steps.count)?;
        let chosen = self.choose().await?;
        let mut all = measure(
            &chosen.series,
            self.selector,
            self.steps,
            self.backend,
            self.budget,
        )
        .await?;
        leave_the_largest(&mut all, &chosen.one_of);
        consumers::leave_to_each_its_own(&mut all);
        let rows = self.rows(all);
        self.budget
            .admit_points(rows.iter().map(|row| row.points.len() as u64).sum())?;
        Ok(Account {
            joules: rows.iter().fold(0.0, |sum, row| sum + row.joules),
            rows,
        })
    }

    /// On each node the meters of the machine, unless the question is about something that only consumers have; where there is
    /// nothing of one sort, the other.
    async fn choose(&self) -> Result<Chosen, QueryError> {
        let mut machines = meters::choose(&self.meters().await?, self.range());
        let has = |series: &Identity, label: &Label| series.label(label).is_some_and(|text| !text.is_empty());
        let is_of_machines = |label: &&Label| machines.iter().any(|counted| has(&counted.series, label));
        let by = self.by.labels.iter();
        let only_consumers: Vec<_> = by
            .filter(|label| **label == Label::ConsumerKind || !is_of_machines(label))
            .collect();
        let metered: BTreeSet<_> = machines.iter().map(|counted| node(&counted.series)).collect();
        let mut found = Vec::new();
        if !only_consumers.is_empty() {
            found = consumers::choose(&self.consumers(&BTreeSet::new()).await?);
        } else if metered.is_empty() || not_on(&metered).is_some() {
            found = consumers::choose(&self.consumers(&metered).await?);
        }
        if found
            .iter()
            .any(|series| only_consumers.iter().any(|label| has(series, label)))
        {
            let attributed = found.iter().map(|series| consumers::place_of(series)).collect();
            machines.retain(|counted| counted.has_nothing_of(&attributed));
        } else {
            found.retain(|series| !metered.contains(&node(series)));
        }
        let alternatives = machines.iter();
        let alternatives = alternatives.filter_map(|one| Some((Arc::clone(&one.series), one.one_of?)));
        Ok(Chosen {
            one_of: alternatives.collect(),
            series: machines
                .into_iter()
                .map(|counted| counted.series)
                .chain(found)
                .collect(),
        })
    }

    /// Series of machines that may tell energy.
    async fn meters(&self) -> Result<Vec<SeriesEntry>, QueryError> {
        let known = format!("({})(_sum|_mean)?", meters::names().join("|"));
        let listed = [Matcher::new(Label::Metric, Operator::Matches, &known)?];
        let others = [
            Matcher::new(Label::Metric, Operator::NotMatches, &known)?,
            Matcher::new(Label::Unit, Operator::Matches, JOULES)?,
            Matcher::equal(Label::ConsumerKind, "local_machine"),
        ];
        let mut found = self.series(listed).await?;
        found.extend(self.series(others).await?);
        Ok(found)
    }

    /// Series that tell whose energy it was, on all nodes but these. Processes can be many, and are asked for only where nobody
    /// else is told of.
    async fn consumers(&self, besides: &BTreeSet<String>) -> Result<Vec<SeriesEntry>, QueryError> {
        let joules = Matcher::new(Label::Unit, Operator::Matches, JOULES)?;
        let groups = Matcher::new(Label::ConsumerKind, Operator::NotEqual, "process")?;
        let mut found = self
            .series([joules.clone(), groups].into_iter().chain(not_on(besides)))
            .await?;
        for is_gpu in [false, true] {
            let operator = if is_gpu {
                Operator::Matches
            } else {
                Operator::NotMatches
            };
            let matchers = [
                joules.clone(),
                Matcher::equal(Label::ConsumerKind, "process"),
                Matcher::new(Label::ResourceKind, operator, "gpu.*")?,
            ];
            let mut besides = besides.clone();
            besides.extend(consumers::nodes_with_groups(&found, is_gpu));
            found.extend(self.series(matchers.into_iter().chain(not_on(&besides))).await?);
        }
        Ok(found)
    }

    async fn series(&self, more: impl IntoIterator<Item = Matcher>) -> Result<Vec<SeriesEntry>, QueryError> {
        let mut selector = self.selector.clone();
        selector.matchers.extend(more);
        let found = self.backend.series(&selector, self.range(), self.budget).await?;
        self.budget.admit_series(found.len() as u64)?;
        Ok(found)
    }

    fn range(&self) -> Range {
        Range {
            from: self.steps.start,
            until: self.steps.end(),
        }
    }

    fn rows(&self, all: Vec<Joules>) -> Vec<Row> {
        let mut groups: BTreeMap<BTreeMap<String, String>, Vec<Joules>> = BTreeMap::new();
        for joules in all {
            let mut labels = self.by.of(&joules.series, self.host);
            // What nobody used is never in the row of somebody.
            if let Some(part) = joules.series.label(&"part".into()) {
                labels.insert("part".to_owned(), part.into_owned());
            }
            groups.entry(labels).or_default().push(joules);
        }
        let rows = groups.into_iter().map(|(mut labels, group)| {
            if self.by.whole {
                for (name, text) in undisputed(group.iter().map(|joules| &*joules.series)) {
                    labels.entry(name).or_insert(text);
                }
            }
            Row::of(labels, &group)
        });
        rows.collect()
    }
}

/// Of units of energy.
const JOULES: &str = ".*J";
/// The node is none of these, if they can be named in one comparison.
fn not_on(nodes: &BTreeSet<String>) -> Option<Matcher> {
    let escaped: Vec<_> = nodes.iter().map(|node| regex::escape(node)).collect();
    let matcher = Matcher::new("node", Operator::NotMatches, &escaped.join("|"));
    matcher.ok().filter(|_| !nodes.is_empty())
}

impl Row {
    fn of(labels: BTreeMap<String, String>, group: &[Joules]) -> Self {
        let mut row = Self {
            labels,
            joules: 0.0,
            quality: Quality::Measured,
            metrics: BTreeSet::new(),
            points: BTreeMap::new(),
        };
        for joules in group {
            row.joules += joules.sum();
            row.quality = worse(row.quality, joules.quality);
            row.metrics.insert(joules.series.metric.name.to_string());
            for (at, value) in &joules.points {
                *row.points.entry(*at).or_default() += value;
            }
        }
        row
    }
}

/// Drops of each set of alternatives all but the largest.
fn leave_the_largest(all: &mut Vec<Joules>, one_of: &HashMap<Arc<Identity>, usize>) {
    let mut largest: HashMap<usize, (f64, Arc<Identity>)> = HashMap::new();
    for joules in &*all {
        if let Some(number) = one_of.get(&joules.series) {
            let sum = joules.sum();
            let known = largest
                .entry(*number)
                .or_insert((sum, Arc::clone(&joules.series)));
            if sum > known.0 {
                *known = (sum, Arc::clone(&joules.series));
            }
        }
    }
    all.retain(|joules| {
        let number = one_of.get(&joules.series);
        number.is_none_or(|number| largest[number].1 == joules.series)
    });
}
