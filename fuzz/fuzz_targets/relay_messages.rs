//! Messages that come to a relay server or a relay client, and what is written in their configuration.

#![no_main]

use alumet_relay_protocol::address::Address;
use alumet_relay_protocol::v1::{ClientMessage, ServerMessage};
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    // Fields that this version does not know are dropped, so only what was understood comes back.
    if let Ok(message) = ClientMessage::decode(data) {
        let again = ClientMessage::decode(&*message.encode_to_vec()).expect("what was written can be read");
        assert_eq!(again.verify(), message.verify());
        assert_eq!(again, message);
    }
    if let Ok(message) = ServerMessage::decode(data) {
        let again = ServerMessage::decode(&*message.encode_to_vec()).expect("what was written can be read");
        assert_eq!(again, message);
    }
    if let Ok(address) = std::str::from_utf8(data).unwrap_or_default().parse::<Address>() {
        let again: Address = address.authority().parse().expect("what was written can be read");
        assert_eq!(again.authority(), address.authority());
    }
});
