use crate::failure::Failure;

use super::{Delivering, Delivery, Output};

/// Takes everything and writes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullOutput;

impl Output for NullOutput {
    fn deliver(&mut self, _: &Delivery) -> Result<Delivering, Failure> {
        Ok(Delivering::done())
    }
}
