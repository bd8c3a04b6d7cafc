//! What the transform makes of series.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends with a panic when something is missing"
)]

use alumet_core::output::RecordedSample;
use alumet_core::plugin::Plugin;
use alumet_core::testkit::{Bench, FakeRoot, ManualClock, assert_lines};
use alumet_core::unit::Unit;
use alumet_core::{Attributes, Consumer, Resource, Series};
use alumet_plugin_annotate::{AnnotatePlugin, Config};
use proptest::prelude::*;

alumet_core::metrics! {
    ENERGY = Gauge<u64> {
        name: "energy", unit: Unit::JOULE, description: "For this test.", consumers: ["process"], attributes: ["site", "x"],
    };
    LEVEL = Gauge<u64> {
        name: "level", unit: Unit::ONE, description: "For this test.", consumers: ["process"],
    };
}

fn bench(toml: &str, root: &FakeRoot) -> Bench {
    Bench::start::<AnnotatePlugin>(toml::from_str(toml).unwrap(), root.path()).unwrap()
}

fn series(bench: &Bench, is_energy: bool, pid: u32, attributes: &Attributes) -> Series<u64> {
    let catalog = bench.catalog();
    let metric = if is_energy { ENERGY } else { LEVEL };
    let metric = catalog.metric(&metric).unwrap();
    let series = catalog.series(metric, Resource::LocalMachine, Consumer::Process { pid });
    series.attributes(attributes).register()
}

fn transformed(bench: &mut Bench, series: &[&Series<u64>]) -> Vec<RecordedSample> {
    let mut batch = bench.catalog().batch();
    for (value, series) in series.iter().enumerate() {
        batch.push(series, ManualClock::START, value as u64);
    }
    bench.transform(&mut batch).unwrap();
    RecordedSample::of_batch(&batch)
}

#[test]
fn series_get_constants_and_keep_what_they_have() {
    let toml = "metrics = ['energy']\n[attributes]\nsite = 'lyon'\nrack = 7\nbelow = -1\nfactor = 0.5\nis_test = true";
    let mut bench = bench(toml, &FakeRoot::new());
    let plain = series(&bench, true, 1, &Attributes::EMPTY);
    let own = series(
        &bench,
        true,
        2,
        &Attributes::from_iter([("site", "paris"), ("x", "y")]),
    );
    let other = series(&bench, false, 1, &Attributes::EMPTY);
    for _ in 0..2 {
        assert_lines(
            transformed(&mut bench, &[&plain, &own, &other]),
            [
                "energy local_machine process:1 {below=-1, factor=0.5, is_test=true, rack=7, site=lyon} = 0",
                "energy local_machine process:2 {below=-1, factor=0.5, is_test=true, rack=7, site=paris, x=y} = 1",
                "level local_machine process:1 {} = 2",
            ],
        );
    }
    assert_eq!(all().len(), 2);
}

#[test]
fn facts_about_the_host_are_found_below_the_root_and_a_constant_goes_before_them() {
    let root = FakeRoot::new();
    root.write("proc/sys/kernel/hostname", "node-7\n")
        .write("proc/sys/kernel/osrelease", "6.1.0-test\n")
        .write(
            "proc/cpuinfo",
            "processor\t: 0\nmodel name\t: A CPU: fast\nflags\t: fpu\n",
        );
    let toml = "host = ['hostname', 'kernel', 'cpu_model', 'machine_id']\n[attributes]\nkernel = 'mine'";
    let mut bench = bench(toml, &root);
    let energy = series(&bench, true, 1, &Attributes::EMPTY);
    assert_lines(
        transformed(&mut bench, &[&energy]),
        ["energy local_machine process:1 {cpu_model=A CPU: fast, hostname=node-7, kernel=mine} = 0"],
    );
}

#[test]
fn a_series_that_is_gone_takes_its_annotated_one_along() {
    let mut bench = bench("[attributes]\nsite = 'lyon'", &FakeRoot::new());
    let energy = series(&bench, true, 1, &Attributes::EMPTY);
    transformed(&mut bench, &[&energy]);
    assert_eq!(bench.catalog().live_series(), 2);
    drop(energy);
    transformed(&mut bench, &[]);
    assert_eq!(bench.catalog().live_series(), 0);
}

#[test]
fn patterns_that_cannot_be_understood_are_refused() {
    let config: Config = toml::from_str("metrics = ['a', { site = '[' }]").unwrap();
    assert_eq!(
        AnnotatePlugin::check(&config).unwrap_err().keys(),
        ["metrics.1.site"]
    );
}

proptest! {
    #[test]
    fn only_attributes_are_added_and_only_to_what_is_selected(
        samples in proptest::collection::vec((any::<bool>(), 0_u32..5, proptest::option::of("[a-c]")), 0..20),
    ) {
        let mut bench = bench("metrics = [{ metric = 'energy', consumer_id = ['1', '2'] }]\nattributes = { site = 'new' }", &FakeRoot::new());
        let all: Vec<_> = samples
            .iter()
            .map(|(is_energy, pid, site)| {
                let attributes = site.iter().map(|site| ("site", site.clone())).collect();
                series(&bench, *is_energy, *pid, &attributes)
            })
            .collect();
        let after = transformed(&mut bench, &all.iter().collect::<Vec<_>>());
        prop_assert_eq!(after.len(), samples.len());
        for (index, (sample, (is_energy, pid, site))) in after.iter().zip(&samples).enumerate() {
            prop_assert_eq!(sample.value.as_f64(), index as f64);
            prop_assert_eq!(&*sample.series.metric.name, if *is_energy { "energy" } else { "level" });
            prop_assert_eq!(sample.series.consumer(), &Consumer::Process { pid: *pid });
            let is_selected = *is_energy && (1..=2).contains(pid);
            let expected = site.clone().or_else(|| is_selected.then(|| "new".to_owned()));
            let expected: Attributes = expected.into_iter().map(|site| ("site", site)).collect();
            prop_assert_eq!(sample.series.attributes(), &expected);
        }
    }
}
