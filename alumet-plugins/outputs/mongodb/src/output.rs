//! The output: samples come in, commands go out.

use std::sync::Arc;

use alumet_core::Failure;
use alumet_core::output::{Delivering, Delivery, Output};

use crate::config::Config;
use crate::connection::Connection;
use crate::encode::Encoder;

/// Inserts a document of each sample.
#[derive(Debug)]
pub(crate) struct MongodbOutput {
    connection: Arc<Connection>,
    encoder: Encoder,
}

impl MongodbOutput {
    /// An output to the servers of `connection`.
    pub(crate) fn new(connection: Connection, config: &Config) -> Self {
        Self {
            connection: Arc::new(connection),
            encoder: Encoder::new(config),
        }
    }
}

impl Output for MongodbOutput {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        if delivery.is_empty() {
            return Ok(Delivering::done());
        }
        let command = self.encoder.encode(delivery)?;
        let connection = Arc::clone(&self.connection);
        Ok(Delivering::under_way(
            async move { connection.insert(command).await },
        ))
    }
}
