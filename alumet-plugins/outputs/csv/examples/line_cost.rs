//! Measures what one line costs: `cargo run --release -p alumet-plugin-csv --example line_cost`.

use std::borrow::Cow;
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use alumet_core::metric::{Metric, MetricKind, Quality};
use alumet_core::output::{Output, OutputContext};
use alumet_core::series::SeriesKey;
use alumet_core::time::Moment;
use alumet_core::{Attributes, Catalog, Consumer, Resource, Timestamp, Unit, Value, ValueType};
use alumet_plugin_csv::{Config, CsvOutput, Encoder, Header, LineFormat, UnitStyle};

const SERIES: u32 = 1000;
const ROUNDS: u32 = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for value_type in [ValueType::U64, ValueType::F64] {
        let (encode, whole) = measure(value_type)?;
        let per_line = |time: Duration| time.as_nanos() / u128::from(SERIES * ROUNDS);
        writeln!(
            out,
            "{value_type}: {} ns/line to encode, {} ns/line in the file",
            per_line(encode),
            per_line(whole)
        )?;
    }
    Ok(())
}

/// How long it takes to encode all lines, and to encode and write them.
fn measure(value_type: ValueType) -> Result<(Duration, Duration), Box<dyn Error>> {
    let catalog = Catalog::new();
    let metric = catalog.register_metric(Metric {
        name: Cow::Borrowed("attributed_energy_cpu"),
        kind: MetricKind::Delta,
        value_type,
        unit: Unit::JOULE.milli(),
        description: Cow::Borrowed("For the measurement."),
        quality: Quality::Modelled,
    })?;
    let handles: Vec<_> = (0..SERIES)
        .map(|pid| {
            catalog.register(SeriesKey {
                metric,
                resource: Resource::CpuPackage { id: 0 },
                consumer: Consumer::Process { pid },
                attributes: Attributes::EMPTY
                    .with("domain", "package_total")
                    .with("node", "node-17"),
            })
        })
        .collect();

    let mut encoder = Encoder::new(LineFormat {
        delimiter: b';',
        late_delimiter: b',',
        unit: UnitStyle::Symbol,
    });
    let folder = tempfile::tempdir()?;
    let config = Config {
        output_path: folder.path().join("out.csv"),
        ..Config::default()
    };
    let mut output = CsvOutput::open(&config, Moment::default())?;
    let (mut lines, mut encode, mut whole) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let mut batch = catalog.batch();
        let timestamp = Timestamp::from_nanos(1_795_159_476_000_000_000 + i64::from(round) * 1_000_000_007);
        for (index, handle) in handles.iter().enumerate() {
            let number = u64::from(round) * 7919 + index as u64 * 104_729;
            let value = match value_type {
                ValueType::F64 => Value::F64(number as f64 / 977.0),
                _ => Value::U64(number),
            };
            batch
                .push_value(handle, timestamp, value)
                .map_err(|expected| expected.name())?;
        }
        if round == 0 {
            encoder.set_header(Header::of(&batch));
        }
        lines.clear();
        let start = Instant::now();
        encoder.encode(&batch, &mut lines);
        encode += start.elapsed();
        std::hint::black_box(&lines);

        let start = Instant::now();
        output
            .write(
                &batch,
                &OutputContext {
                    catalog: &catalog,
                    now: Moment::default(),
                },
            )
            .map_err(|f| f.to_string())?;
        whole += start.elapsed();
    }
    Ok((encode, whole))
}
