//! A request as the handlers here take it.

use alumet_core::Timestamp;
use alumet_shared_query::{Backend, Budget};
use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::state::Api;

use super::format::Format;
use super::parameters::Parameters;

/// Who asks, with which parameters, for which format.
pub(super) struct Asked {
    pub(super) api: Api,
    pub(super) asker: Asker,
    pub(super) parameters: Parameters,
    pub(super) format: Format,
    pub(super) now: Timestamp,
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
