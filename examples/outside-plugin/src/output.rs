//! The output: how samples leave the program.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use alumet_core::output::{Delivering, Delivery, Output};
use alumet_core::{Failure, SeriesMap};

/// Sends a datagram per sample.
#[derive(Debug)]
pub(crate) struct StatsdOutput {
    socket: UdpSocket,
    address: SocketAddr,
    /// What stands before the value, once per series.
    names: SeriesMap<String>,
}

impl StatsdOutput {
    /// An output that sends to `address`.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub(crate) fn to(address: SocketAddr) -> io::Result<Self> {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        Ok(Self {
            socket: UdpSocket::bind(any)?,
            address,
            names: SeriesMap::default(),
        })
    }
}

impl Output for StatsdOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        for sample in delivery.samples() {
            let name = self.names.get_or_insert_with(sample.series, || {
                let series = delivery.catalog().describe(sample.series);
                series
                    .map(|series| series.metric.name.to_string())
                    .unwrap_or_default()
            });
            // A failure brings the whole delivery again; for datagrams, twice is better than never.
            self.socket
                .send_to(format!("{name}:{}|g", sample.value()).as_bytes(), self.address)?;
        }
        Ok(Delivering::done())
    }
}
