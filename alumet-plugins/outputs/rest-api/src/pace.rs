//! How often each client may ask.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many clients are told apart at a time; each is forgotten after a second without a request.
const MOST: usize = 1 << 16;
/// What a client may use up at once.
const BURST: Duration = Duration::from_secs(1);

/// Who is counted as one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Whoever has the token of this name.
    Named(Arc<str>),
    /// Whoever has this address; of IPv6 the network, of which one machine has all addresses.
    At(IpAddr),
}

impl Client {
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::At(match address.to_canonical() {
            IpAddr::V6(ip) => {
                let network = ip.to_bits() & !u128::from(u64::MAX);
                Ipv6Addr::from_bits(network).into()
            }
            v4 => v4,
        })
    }
}

/// Counts requests: so many per second, and as many at once (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Pace {
    between: Duration,
    /// When each would be through if it asked no faster than it may.
    through: Mutex<HashMap<Client, Instant>>,
}

impl Pace {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            between: Duration::from_secs(1) / per_second.max(1),
            through: Mutex::default(),
        }
    }

    /// Whether a client may ask now.
    pub(crate) fn admits(&self, client: Client, now: Instant) -> bool {
        let mut through = self.through.lock();
        if through.len() >= MOST && !through.contains_key(&client) {
            through.retain(|_, through| *through > now);
            if through.len() >= MOST {
                return false;
            }
        }
        let at = through.entry(client).or_insert(now);
        let next = (*at).max(now) + self.between;
        let is_admitted = next <= now + BURST;
        if is_admitted {
            *at = next;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_burst_then_its_pace_and_takes_nothing_from_others() {
        let (pace, now) = (Pace::new(10), Instant::now());
        let (one, other) = (Client::at([1, 2, 3, 4].into()), Client::Named("a".into()));
        let admitted = |client: &Client, now| (0..50).filter(|_| pace.admits(client.clone(), now)).count();
        assert_eq!(admitted(&one, now), 10);
        assert_eq!(admitted(&other, now), 10);
        assert_eq!(admitted(&one, now + Duration::from_millis(300)), 3);
        assert_eq!(admitted(&one, now + Duration::from_secs(60)), 10);
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_an_embedded_address_that_address() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:1.2.3.4"), at("1.2.3.4"));
        assert_ne!(at("::ffff:1.2.3.4"), at("::ffff:1.2.3.5"));
    }

    #[test]
    fn clients_beyond_number_wait_until_others_are_through() {
        let (pace, now) = (Pace::new(1), Instant::now());
        for number in 0..MOST as u32 {
            assert!(pace.admits(Client::at(IpAddr::V4(number.into())), now));
        }
        let late = Client::Named("late".into());
        assert!(!pace.admits(late.clone(), now));
        assert!(pace.admits(late, now + Duration::from_secs(2)));
    }
}
