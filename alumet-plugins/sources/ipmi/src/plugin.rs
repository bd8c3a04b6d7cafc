//! From the configuration to the source.

use alumet_core::metric::MetricDoc;
use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_core::{Consumer, Resource};

use crate::config::Config;
use crate::dcmi::PowerReading;
use crate::device::Device;
use crate::error::{IpmiError, MEND_ABSENT, MEND_DENIED};
use crate::metrics;
use crate::source::IpmiSource;

/// Measures what a management controller shows.
#[derive(Debug)]
pub struct IpmiPlugin;

const SUBJECT: &str = "power by IPMI";

impl Plugin for IpmiPlugin {
    const ID: &'static str = "ipmi";
    const SUMMARY: &'static str =
        "Measures the power of the machine as its management controller (BMC) shows it by IPMI (DCMI).";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        metrics::all()
    }

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let path = config.device.strip_prefix("/").unwrap_or(&config.device);
        let path = alumet.root().join(path);
        if !path.exists() {
            let finding = found(Err(IpmiError::Absent(path)));
            tracing::info!("{SUBJECT}: {}", finding.detail);
            alumet.note(finding);
            return Ok(Self);
        }
        let mut device = Device::at(&path);
        // A controller can take long to answer: only a trial asks it here.
        if alumet.is_trial() {
            alumet.note(found(device.read()));
        }
        let power = alumet.metric(&metrics::IPMI_POWER)?;
        let power = alumet.series(power, Resource::LocalMachine, Consumer::LocalMachine);
        let power = power.register();
        alumet
            .source("ipmi", IpmiSource { device, power })
            .every(*config.poll_interval)
            .flush_every(*config.flush_interval)
            .blocking();
        Ok(Self)
    }
}

/// What there is, or why there is nothing.
fn found(reading: Result<PowerReading, IpmiError>) -> Finding {
    let reading = match reading {
        Err(IpmiError::Absent(path)) => {
            return Finding::absent(
                SUBJECT,
                format!("there is no `{}`; {MEND_ABSENT}", path.display()),
            );
        }
        Err(IpmiError::Denied(path)) => {
            return Finding::broken(
                SUBJECT,
                format!("`{}` may not be opened", path.display()),
                MEND_DENIED,
            );
        }
        Err(error @ IpmiError::NotSupported) => return Finding::absent(SUBJECT, error.to_string()),
        Err(error) => {
            let remedy = "see what `sudo ipmitool dcmi power reading` says; it is tried again and again";
            return Finding::broken(SUBJECT, error.to_string(), remedy);
        }
        Ok(reading) => reading,
    };
    let PowerReading {
        current,
        minimum,
        maximum,
        average,
        period,
    } = reading;
    let seconds = period.as_secs_f64();
    Finding::works(
        SUBJECT,
        format!("{current} W; in the last {seconds} s {minimum} to {maximum} W, {average} W on average"),
    )
}
