//! What `exec` and `watch` tell at the end.

mod energy;

use std::time::Duration;

use alumet_core::time::Timestamp;
use alumet_shared_control_protocol::Table;

use crate::child::End;
use crate::terminal;
use crate::tree::{METRIC_PREFIX, MeasuredTree};

pub(crate) use energy::{Energy, EnergyOutput};
use energy::{Quantity, Total, Whose};

/// How long it all took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// From the start to the end of the process.
    pub(crate) duration: Duration,
    /// When the process ended, or was left alone.
    pub(crate) ended: Timestamp,
    /// From the first measurement to the last, which is a little longer, and what the energy is that of.
    pub(crate) measured: Duration,
}

/// How many processes that still run are named.
const NAMED: usize = 8;

/// The summary as text: `title`, then one line per quantity. `end` is that of a program that this one has waited for, `why` what
/// plugins say of its energy.
pub(crate) fn render(
    title: &str,
    times: Times,
    tree: Option<MeasuredTree>,
    end: Option<&End>,
    energy: &Energy,
    why: &str,
) -> String {
    let mut rows = vec![row("duration", seconds(times.duration))];
    match tree {
        Some(tree) => rows.extend(of_tree(&tree, times, end)),
        None => rows.push(row("CPU time", "not measured; the log says why")),
    }
    rows.extend(of_energy(&energy.totals(), times.measured, why));
    let table: Table<2> = rows.into_iter().collect();
    format!("\n{title}\n{}", terminal::indented(&table.render()))
}

/// What is told of energy: that of the program and its part of the machine's, then each domain of the machine.
fn of_energy(totals: &[Total], measured: Duration, why: &str) -> Vec<[String; 2]> {
    let watts = |joules: f64| quantity(joules / measured.as_secs_f64().max(1e-9), "W");
    let of = |wanted: Whose| {
        let amounts = totals
            .iter()
            .filter(|total| total.quantity == Quantity::Energy && total.whose == wanted);
        amounts.map(Total::amount).sum::<f64>()
    };
    let shared = of(Whose::Program) + of(Whose::Idle) + of(Whose::Others);
    let percent = |joules: f64| 100.0 * joules / shared.max(f64::MIN_POSITIVE);
    let mut rows = Vec::new();
    let program = |total: &&Total| total.whose == Whose::Program && total.quantity == Quantity::Energy;
    let joules = of(Whose::Program);
    let has_energy = totals.iter().any(|total| total.quantity == Quantity::Energy);
    if joules == 0.0
        && has_energy
        && let Some(why) = why.lines().find(|line| line.starts_with(METRIC_PREFIX))
    {
        rows.push(row("energy", format!("not known; {why}")));
    } else if let Some(total) = totals.iter().find(program) {
        let text = format!(
            "{} ({} on average, {}), {:.0} % of the machine's {}",
            quantity(joules, "J"),
            watts(joules),
            total.quality.name(),
            percent(joules),
            quantity(shared, "J")
        );
        rows.push(row("energy", text));
        let idle = of(Whose::Idle);
        if idle > 0.0 {
            rows.push(row(
                "idle",
                format!("{}, {:.0} % of the machine's", quantity(idle, "J"), percent(idle)),
            ));
        }
    } else if has_energy {
        rows.push(row(
            "energy",
            "not known: nothing shares that of the machine; enable energy-attribution",
        ));
    } else {
        rows.push(row(
            "energy",
            "not measured: no plugin that provides it is enabled",
        ));
    }
    for total in totals {
        let amount = total.amount();
        let quality = total.quality.name();
        let text = match total.quantity {
            Quantity::Energy => format!(
                "{} ({} on average, {quality})",
                quantity(amount, "J"),
                watts(amount)
            ),
            Quantity::Carbon => format!("{} ({quality})", quantity(amount, "g")),
        };
        match (total.whose, total.quantity) {
            (Whose::Machine, _) => rows.push(row(&format!("machine: {}", total.what), text)),
            (Whose::Program, Quantity::Carbon) => rows.push(row("CO2", text)),
            _ => {}
        }
    }
    rows
}

fn row(name: &str, value: impl Into<String>) -> [String; 2] {
    [name.to_owned(), value.into()]
}

/// What is told of a program and its descendants; the same numbers that its samples add up to.
fn of_tree(tree: &MeasuredTree, times: Times, end: Option<&End>) -> Vec<[String; 2]> {
    let usage = tree.tree.last().usage;
    let [user, system] = [usage.user_ns, usage.system_ns].map(Duration::from_nanos);
    let of_core = 100.0 * (user + system).as_secs_f64() / times.duration.as_secs_f64().max(1e-9);
    let own = tree.peak_of_root;
    let (one, whose) = match end {
        Some(end) if !end.is_hidden => (end.peak, "the largest process".to_owned()),
        Some(end) => (
            own,
            format!("the program when last seen; at most {}", bytes(end.peak)),
        ),
        None => (own, "the process when last seen".to_owned()),
    };
    let peak = match end {
        Some(end) if one == 0 => format!("at most {}: it ended before it was seen", bytes(end.peak)),
        // All together were never less than one alone.
        _ => format!(
            "{} ({whose}), {} (all at one instant)",
            bytes(one),
            bytes(tree.peak.max(one))
        ),
    };
    let cpu_time = format!(
        "{} (user {}, system {}; {of_core:.0} % of one CPU, {:.0} % of all {})",
        seconds(user + system),
        seconds(user),
        seconds(system),
        of_core / tree.cpus as f64,
        tree.cpus
    );
    let io = format!(
        "{} read, {} written",
        bytes(usage.read_bytes),
        bytes(usage.written_bytes)
    );
    let mut rows = vec![
        row("CPU time", cpu_time),
        row("peak memory", peak),
        row("storage I/O", io),
    ];
    let alive = tree.tree.alive().filter(|(pid, _)| *pid != tree.pid);
    let mut names: Vec<String> = alive.map(|(pid, name)| format!("{pid} {name}")).collect();
    if let Some(more @ 1..) = names.len().checked_sub(NAMED) {
        names.truncate(NAMED);
        names.push(format!("{more} more"));
    }
    if !names.is_empty() {
        rows.push(row("still running", names.join(", ")));
    }
    if let Some(missed) = tree.missed(times.ended) {
        let missed = format!("the last {}: its parent took it away at its end", seconds(missed));
        rows.push(row("not measured", missed));
    }
    rows
}

/// A number of bytes that people can read: `1.50 MiB`.
fn bytes(bytes: u64) -> String {
    let steps = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match steps.into_iter().find(|(_, power)| bytes >> power > 0) {
        Some((symbol, power)) => format!("{:.2} {symbol}", bytes as f64 / f64::from(1 << power)),
        None => format!("{bytes} B"),
    }
}

/// A number with a unit that people can read: `12.3 J`.
fn quantity(value: f64, symbol: &str) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 || value == 0.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.decimals$} {symbol}")
}

/// A duration with three or four digits.
fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 60.0 {
        humantime::format_duration(Duration::from_secs(seconds.round() as u64)).to_string()
    } else if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use alumet_core::metric::{Metric, MetricKind, Quality};
    use alumet_core::series::SeriesKey;
    use alumet_core::unit::Unit;
    use alumet_core::value::ValueType;
    use alumet_core::{AttributeValue, Catalog, Consumer, Resource};
    use parking_lot::Mutex;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn quantities_are_readable() {
        for (amount, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.50 KiB"),
            (3 << 30, "3.00 GiB"),
        ] {
            assert_eq!(bytes(amount), text);
        }
        for (value, text) in [
            (123.4, "123 J"),
            (12.345, "12.3 J"),
            (3.0, "3.00 J"),
            (0.5, "0.5000 J"),
        ] {
            assert_eq!(quantity(value, "J"), text);
        }
        for (time, text) in [(1500, "1.5 ms"), (2_500_000, "2.50 s"), (90_000_000, "1m 30s")] {
            assert_eq!(seconds(Duration::from_micros(time)), text);
        }
    }

    /// A series: metric, quality, resource, consumer, attributes, and the amount that it has.
    type Row<'a> = (
        &'static str,
        Quality,
        Resource,
        Consumer,
        &'a [(&'static str, &'a str)],
        f64,
    );

    /// Totals of series that have the amounts.
    fn totals(series: &[Row<'_>]) -> Vec<Total> {
        let catalog = Catalog::new();
        let series = series
            .iter()
            .map(|(name, quality, resource, consumer, attributes, amount)| {
                let (metric, _) = catalog.admit_metric(Metric {
                    name: (*name).into(),
                    kind: MetricKind::Delta,
                    value_type: ValueType::F64,
                    unit: Unit::JOULE,
                    description: "".into(),
                    quality: *quality,
                });
                let attributes = attributes
                    .iter()
                    .map(|(key, value)| (*key, AttributeValue::from(*value)));
                let handle = catalog.register(SeriesKey {
                    metric,
                    resource: resource.clone(),
                    consumer: consumer.clone(),
                    attributes: attributes.collect(),
                });
                let mut total = Total::of(&catalog.describe(handle.id()).unwrap(), 0.0)?;
                total.add(*amount);
                Some(total)
            });
        let energy = Energy(Arc::new(Mutex::new(series.flatten().collect())));
        energy.totals()
    }

    #[test]
    fn the_energy_of_a_program_is_told_with_its_part_of_the_machine_and_each_joule_once() {
        use Consumer::LocalMachine as Everybody;
        use Resource::LocalMachine as Machine;
        let program = Consumer::Process { pid: 7 };
        let package = |id| Resource::CpuPackage { id };
        let totals = totals(&[
            (
                "rapl_consumed_energy",
                Quality::Measured,
                package(0),
                Everybody,
                &[("domain", "package")],
                30.0,
            ),
            (
                "rapl_consumed_energy",
                Quality::Measured,
                package(1),
                Everybody,
                &[("domain", "package")],
                10.0,
            ),
            (
                "rapl_consumed_energy",
                Quality::Measured,
                Machine,
                Everybody,
                &[("domain", "package_total")],
                40.0,
            ),
            (
                "process_tree_energy",
                Quality::Modelled,
                Machine,
                program.clone(),
                &[],
                10.0,
            ),
            (
                "process_tree_energy",
                Quality::Modelled,
                Machine,
                Everybody,
                &[("part", "idle")],
                20.0,
            ),
            (
                "process_tree_energy",
                Quality::Modelled,
                Machine,
                Everybody,
                &[("part", "unattributed")],
                10.0,
            ),
            ("attributed_energy", Quality::Modelled, Machine, program, &[], 5.0),
        ]);
        let rows = of_energy(&totals, Duration::from_secs(4), "");
        let rows: Vec<_> = rows.iter().map(|[name, text]| (&**name, &**text)).collect();
        assert_eq!(
            rows,
            [
                (
                    "energy",
                    "10.0 J (2.50 W on average, modelled), 25 % of the machine's 40.0 J"
                ),
                ("idle", "20.0 J, 50 % of the machine's"),
                (
                    "machine: rapl consumed energy package_total",
                    "40.0 J (10.0 W on average, measured)"
                ),
            ]
        );
    }

    #[test]
    fn what_is_missing_for_the_energy_of_a_program_is_told() {
        let text = |totals: &[Total]| of_energy(totals, Duration::from_secs(1), "")[0][1].clone();
        assert_eq!(text(&[]), "not measured: no plugin that provides it is enabled");
        let machine = Consumer::LocalMachine;
        let machine_only = totals(&[(
            "psu",
            Quality::Measured,
            Resource::LocalMachine,
            machine,
            &[],
            1.0,
        )]);
        assert!(text(&machine_only).contains("enable energy-attribution"));
        let (whole, machine) = (Resource::LocalMachine, Consumer::LocalMachine);
        let part: &[_] = &[("part", "unattributed")];
        let totals = totals(&[(
            "process_tree_energy",
            Quality::Modelled,
            whole,
            machine,
            part,
            1.0,
        )]);
        let why = "attributed_energy: half of it\nprocess_tree_energy: nobody has a result";
        let told = "not known; process_tree_energy: nobody has a result";
        let rows = of_energy(&totals, Duration::from_secs(1), why);
        assert_eq!(rows, [row("energy", told)]);
        // What shares energy is there, and has none to share: nobody is told to enable it.
        let rows = of_energy(&machine_only, Duration::from_secs(1), why);
        assert_eq!(rows[0], row("energy", told));
    }
}
