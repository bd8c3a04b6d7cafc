//! The management controller: what is asked of it, and what it shows. Knows no metric.

mod bmc;
mod discovery;
mod reading;

pub(crate) use bmc::{Bmc, Got, ROOT};
pub(crate) use discovery::{Resource, discover};
pub(crate) use reading::{Quantity, Reading, Shown, age, shown};
