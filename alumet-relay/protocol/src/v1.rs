//! The first version of the protocol: messages, client and server, generated from `proto/alumet/relay/v1/relay.proto`.

#![expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code has its own style"
)]

include!("generated/alumet.relay.v1.rs");
