//! From the configuration to the source.

use std::collections::BTreeSet;
use std::time::Duration;

use alumet_core::metric::{Metric, Quality};
use alumet_core::plugin::{Faults, Plugin, StartContext, StartError};
use alumet_core::value::ValueType;
use alumet_shared_grid5000::{Machine, SITE};
use alumet_shared_http_delivery::HttpClient;
use alumet_shared_trust::try_server;
use hashbrown::HashMap;

use crate::answer::meaning;
use crate::config::Config;
use crate::source::{Kwollect, KwollectSource};

/// Takes values from Kwollect.
#[derive(Debug)]
pub struct KwollectInputPlugin;

/// How long the server may take while the plugin is only tried.
const TRIAL: Duration = Duration::from_secs(10);

/// Of how long ago values are looked for then.
const RECENT: Duration = Duration::from_secs(120);

impl Plugin for KwollectInputPlugin {
    const ID: &'static str = "kwollect-input";
    const SUMMARY: &'static str = "Takes what wattmeters and others have measured of a machine from Kwollect, the monitoring of Grid'5000.";
    const OLD_KEYS: &'static [(&'static str, &'static str)] = &[("login", "user")];
    type Config = Config;

    fn check(config: &Config) -> Result<(), Faults> {
        config.check()
    }

    fn start(config: Config, alumet: &mut StartContext<'_>) -> Result<Self, StartError> {
        if config.utc_offset.is_some() {
            tracing::warn!("`utc_offset` has no effect: each value says its own time zone; remove the key");
        }
        let machine = Machine::this()?;
        let url = match &config.site {
            Some(site) => config.url.replace(SITE, site),
            None => machine.url("url", &config.url)?,
        };
        let device = config.hostname.as_deref().unwrap_or(machine.device());
        let names = config.metrics.all();
        let client = HttpClient::new("url", &url, &config.http)?;
        client.try_out(client.get(""), alumet)?;
        let server = Kwollect::new(client, device, names);
        if alumet.is_trial() {
            let now = alumet.clock().now().wall;
            let subject = format!("values of {device}");
            let remedy =
                "check `site`, `hostname` and `metrics`, and that the job asks for them (`-t monitor='…'`)";
            alumet.note(try_server(subject, TRIAL, remedy, async {
                let values = server.ask(now.saturating_sub(RECENT), now).await;
                let values = values.map_err(|failure| failure.to_string())?;
                let found: BTreeSet<_> = values.iter().map(|value| value.key.metric.as_str()).collect();
                let missing: Vec<_> = names
                    .iter()
                    .filter(|name| !found.contains(name.as_str()))
                    .collect();
                match missing.is_empty() {
                    true => Ok(format!("{} in the last two minutes", values.len())),
                    false => Err(format!(
                        "in the last two minutes there is no value of {missing:?}"
                    )),
                }
            }));
        }
        let mut metrics = HashMap::new();
        for name in names {
            let (unit, kind) = meaning(name);
            let id = alumet.catalog().register_metric(Metric {
                name: name.clone().into(),
                kind,
                value_type: ValueType::F64,
                unit,
                description: "What Kwollect has under this name.".into(),
                quality: Quality::Measured,
            })?;
            metrics.insert(name.clone(), alumet.catalog().typed_metric(id)?);
        }
        alumet.catalog().declare_attributes(["metric_id"]);
        let source = KwollectSource {
            server,
            interval: *config.poll_interval,
            metrics,
            known: HashMap::new(),
            began: None,
            since: None,
        };
        alumet.event_source("kwollect", source);
        Ok(Self)
    }
}
