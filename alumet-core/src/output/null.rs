use crate::batch::Batch;
use crate::failure::Failure;

use super::{Output, OutputContext};

/// Takes everything and writes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullOutput;

impl Output for NullOutput {
    fn write(&mut self, _: &Batch, _: &OutputContext<'_>) -> Result<(), Failure> {
        Ok(())
    }
}
