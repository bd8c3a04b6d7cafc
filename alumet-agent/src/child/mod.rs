//! Processes that are measured: started by us, or found running.

mod explain;
mod inherited;
mod running;
mod signals;
mod watched;

pub(crate) use explain::find;
pub(crate) use inherited::Inherited;
pub(crate) use running::{End, Running};
pub(crate) use signals::passed_on;
pub(crate) use watched::Watched;
