//! What agents and servers say to each other, and how they trust each other.
//!
//! [`v1`] is the protocol, generated from `proto/alumet/relay/v1/relay.proto`; [`version`] finds a version that both sides
//! speak. Certificates and [`tokens`] are the two ways to prove who one is, [`certs`] makes the former, and [`address`] says
//! where a server is and when plain text is acceptable; [`checksum`] finds what was damaged, [`pace`] limits bandwidth.

pub mod address;
pub mod certs;
pub mod checksum;
pub mod identity;
pub mod pace;
pub mod tokens;
pub mod v1;
pub mod version;
