//! The models: numbers in, numbers out.

pub(crate) mod counters;
pub(crate) mod idle;
pub(crate) mod share;
