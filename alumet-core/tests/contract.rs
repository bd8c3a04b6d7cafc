//! The contract suite passes a plugin that keeps it and names the clause that another one breaks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use alumet_core::failure::Failure;
use alumet_core::metric::MetricDoc;
use alumet_core::output::{Delivering, Delivery, Output, Receipt};
use alumet_core::plugin::{Plugin, StartContext, StartError};
use alumet_core::series::Series;
use alumet_core::source::{Accumulator, Source};
use alumet_core::testkit::Contract;
use alumet_core::transform::{Transform, TransformContext};
use alumet_core::unit::Unit;
use alumet_core::{Batch, Consumer, Resource, Timestamp, Value};

alumet_core::metrics! {
    pub ANNOUNCED = Gauge<u64> {
        name: "announced", unit: Unit::ONE, description: "In the table.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
    };
    pub SECRET = Gauge<u64> {
        name: "secret", unit: Unit::ONE, description: "Not in the table.",
        resources: ["local_machine"], consumers: ["local_machine"], attributes: [],
    };
}

/// What a plugin does wrong.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
enum Fault {
    #[default]
    None,
    Start,
    Poll,
    Apply,
    Finish,
    ApplyAfterReset,
    Deliver,
    DeliverAfterReset,
    Checkpoint,
    Trial,
}

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
struct Config {
    fault: Fault,
}

/// One element of each kind.
struct Suspect;

impl Plugin for Suspect {
    const ID: &'static str = "suspect";
    const SUMMARY: &'static str = "Keeps the contract or breaks it.";
    type Config = Config;

    fn metrics() -> Vec<MetricDoc> {
        all()
            .into_iter()
            .filter(|metric| metric.name == "announced")
            .collect()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let fault = config.fault;
        if fault == Fault::Trial && alumet.is_trial() {
            return Err(StartError::new("not now"));
        }
        if fault == Fault::Start {
            return Err(std::io::Error::other("no such device").into());
        }
        let announced = alumet.metric(&ANNOUNCED)?;
        let secret = alumet.metric(&SECRET)?;
        let register = |metric| {
            alumet
                .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
                .register()
        };
        let (announced, secret) = (register(announced), register(secret));
        let polled = if fault == Fault::Poll {
            secret.clone()
        } else {
            announced.clone()
        };
        alumet.source(
            "source",
            Suspicious {
                fault,
                series: polled.clone(),
                resets: 0,
            },
        );
        alumet.transform(
            "transform",
            Suspicious {
                fault,
                series: secret,
                resets: 0,
            },
        );
        let output = Suspicious {
            fault,
            series: announced,
            resets: 0,
        };
        alumet.output("output", output).in_flight(2);
        Ok(Self)
    }
}

struct Suspicious {
    fault: Fault,
    series: Series<u64>,
    resets: u32,
}

impl Suspicious {
    fn push(&self, batch: &mut Batch) {
        batch.push(&self.series, Timestamp::default(), 1);
    }
}

impl Source for Suspicious {
    fn poll(&mut self, out: &mut Accumulator<'_>) -> Result<(), Failure> {
        out.push(&self.series, 1);
        Ok(())
    }
}

impl Transform for Suspicious {
    fn apply(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        if self.fault == Fault::Apply || (self.fault == Fault::ApplyAfterReset && self.resets > 0) {
            self.push(batch);
        }
        Ok(())
    }

    fn finish(&mut self, batch: &mut Batch, _: &TransformContext<'_>) -> Result<(), Failure> {
        if self.fault == Fault::Finish {
            self.push(batch);
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}

impl Output for Suspicious {
    fn deliver(&mut self, delivery: &Delivery) -> Result<Delivering, Failure> {
        let mut values = delivery.samples().map(|sample| sample.value());
        let fault = self.fault;
        let broken = fault == Fault::Deliver || (fault == Fault::DeliverAfterReset && self.resets > 0);
        let broken = broken && values.any(|value| value == Value::I64(i64::MIN));
        Ok(Delivering::under_way(async move {
            tokio::task::yield_now().await;
            match broken {
                true => Err(Failure::skip("negative")),
                false => Ok(Receipt::all()),
            }
        }))
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self.fault {
            Fault::Checkpoint => Err(Failure::retry("not connected")),
            _ => Ok(None),
        }
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}

/// What the suite says of a plugin with that fault.
fn verdict(fault: Fault) -> std::io::Result<Result<(), String>> {
    let folder = tempfile::tempdir()?;
    let sections = ["Purpose", "Requirements", "Metrics", "Configuration", "Limits"];
    let readme: String = sections
        .iter()
        .map(|section| format!("## {section}\n\n"))
        .collect();
    std::fs::write(folder.path().join("README.md"), readme)?;
    let config = "[plugins.suspect]\nfault = \"None\"\n";
    std::fs::write(folder.path().join("config.toml"), config)?;
    let contract = Contract::<Suspect>::of_crate(folder.path()).with(Config { fault });
    Ok(
        catch_unwind(AssertUnwindSafe(|| contract.check())).map_err(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            text.unwrap_or_default()
        }),
    )
}

#[test]
fn a_plugin_that_keeps_the_contract_passes() {
    assert_eq!(verdict(Fault::None).unwrap(), Ok(()));
}

#[test]
fn each_broken_clause_is_named() {
    for (fault, said) in [
        (Fault::Start, "no such device"),
        (Fault::Poll, "`Plugin::metrics` does not list"),
        (Fault::Apply, "`Plugin::metrics` does not list"),
        (Fault::Finish, "`Plugin::metrics` does not list"),
        (Fault::ApplyAfterReset, "`Plugin::metrics` does not list"),
        (Fault::Deliver, "deliver: negative"),
        (Fault::DeliverAfterReset, "deliver after a reset: negative"),
        (Fault::Checkpoint, "checkpoint: not connected"),
        (Fault::Trial, "cannot be tried: not now"),
    ] {
        let verdict = verdict(fault).unwrap().expect_err("a broken clause");
        assert!(verdict.contains(said), "{fault:?}: {verdict}");
    }
}
