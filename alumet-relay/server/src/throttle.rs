//! Slows down whoever connects again and again and begins no session.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use alumet_relay_protocol::pace::Pace;
use hashbrown::HashMap;
use parking_lot::Mutex;

/// The connections of each address that were of no use. Those of agents are, so that many agents may share an address.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<HashMap<IpAddr, Pace>>);

impl Throttle {
    /// So many per second over a longer time, and those of some seconds at once: a handshake costs about a millisecond.
    const PER_SECOND: u64 = 10;
    const BURST: Duration = Duration::from_secs(20);
    /// So many addresses are remembered.
    const ADDRESSES: usize = 4096;

    /// Until when the next connection from there has to wait, if it has to.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Instant> {
        self.0.lock().get(&network(address))?.wait(now)
    }

    /// A connection from there has begun no session.
    pub(crate) fn note(&self, address: IpAddr, now: Instant) {
        let mut addresses = self.0.lock();
        let address = network(address);
        if addresses.len() >= Self::ADDRESSES && !addresses.contains_key(&address) {
            addresses.retain(|_, pace| pace.wait(now).is_some());
            if addresses.len() >= Self::ADDRESSES {
                // So many at once are nobody in particular.
                addresses.clear();
            }
        }
        let new = || Pace::new(Self::PER_SECOND, Self::BURST);
        addresses.entry(address).or_insert_with(new).pass(1, now);
    }
}

/// What one machine may choose of an address in version 6 is left out.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_after_many_connections_without_a_session_and_no_other_does() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for host in 0..1000_u32 {
            throttle.note(address("192.0.2.1"), now);
            throttle.note(address(&format!("2001:db8::{host:x}")), now);
        }
        for slow in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::ffff"] {
            let wait = throttle.wait(address(slow), now).unwrap() - now;
            assert!(wait > Duration::from_secs(79), "{slow}: {wait:?}");
        }
        for other in ["192.0.2.2", "2001:db8:0:1::1"] {
            assert_eq!(throttle.wait(address(other), now), None, "{other}");
        }
        let later = now + Duration::from_secs(81);
        assert_eq!(throttle.wait(address("192.0.2.1"), later), None);
    }

    #[test]
    fn no_number_of_addresses_takes_up_more_memory() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..300 {
            throttle.note(IpAddr::from([192, 0, 2, 1]), now);
        }
        for number in 0..6000_u32 {
            throttle.note(IpAddr::from(number.to_be_bytes()), now);
        }
        assert!(throttle.0.lock().len() <= Throttle::ADDRESSES);
        let wait = throttle.wait(IpAddr::from([192, 0, 2, 1]), now);
        assert!(wait.is_some(), "who has to wait is remembered");
    }
}
