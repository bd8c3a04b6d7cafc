//! The statistics files of control groups: one pure parser each, in the kernel's own units.
//!
//! Formats: `Documentation/admin-guide/cgroup-v2.rst`, `admin-guide/cgroup-v1/`, `accounting/psi.rst`. A parser neither
//! allocates, once its value has been used, nor panics on any input; a file that was cut short never gives a wrong
//! number, because the kernel ends each line with a line feed.

pub mod blkio;
pub mod cpu_stat;
pub mod events;
pub mod io_stat;
pub mod memory_stat;
pub mod single;

pub use alumet_reader_kernel_file::pressure;
