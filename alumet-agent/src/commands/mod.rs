//! The commands, one file each.

pub(crate) mod config;
pub(crate) mod ctl;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod generate;
mod measure;
pub(crate) mod plugins;
pub(crate) mod run;
pub(crate) mod watch;
