//! What of a store somebody may see.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use alumet_core::async_trait;
use alumet_shared_query::{
    Backend, BackendStatus, Budget, Identity, Matcher, QueryError, Range, Selector, SeriesBuckets,
    SeriesEntry, SeriesSamples, Steps,
};

use axum::http::StatusCode;

use crate::error::ApiError;

/// The series that somebody may see.
#[derive(Debug, Clone)]
pub(crate) struct Scope(Arc<[Matcher]>);

impl Scope {
    /// The series for which all these are right; all series, if there is none.
    pub(crate) fn new(matchers: impl Into<Arc<[Matcher]>>) -> Self {
        Self(matchers.into())
    }

    /// Whether it leaves something out.
    pub(crate) fn is_limited(&self) -> bool {
        !self.0.is_empty()
    }

    /// Refuses those who may see only some series what is about all.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn need_everything(&self) -> Result<(), ApiError> {
        match self.is_limited() {
            true => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "the token is for some series only, and this is about all; ask with a token that has no limits",
            )),
            false => Ok(()),
        }
    }

    /// Whether this series may be seen.
    pub(crate) fn has(&self, series: &Identity) -> bool {
        self.0.iter().all(|matcher| matcher.is_right(series))
    }
}

/// Two are the same if they compare the same.
impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for matcher in self.0.iter() {
            (matcher.label(), matcher.operator() as u8, matcher.value()).hash(state);
        }
    }
}

/// A backend that answers about nothing else.
pub(crate) struct Scoped {
    backend: Arc<dyn Backend>,
    scope: Scope,
}

impl Scoped {
    pub(crate) fn new(backend: Arc<dyn Backend>, scope: Scope) -> Self {
        Self { backend, scope }
    }

    fn narrowed(&self, selector: &Selector) -> Selector {
        let mut selector = selector.clone();
        selector.matchers.extend_from_slice(&self.scope.0);
        selector
    }
}

#[async_trait]
impl Backend for Scoped {
    async fn series(
        &self,
        selector: &Selector,
        range: Range,
        budget: &Budget,
    ) -> Result<Vec<SeriesEntry>, QueryError> {
        let selector = self.narrowed(selector);
        self.backend.series(&selector, range, budget).await
    }

    async fn samples(
        &self,
        selector: &Selector,
        range: Range,
        newest: Option<usize>,
        budget: &Budget,
    ) -> Result<Vec<SeriesSamples>, QueryError> {
        let selector = self.narrowed(selector);
        self.backend.samples(&selector, range, newest, budget).await
    }

    async fn buckets(
        &self,
        selector: &Selector,
        steps: Steps,
        budget: &Budget,
    ) -> Result<Vec<SeriesBuckets>, QueryError> {
        let selector = self.narrowed(selector);
        self.backend.buckets(&selector, steps, budget).await
    }

    /// How much there is of others is nobody's business who may not see them.
    async fn status(&self) -> BackendStatus {
        match self.scope.is_limited() {
            true => BackendStatus::default(),
            false => self.backend.status().await,
        }
    }

    fn generation(&self) -> Option<u64> {
        self.backend.generation()
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::{Metric, MetricKind, Quality};
    use alumet_core::unit::Unit;
    use alumet_core::value::ValueType;
    use alumet_core::{Attributes, Consumer, Resource, Timestamp};
    use alumet_shared_query::Limits;
    use alumet_shared_query::testkit::Listed;

    use super::*;

    #[tokio::test]
    async fn every_question_is_about_the_scope_only() {
        let list = Listed::default();
        for namespace in ["a", "b"] {
            let metric = Metric {
                name: "m".into(),
                kind: MetricKind::Gauge,
                value_type: ValueType::F64,
                unit: Unit::ONE,
                description: "".into(),
                quality: Quality::Measured,
            };
            let series = Identity {
                metric: Arc::new(metric),
                resource: Resource::LocalMachine,
                consumer: Consumer::LocalMachine,
                attributes: Attributes::EMPTY.with("namespace", namespace),
            };
            list.push(&series, Timestamp::from_nanos(1), 1.0);
        }
        let scope = Scope::new([Matcher::equal("namespace", "a")]);
        let scoped = Scoped::new(Arc::new(list), scope.clone());
        let (everything, budget) = (Selector::default(), Budget::new(Limits::default()));
        let steps = Steps {
            start: 0,
            step: 10,
            count: 1,
        };
        let series = scoped.series(&everything, Range::ALL, &budget).await.unwrap();
        let samples = scoped
            .samples(&everything, Range::ALL, None, &budget)
            .await
            .unwrap();
        let buckets = scoped.buckets(&everything, steps, &budget).await.unwrap();
        assert_eq!((series.len(), samples.len(), buckets.len()), (1, 1, 1));
        let seen = [&series[0].series, &samples[0].series, &buckets[0].series];
        assert!(seen.into_iter().all(|series| scope.has(series)));
        let other = Selector::default().with("namespace", "b");
        assert!(
            scoped
                .series(&other, Range::ALL, &budget)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(scoped.status().await, BackendStatus::default());
    }
}
