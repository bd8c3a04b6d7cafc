//! Energy by the counter, or by power where there is none.

use std::time::Duration;

use alumet_core::output::RecordedSample;
use alumet_core::testkit::{Bench, assert_lines};
use alumet_plugin_nvml::Mode;

use crate::simulated::{Driver, lines, source};

const COUNTED: &str = "nvml_energy_consumption";
const MODELLED: &str = "nvml_estimated_energy_consumption";

/// Joules of a metric.
fn joules(samples: &[RecordedSample], metric: &str) -> f64 {
    let of_metric = samples
        .iter()
        .filter(|sample| sample.series.metric.name == metric);
    of_metric.map(|sample| sample.value.as_f64()).sum::<f64>() / 1000.0
}

/// Watts of a board under a load that comes and goes.
fn watts(seconds: f64) -> f64 {
    250.0 + 200.0 * (seconds / 7.0).sin().signum() + 30.0 * (seconds / 3.0).sin()
}

/// The joules of that power from the start until then, in steps of a millisecond.
fn true_joules(seconds: u32) -> f64 {
    let steps = (0..seconds * 1000).map(|step| watts((f64::from(step) + 0.5) / 1000.0));
    steps.sum::<f64>() / 1000.0
}

/// Polls once a second for two minutes.
fn measured(
    driver: &mut Driver,
    bench: &mut Bench,
    answer: impl Fn(u32) -> (&'static str, f64),
) -> Vec<RecordedSample> {
    let mut samples = Vec::new();
    for second in 0..=120 {
        let (key, value) = answer(second);
        driver.set([(key, value.round() as u64)]);
        samples.extend(bench.poll(&source(0)).unwrap());
        bench.advance(Duration::from_secs(1));
    }
    samples
}

#[test]
fn the_energy_of_a_known_curve_is_exact_within_a_thousandth_by_the_counter() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|_| {});
    let samples = measured(&mut driver, &mut bench, |second| {
        ("0.field.83", 5e9 + true_joules(second) * 1000.0)
    });
    let (measured, truth) = (joules(&samples, COUNTED), true_joules(120));
    assert!(
        (measured / truth - 1.0).abs() < 0.001,
        "{measured} instead of {truth}"
    );
    assert_eq!(joules(&samples, MODELLED), 0.0, "nothing is measured twice");
}

#[test]
fn the_energy_of_a_known_curve_is_within_half_an_interval_of_each_step_by_power() {
    let mut driver = Driver::new();
    driver.unset(&["0.field.83"]);
    let mut bench = driver.bench(|_| {});
    let samples = measured(&mut driver, &mut bench, |second| {
        ("0.field.186", watts(second.into()) * 1000.0)
    });
    let changes = (0..120).map(|second| (watts(f64::from(second) + 1.0) - watts(second.into())).abs());
    let bound = changes.sum::<f64>() / 2.0;
    let (measured, truth) = (joules(&samples, MODELLED), true_joules(120));
    assert!(
        (measured - truth).abs() < bound,
        "{measured} instead of {truth} ± {bound}"
    );
    assert!(
        bound < 0.1 * truth,
        "the bound says something: {bound} of {truth}"
    );
    assert_eq!(joules(&samples, COUNTED), 0.0);
}

#[test]
fn a_mean_power_loses_only_its_two_ends() {
    let mut driver = Driver::new();
    driver.unset(&["0.field.83"]);
    let mut bench = driver.bench(|_| {});
    let mean = |second: u32| true_joules(second) - true_joules(second.saturating_sub(1));
    let samples = measured(&mut driver, &mut bench, |second| {
        ("0.field.185", mean(second) * 1000.0)
    });
    let (measured, truth) = (joules(&samples, MODELLED), true_joules(120));
    assert!(
        (measured / truth - 1.0).abs() < 0.001,
        "{measured} instead of {truth}"
    );
}

#[test]
fn a_modelled_energy_says_that_it_is() {
    let quality = |name: &str| {
        let metrics = alumet_core::plugin::PluginDescriptor::of::<alumet_plugin_nvml::NvmlPlugin>().metrics();
        metrics
            .into_iter()
            .find(|metric| metric.name == name)
            .unwrap()
            .quality
            .to_string()
    };
    assert_eq!(quality(COUNTED), "measured");
    assert_eq!(quality(MODELLED), "modelled");
}

/// The lines of one poll that are about energy, a second later.
fn next(bench: &mut Bench, names: &[&str]) -> Vec<String> {
    bench.advance(Duration::from_secs(1));
    lines(&bench.poll(&source(0)).unwrap(), names)
}

#[test]
fn a_counter_that_stands_still_falls_or_jumps_is_told_as_what_it_is() {
    let mut driver = Driver::new();
    driver.set([("0.most", 300_000)]);
    let mut bench = driver.bench(|config| config.mode = Mode::Minimal);
    let names = [COUNTED, "nvml_refused_values"];
    bench.poll(&source(0)).unwrap();
    let energy = |value: &str| format!("{COUNTED} local_machine {{}} = {value}");
    let refused = |reason: &str| format!("nvml_refused_values local_machine {{reason={reason}}} = 1");

    driver.set([("0.field.83", 1_300_000)]);
    assert_lines(next(&mut bench, &names), [energy("300000")]);
    assert_lines(next(&mut bench, &names), [energy("0")]);
    // The driver was loaded again.
    driver.set([("0.field.83", 5)]);
    assert_lines(next(&mut bench, &names), [energy("0"), refused("reset")]);
    // What is shown right after a fall is not believed yet.
    driver.set([("0.field.83", 200_005)]);
    assert_lines(next(&mut bench, &names), [energy("0"), refused("reset")]);
    driver.set([("0.field.83", 400_005)]);
    assert_lines(next(&mut bench, &names), [energy("200000")]);
    // More than four times what the board can draw.
    driver.set([("0.field.83", 20_000_000)]);
    assert_lines(next(&mut bench, &names), [energy("0"), refused("excess")]);
}

#[test]
fn a_counter_that_is_late_once_tells_for_both_intervals() {
    let mut driver = Driver::new();
    let mut bench = driver.bench(|config| config.mode = Mode::Minimal);
    bench.poll(&source(0)).unwrap();
    driver.set([("0.field.83", 1_100_000), ("0.field.83.fail", 999)]);
    assert_lines(
        next(&mut bench, &[COUNTED, MODELLED, "nvml_refused_values"]),
        ["nvml_refused_values local_machine {reason=unreadable} = 1"],
    );
    driver.set([("0.field.83", 1_250_000)]);
    driver.unset(&["0.field.83.fail"]);
    assert_lines(
        next(&mut bench, &[COUNTED, MODELLED]),
        [format!("{COUNTED} local_machine {{}} = 250000")],
    );
}

#[test]
fn power_that_cannot_be_is_refused() {
    let mut driver = Driver::new();
    driver.set([("0.most", 300_000)]);
    let mut bench = driver.bench(|config| config.mode = Mode::Minimal);
    bench.poll(&source(0)).unwrap();
    driver.set([("0.field.186", u32::MAX)]);
    assert_lines(
        next(&mut bench, &["nvml_instant_power", "nvml_refused_values"]),
        ["nvml_refused_values local_machine {reason=excess} = 1"],
    );
}

#[test]
fn a_minimal_measurement_is_one_call() {
    let driver = Driver::new();
    let mut bench = driver.bench(|config| config.mode = Mode::Minimal);
    bench.poll(&source(0)).unwrap();
    // What the GPU lacks is not asked for again.
    next(&mut bench, &[]);
    assert_lines(
        next(&mut bench, &["nvml_"]),
        [
            "nvml_calls local_machine {} = 1",
            "nvml_device_info local_machine {driver=535.129.03, index=0, model=Simulated 0, uuid=GPU-0} = 1",
            "nvml_energy_consumption local_machine {} = 0",
            "nvml_instant_power local_machine {} = 100000",
        ],
    );
}
