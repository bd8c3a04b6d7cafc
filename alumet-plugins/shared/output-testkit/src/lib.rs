//! What the tests of outputs share: samples of every sort, a dump of DCGM, real servers, broken networks, and a pipeline that
//! counts.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a helper of a test fails the test"
)]

mod cluster;
mod counting;
mod dcgm;
mod kill;
mod nats;
mod network;
mod program;
mod servers;
mod sorts;

pub use cluster::Cluster;
pub use counting::{LONG, account, are_all, break_in_every_way, delivered, finish, has_said, run, until};
pub use dcgm::dcgm_dump;
pub use kill::{Destination, lose_and_double_nothing};
pub use nats::{Nats, nats_cluster};
pub use network::{Mood, Network};
pub use program::{Program, find, free_port};
pub use servers::{ask, influxdb, nx_27017, rotel, server_of, table, victoria_logs};
pub use sorts::{ODD_TEXTS, samples_of_every_sort, with_attributes};
