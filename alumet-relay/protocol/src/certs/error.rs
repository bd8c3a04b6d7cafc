use std::error::Error;

/// Why certificates cannot be made: a sentence, and what is behind it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct CertsError {
    text: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl CertsError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, source: None }
    }

    pub(super) fn because(text: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            text: text.into(),
            source: Some(Box::new(source)),
        }
    }
}
