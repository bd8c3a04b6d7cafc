//! What the table `[plugins.energy-estimation-tdp]` holds.

use alumet_core::duration::HumanDuration;
use alumet_core::plugin::Faults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the estimate is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Time between two samples.
    pub poll_interval: HumanDuration,
    /// Metrics of other plugins: where there is one of them, energy is measured, and nothing is estimated.
    pub only_without: Vec<String>,
    /// The thermal design power of a CPU package (socket), in watts. Left out: as known of the model of the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [125.0]))]
    pub tdp: Option<f64>,
    /// The power of a package that does nothing, in watts; the curve begins there and keeps its form. Left out: as the curve
    /// says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [30.0]))]
    pub idle_power: Option<f64>,
    /// How many CPUs (threads) this machine has, be it real or virtual. Left out: as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [4.0]))]
    pub nb_vcpu: Option<f64>,
    /// How many CPUs (threads) of the real machine have `tdp` together. Left out: those of one package, as known of the model
    /// in a virtual machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [40.0]))]
    pub nb_cpu: Option<f64>,
    /// The power at some loads, linear in between. The default is what Teads measured on servers in 2021.
    pub curve: Vec<Point>,
    /// The power of memory, in watts per GiB, used or not. Cloud Carbon Footprint takes 0.392; 0 leaves it out.
    pub memory_power: f64,
}

/// A point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The load of all CPUs, in percent.
    pub load: f64,
    /// The power at this load, as a part of the thermal design power.
    pub power: f64,
}

impl Default for Config {
    fn default() -> Self {
        // Benjamin Davy, "Estimating AWS EC2 Instances Power Consumption", Teads Engineering, 2021: CPU power relative to
        // the TDP, from measurements with RAPL.
        let measured = [(0.0, 0.12), (10.0, 0.32), (50.0, 0.75), (100.0, 1.02)];
        Self {
            poll_interval: HumanDuration::from_secs(1),
            only_without: Vec::new(),
            tdp: None,
            idle_power: None,
            nb_vcpu: None,
            nb_cpu: None,
            curve: measured.map(|(load, power)| Point { load, power }).into(),
            memory_power: 0.0,
        }
    }
}

impl Config {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub(crate) fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        faults.refuse_polls("poll_interval", *self.poll_interval);
        if self.tdp.is_some_and(|watts| !(watts.is_finite() && watts > 0.0)) {
            faults.add("tdp", "a power is above 0 watts, for example 125.0");
        }
        for (key, watts) in [
            ("idle_power", self.idle_power),
            ("memory_power", Some(self.memory_power)),
        ] {
            if watts.is_some_and(|watts| !(watts.is_finite() && watts >= 0.0)) {
                faults.add(key, "a power is at least 0 watts, for example 0.4");
            }
        }
        for (key, number) in [("nb_vcpu", self.nb_vcpu), ("nb_cpu", self.nb_cpu)] {
            if number.is_some_and(|number| !(number.is_finite() && number > 0.0)) {
                faults.add(key, "a number of CPUs is above 0, for example 4.0");
            }
        }
        let rises = self
            .curve
            .windows(2)
            .all(|pair| pair[0].load < pair[1].load && pair[0].power <= pair[1].power);
        let is_whole =
            |ends: (&Point, &Point)| ends.0.load == 0.0 && ends.1.load == 100.0 && ends.0.power >= 0.0;
        let (first, last) = (self.curve.first(), self.curve.last());
        if !(rises
            && first.zip(last).is_some_and(is_whole)
            && last.is_some_and(|last| last.power.is_finite()))
        {
            let message = "a curve goes from a load of 0 to one of 100, and neither load nor power falls: \
                           [{ load = 0, power = 0.12 }, { load = 100, power = 1.02 }]";
            faults.add("curve", message);
        }
        faults.or_ok()
    }
}
