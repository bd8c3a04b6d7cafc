//! A request as the handlers here take it.

use alumet_core::Timestamp;
use alumet_shared_query::{Backend, Budget};
use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::state::Api;

use super::format::{Format, Table};
use super::parameters::Parameters;

/// Who asks, with which parameters, for which format.
pub(super) struct Asked {
    pub(super) api: Api,
    pub(super) asker: Asker,
    pub(super) parameters: Parameters,
    pub(super) format: Format,
    pub(super) now: Timestamp,
}

/// A body, and what it lacks.
#[derive(Serialize, ToSchema)]
pub(super) struct Answered<B> {
    #[serde(flatten)]
    body: B,
    /// What the answer lacks, for people, because not all who have the series can be asked now; also in the header `X-Missing`.
    /// Absent if it is complete.
    #[schema(example = json!(["the collector at http://10.0.0.7:8081 does not answer: there was no answer in time"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

impl Asked {
    /// What the node without a name is called: the name of this machine.
    pub(super) fn host(&self) -> &str {
        self.api.host()
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        self.asker.backend()
    }

    pub(super) fn budget(&self) -> &Budget {
        self.asker.budget()
    }

    /// The answer: `body` as JSON, with what it lacks, or `table` in another format.
    ///
    /// # Errors
    /// As [`Format::answer`].
    pub(super) fn answer(
        &self,
        body: &impl Serialize,
        table: impl FnOnce() -> Table,
    ) -> Result<Response, ApiError> {
        match self.budget().missing() {
            missing if missing.is_empty() => self.format.answer(body, table),
            missing => self.format.answer(&Answered { body, missing }, table),
        }
    }
}

impl FromRequestParts<Api> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let asker = Asker::from_request_parts(parts, api).await?;
        let Ok(RawQuery(query)) = RawQuery::from_request_parts(parts, api).await;
        let now = api.now();
        let mut parameters = Parameters::new(query.as_deref().unwrap_or_default(), now, api.host());
        let format = parameters.one("format")?;
        Ok(Self {
            format: Format::of(format.as_deref(), &parts.headers)?,
            api: api.clone(),
            asker,
            parameters,
            now,
        })
    }
}
