//! How an element tells the engine what went wrong and what can be done about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What the engine can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// The same may work later: a source is polled at its next tick, an output gets the same batch again.
    Retry,
    /// This input will never work, others will: an output goes on with the next batch, and this one counts as dropped.
    Skip,
    /// The input is too large: an output gets it in two halves; a single sample is dropped as one that will never work.
    Split,
    /// The element cannot go on as it is: it is reset and started again after a pause.
    Restart,
    /// The element has done all it had to do: a normal end.
    End,
}

/// Why an element could not do its work, with a [`Remedy`].
///
/// Any error converts to one that can be retried, so `?` never ends an element by accident. The methods of
/// [`OrFail`] choose another remedy:
///
/// ```
/// use alumet_core::failure::{Failure, OrFail, Remedy};
///
/// fn read() -> Result<String, Failure> {
///     let text = std::fs::read_to_string("/proc/stat")?;          // retry
///     let _number: u64 = "x".parse().or_skip()?;                  // skip
///     Ok(text)
/// }
/// assert_eq!(read().unwrap_err().remedy(), Remedy::Skip);
/// ```
pub struct Failure {
    remedy: Remedy,
    after: Option<Duration>,
    is_panic: bool,
    error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure with a given remedy.
    pub fn new(remedy: Remedy, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            remedy,
            after: None,
            is_panic: false,
            error: error.into(),
        }
    }

    /// The same may work later.
    pub fn retry(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Remedy::Retry, error)
    }

    /// The same may work after this pause: a server has asked for it.
    pub fn retry_after(pause: Duration, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            after: Some(pause),
            ..Self::retry(error)
        }
    }

    /// The input is too large for the destination; its halves may work.
    pub fn too_large(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Remedy::Split, error)
    }

    /// This input will never work.
    pub fn skip(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Remedy::Skip, error)
    }

    /// The element must be reset.
    pub fn restart(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Remedy::Restart, error)
    }

    /// The element panicked, and must be reset.
    pub(crate) fn panicked(text: &str) -> Self {
        Self {
            is_panic: true,
            ..Self::restart(format!("it panicked: {text}"))
        }
    }

    /// Whether it is a panic that was caught.
    pub(crate) const fn is_panic(&self) -> bool {
        self.is_panic
    }

    /// The normal end of an element, with the reason for the log.
    pub fn end(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Remedy::End, reason)
    }

    /// The pause that was asked for before the same is tried again.
    pub const fn after(&self) -> Option<Duration> {
        self.after
    }

    /// What can be done.
    pub const fn remedy(&self) -> Remedy {
        self.remedy
    }
}

/// The error and its sources: `cannot write: no space left on device`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut source = self.error.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?}, {self})", self.remedy)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// Chooses the remedy for the error of a result.
pub trait OrFail<T> {
    /// The input will never work: [`Remedy::Skip`].
    ///
    /// # Errors
    /// The error of the result.
    fn or_skip(self) -> Result<T, Failure>;

    /// The element must be reset: [`Remedy::Restart`].
    ///
    /// # Errors
    /// The error of the result.
    fn or_restart(self) -> Result<T, Failure>;

    /// The element has ended: [`Remedy::End`].
    ///
    /// # Errors
    /// The error of the result.
    fn or_end(self) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OrFail<T> for Result<T, E> {
    fn or_skip(self) -> Result<T, Failure> {
        self.map_err(Failure::skip)
    }

    fn or_restart(self) -> Result<T, Failure> {
        self.map_err(Failure::restart)
    }

    fn or_end(self) -> Result<T, Failure> {
        self.map_err(Failure::end)
    }
}

/// What another program says about an error, as one line for people, which it cannot make long.
pub fn words(text: impl AsRef<[u8]>) -> String {
    const LONGEST: usize = 400;
    let text = text.as_ref();
    let start = String::from_utf8_lossy(&text[..text.len().min(4 * LONGEST)]);
    let line = start
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write")]
    struct Write(#[source] Disk);

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct Disk(#[source] std::io::Error);

    #[test]
    fn a_failure_names_every_cause() {
        let cause = || Write(Disk(std::io::Error::other("no inode left")));
        let failure = Failure::from(cause());
        assert_eq!(
            failure.to_string(),
            "cannot write: the disk is full: no inode left"
        );
        assert_eq!(
            format!("{:?}", Failure::skip(cause())),
            "Failure(Skip, cannot write: the disk is full: no inode left)"
        );
    }

    #[test]
    fn a_page_becomes_one_short_line() {
        let page = format!("<html>\r\n\t<h1>no\u{1b}</h1>{}", "é".repeat(5000));
        let line = words(page);
        let is_cut = line.starts_with("<html> <h1>no </h1>é") && line.ends_with('…');
        assert!(is_cut, "{line}");
        assert_eq!(line.chars().count(), 401);
    }

    #[test]
    fn an_error_can_be_retried_unless_somebody_says_otherwise() {
        let error = || Err::<(), _>(std::io::Error::other("no"));
        let retry: Result<(), Failure> = error().map_err(Failure::from);
        for (result, remedy) in [
            (retry, Remedy::Retry),
            (error().or_skip(), Remedy::Skip),
            (error().or_restart(), Remedy::Restart),
            (error().or_end(), Remedy::End),
        ] {
            assert_eq!(result.unwrap_err().remedy(), remedy);
        }
        assert_eq!(Ok::<_, std::io::Error>(7).or_end().unwrap(), 7);
    }
}
