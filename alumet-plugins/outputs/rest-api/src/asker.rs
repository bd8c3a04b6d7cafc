//! Who asks.

use std::sync::Arc;

use alumet_shared_query::{Backend, Budget};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::error::ApiError;
use crate::scoped::{Scope, Scoped};
use crate::state::Api;

/// Who asks, as a handler takes it: what they may see of the series, and how much the answer may need.
pub(crate) struct Asker {
    backend: Arc<dyn Backend>,
    scope: Scope,
    budget: Budget,
}

impl Asker {
    /// The series that they may see, and no others.
    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// The same, for what asks in its own way.
    pub(crate) fn shared_backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// Which series these are.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What is left for the answer.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl FromRequestParts<Api> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        // Put there by whoever has looked at the token; without it, nothing is shown.
        let scope = parts
            .extensions
            .get::<Scope>()
            .cloned()
            .ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "nobody has looked at who asks"))?;
        Ok(Self {
            backend: Arc::new(Scoped::new(api.whole_backend()?, scope.clone())),
            scope,
            budget: parts
                .extensions
                .get::<Budget>()
                .cloned()
                .unwrap_or_else(|| api.budget()),
        })
    }
}
