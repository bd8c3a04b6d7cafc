//! A table that cannot be opened at the start.

use alumet_core::Failure;
use alumet_core::catalog::Catalog;
use alumet_core::source::{Accumulator, Source};

use super::Opened;

/// The source of a table that is opened by the first poll that can, unless it is open already.
pub(crate) struct Late<S, Open> {
    pub(crate) source: Option<S>,
    pub(crate) open: Open,
}

impl<S, Open> Source for Late<S, Open>
where
    S: Source,
    Open: FnMut(&Catalog) -> Opened<S> + Send + 'static,
{
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        if self.source.is_none() {
            (self.source, _) = (self.open)(out.catalog())?;
        }
        self.source.as_mut().map_or(Ok(()), |source| source.poll(out))
    }

    fn reset(&mut self) {
        self.source.iter_mut().for_each(Source::reset);
    }
}
