//! Whose control group is this: what schedulers and runtimes write into the names of the groups that they make.
//!
//! Each module reads the layouts of one of them. It knows names only and asks nobody, so that an answer takes less than a
//! microsecond.

pub mod container;
pub mod machine;
pub mod oar;
pub mod pod;
pub mod slurm;
