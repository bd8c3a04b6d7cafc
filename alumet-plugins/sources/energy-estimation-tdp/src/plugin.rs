//! From the configuration and the CPUs to the source.

use std::time::Duration;

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_core::{Consumer, Resource};
use alumet_reader_procfs::SystemRoot;
use alumet_reader_procfs::cpuinfo::CpuInfo;

use crate::config::Config;
use crate::device::{BusyTime, Model, memory_gib};
use crate::metrics;
use crate::model::PowerCurve;
use crate::source::EstimateSource;

/// Adds the source.
#[derive(Debug)]
pub struct EnergyEstimationTdpPlugin;

/// The power of a CPU (thread) of unknown model, in watts: about the median of those that are known.
const UNKNOWN: f64 = 4.0;

/// What is told of.
const SUBJECT: &str = "energy estimate";

impl Plugin for EnergyEstimationTdpPlugin {
    const ID: &'static str = "energy-estimation-tdp";
    const SUMMARY: &'static str =
        "Estimates the energy of the machine from the use of its CPUs, where there is no sensor.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let root = SystemRoot::at(alumet.root());
        let busy = BusyTime::open(&root)?;
        let (basis, finding) = Basis::find(&config, &CpuInfo::read(&root).unwrap_or_default());
        let memory = if config.memory_power > 0.0 {
            config.memory_power * memory_gib(&root)?
        } else {
            0.0
        };
        let curve = PowerCurve::new(
            &config.curve,
            basis.tdp,
            config.idle_power,
            basis.packages(),
            memory,
        );
        let finding = Finding {
            detail: format!(
                "{}, so {:.0} W idle and {:.0} W at full load",
                finding.detail,
                curve.watts(0.0),
                curve.watts(1.0)
            ),
            ..finding
        };
        if finding.remedy.is_some() && !alumet.is_trial() {
            tracing::warn!(remedy = finding.remedy, "{SUBJECT}: {}", finding.detail);
        }
        alumet.note(finding);
        let metric = alumet.metric(&metrics::ESTIMATED_CONSUMED_ENERGY)?;
        let series = alumet
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let source = EstimateSource::new(busy, curve, series, config.only_without);
        // The use of the CPUs is counted in ticks.
        alumet
            .source("estimate", source)
            .every(*config.poll_interval)
            .finest(Duration::from_millis(10));
        Ok(Self)
    }
}

/// What the power of the machine is known from.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Basis {
    /// The nominal power of a package, in watts.
    tdp: f64,
    /// How many CPUs this machine has, and how many have this power together.
    cpus: f64,
    per_package: f64,
}

impl Basis {
    /// How many packages are this machine's; a part of one, perhaps.
    fn packages(self) -> f64 {
        self.cpus / self.per_package
    }

    /// What is configured and what is known of the model, and how that is told.
    fn find(config: &Config, found: &CpuInfo) -> (Self, Finding) {
        let model = found.model_name.as_deref().and_then(Model::of);
        let online = f64::from(found.online.max(1));
        let cpus = config.nb_vcpu.unwrap_or(online);
        let of_model = model
            .filter(|_| found.are_virtual)
            .map(|model| f64::from(model.threads));
        // The packages of a virtual machine say nothing about real ones.
        let packages = if found.are_virtual {
            1
        } else {
            found.packages.max(1)
        };
        let per_package = config.nb_cpu.or(of_model).unwrap_or(cpus / f64::from(packages));
        let nominal = config.tdp.or(model.map(|model| model.tdp));
        let basis = Self {
            tdp: nominal.unwrap_or(UNKNOWN * per_package),
            cpus,
            per_package,
        };
        let name = model.map(|model| model.name).or(found.model_name.as_deref());
        let name = name.unwrap_or("a CPU that does not say its model");
        let what = if found.are_virtual {
            "virtual machine"
        } else {
            "machine"
        };
        let detail = format!(
            "{name}, {} W for {per_package} CPUs, of which this {what} has {cpus}",
            basis.tdp
        );
        let finding = match nominal {
            None => Finding::limited(
                SUBJECT,
                format!("the model is not known and {UNKNOWN} W are taken for each CPU: {detail}"),
                "set `tdp` in [plugins.energy-estimation-tdp] to the thermal design power of the CPU, and in a virtual machine \
                 `nb_cpu` to the number of its threads",
            ),
            Some(_) if found.are_virtual && config.nb_cpu.or(of_model).is_none() => Finding::limited(
                SUBJECT,
                format!(
                    "it is not known which part of the CPU this virtual machine has, and all of it is taken: {detail}"
                ),
                "set `nb_cpu` in [plugins.energy-estimation-tdp] to the number of threads that have `tdp` together",
            ),
            Some(_) => Finding::works(SUBJECT, detail),
        };
        (basis, finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(model: &str, online: u32, packages: u32, are_virtual: bool) -> CpuInfo {
        CpuInfo {
            model_name: (!model.is_empty()).then(|| model.to_owned()),
            online,
            packages,
            are_virtual,
            ..CpuInfo::default()
        }
    }

    fn config(tdp: Option<f64>, nb_vcpu: Option<f64>, nb_cpu: Option<f64>) -> Config {
        Config {
            tdp,
            nb_vcpu,
            nb_cpu,
            ..Config::default()
        }
    }

    #[test]
    fn the_nominal_power_of_a_machine_is_that_of_its_packages_or_of_its_part_of_one() {
        let gold = "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz";
        let none = config(None, None, None);
        for (config, cpus, watts, is_known) in [
            (&none, cpus(gold, 80, 2, false), 250.0, true),
            // Without hyper-threading.
            (&none, cpus(gold, 40, 2, false), 250.0, true),
            // Each virtual CPU is in a package of its own.
            (&none, cpus(gold, 4, 4, true), 12.5, true),
            (&none, cpus("AMD EPYC", 2, 1, true), 8.0, false),
            (&none, cpus("", 8, 0, false), 32.0, false),
            (
                &config(Some(100.0), None, None),
                cpus("AMD EPYC", 2, 1, true),
                100.0,
                false,
            ),
            (
                &config(Some(100.0), None, Some(50.0)),
                cpus("AMD EPYC", 2, 1, true),
                4.0,
                true,
            ),
            (
                &config(Some(100.0), None, None),
                cpus(gold, 80, 2, false),
                200.0,
                true,
            ),
            // As the original has it.
            (
                &config(Some(100.0), Some(1.0), Some(1.0)),
                cpus("", 8, 0, false),
                100.0,
                true,
            ),
            (
                &config(Some(100.0), Some(3.0), Some(12.0)),
                cpus("", 8, 0, false),
                25.0,
                true,
            ),
        ] {
            let (basis, finding) = Basis::find(config, &cpus);
            assert!(
                (basis.tdp * basis.packages() - watts).abs() < 1e-9,
                "{cpus:?}: {basis:?}"
            );
            assert_eq!(finding.remedy.is_none(), is_known, "{finding:?}");
        }
    }

    #[test]
    fn the_finding_says_what_the_estimate_is_made_from() {
        let cpus = cpus("Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", 3, 3, true);
        let (_, finding) = Basis::find(&config(None, None, None), &cpus);
        assert_eq!(
            finding.detail,
            "Gold 6230, 125 W for 40 CPUs, of which this virtual machine has 3"
        );
    }
}
