//! Configurations, and a look at what the stream has.

use alumet_plugin_nats::Config;
use alumet_shared_output_testkit::Nats;
use async_nats::ConnectOptions;
use async_nats::jetstream::message::StreamMessage;
use tokio::runtime::Runtime;

/// The configuration for a server.
pub(crate) fn config(server: &Nats) -> Config {
    let mut config: Config = toml::from_str("client_name = 'a.b'\ntimeout = '2s'").unwrap();
    config.connection.servers = vec![server.url()];
    config
}

/// All messages of the stream.
pub(crate) fn messages(server: &Nats, options: ConnectOptions) -> Vec<StreamMessage> {
    Runtime::new().unwrap().block_on(async {
        let client = options.connect(server.url()).await.unwrap();
        let Ok(stream) = async_nats::jetstream::new(client).get_stream("TELEMETRY").await else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            messages.push(stream.get_raw_message(sequence).await.unwrap());
        }
        messages
    })
}
