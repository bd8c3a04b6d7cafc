//! The output in a pipeline that counts, with a spool on disk.

use std::net::SocketAddr;
use std::path::Path;

use alumet_core::duration::HumanDuration;
use alumet_core::output::QueuePolicy;
use alumet_core::pipeline::Pipeline;
use alumet_shared_http_delivery::HttpConfig;

use crate::output::{BulkPlugin, Config};

/// A pipeline that counts from `first` on and sends to a server.
pub(crate) fn start(folder: &Path, server: SocketAddr, first: u64) -> Pipeline {
    let config = Config {
        url: format!("http://{server}"),
        http: HttpConfig {
            proxy: "none".to_owned(),
            timeout: HumanDuration::from_millis(300),
            ..HttpConfig::default()
        },
        queue: QueuePolicy {
            durable: Some(true),
            ..QueuePolicy::default()
        },
    };
    alumet_shared_output_testkit::run::<BulkPlugin>(folder, config, first)
}
