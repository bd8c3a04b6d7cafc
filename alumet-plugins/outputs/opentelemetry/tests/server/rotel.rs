//! A real collector, Rotel, over both transports.

use alumet_core::output::Receipt;
use alumet_core::testkit::{Bench, ManualClock};
use alumet_plugin_opentelemetry::{Config, OpentelemetryPlugin, Protocol};
use alumet_shared_http_delivery::Compression;
use alumet_shared_output_testkit::{rotel, samples_of_every_sort, until};

use crate::collector::config;

#[test]
fn a_real_collector_takes_every_sort_of_sample() {
    let Some((rotel, http)) = rotel(&["--debug-log-verbosity", "detailed"]) else {
        return;
    };
    for (protocol, port) in [(Protocol::Grpc, rotel.port()), (Protocol::Http, http)] {
        for compression in [Compression::None, Compression::Gzip] {
            let mut config = Config {
                suffix: format!("_{protocol:?}_{compression:?}"),
                ..config(protocol, port)
            };
            config.http.compression = compression;
            let suffix = config.suffix.clone();
            let mut bench = Bench::start::<OpentelemetryPlugin>(config, "/").unwrap();
            let batch = samples_of_every_sort(bench.catalog(), ManualClock::START);
            let receipt = bench.deliver(0, batch).unwrap();
            assert_ne!(receipt, Receipt::all());
            for metric in ["gauge_u64", "delta_f64", "counter_i64", "in_mJ", "texts"] {
                let name = format!("{metric}{suffix}");
                until(&name, || rotel.log().contains(&name));
            }
        }
    }
}
