//! From the configuration and the host to the transform.

use alumet_core::plugin::{Faults, Finding, Plugin, StartContext, StartError};
use alumet_core::time::Monotonic;
use alumet_core::{AttributeValue, Attributes};

use crate::config::Config;
use crate::transform::Annotate;

/// Adds the transform.
#[derive(Debug)]
pub struct AnnotatePlugin;

impl Plugin for AnnotatePlugin {
    const ID: &'static str = "annotate";
    const SUMMARY: &'static str = "Adds attributes to series: constants, and facts about the host.";
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.selection(Monotonic::default()).map(|_| ())
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        let selection = config.selection(alumet.clock().now().monotonic)?;
        let mut attributes: Vec<(String, AttributeValue)> = Vec::new();
        for fact in config.host {
            let (name, file) = fact.row();
            let path = alumet.root().join(file);
            let reason = match fact.read(alumet.root()) {
                Ok(Some(text)) => {
                    // Not what it is: some identify the machine.
                    alumet.note(Finding::works(name, format!("from {}", path.display())));
                    attributes.push((name.to_owned(), text.into()));
                    continue;
                }
                Ok(None) => format!("{} does not say it", path.display()),
                Err(error) => format!("{} cannot be read: {error}", path.display()),
            };
            let remedy = format!("write it as a constant: attributes.{name} = \"…\"");
            if !alumet.is_trial() {
                tracing::warn!(fact = name, remedy, "{reason}; series do not get it");
            }
            alumet.note(Finding::limited(name, reason, remedy));
        }
        // What is written counts, and what is found otherwise.
        let constants = config.attributes.into_iter();
        attributes.extend(constants.map(|(key, value)| (key, value.into())));
        let attributes: Attributes = attributes.into_iter().collect();
        if !attributes.is_empty() {
            let keys = attributes.iter().map(|(key, _)| &**key);
            alumet.catalog().declare_attributes(keys);
            let transform = alumet.transform("attributes", Annotate::new(selection, attributes));
            // What others make of the samples gets them as well.
            for maker in [
                "process-to-cgroup-bridge",
                "energy-attribution",
                "energy-to-carbon",
                "aggregation",
            ] {
                transform.after(maker);
            }
        }
        Ok(Self)
    }
}
