use alumet_core::plugin::Faults;
use alumet_shared_http_delivery::HttpConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::addresses::Address;

/// Which collectors are asked, and what becomes of an answer that lacks some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CollectorsConfig {
    /// Who is asked: addresses such as `"https://collector-1.example:8081"`, or `"dns:collectors.example:8081"` for all machines
    /// that have this name, looked up again every few seconds; `"dns:https://collectors.example:8081"` with TLS.
    pub addresses: Vec<String>,
    /// How many collectors there are at least. A name that has fewer addresses, for instance because Kubernetes hides those that
    /// are not ready, is then noticed.
    pub at_least: usize,
    /// What an answer is worth that lacks a collector.
    pub partial: Partial,
    /// How this program speaks with collectors.
    #[serde(flatten)]
    pub http: HttpConfig,
}

/// What an answer is worth that lacks a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Partial {
    /// Nothing: the question fails.
    #[default]
    Refuse,
    /// It is given, and says who is missing; so do the log and the status.
    Allow,
}

impl Default for CollectorsConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            at_least: 1,
            partial: Partial::default(),
            http: HttpConfig::default(),
        }
    }
}

impl CollectorsConfig {
    /// Refuses what types cannot.
    ///
    /// # Errors
    /// The keys that are wrong and what would be right.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if self.addresses.is_empty() {
            faults.add("addresses", "write the address of at least one collector");
        }
        for address in &self.addresses {
            match Address::parse(address) {
                Ok(address) => self.http.check("addresses", &address.example(), &mut faults),
                Err(why) => faults.add("addresses", why),
            }
            // What is wrong for one may be wrong for all.
            if faults != Faults::default() {
                break;
            }
        }
        faults.or_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(toml: &str) -> Option<Vec<String>> {
        let config: CollectorsConfig = toml::from_str(toml).unwrap();
        config.check().err().map(|faults| faults.keys())
    }

    #[test]
    fn addresses_are_checked() {
        for addresses in [
            "[]",
            "['collector']",
            "['dns:name']",
            "['dns:a b:1']",
            "['dns::8']",
        ] {
            let toml = format!("addresses = {addresses}");
            assert_eq!(fault(&toml), Some(vec!["addresses".to_owned()]), "{toml}");
        }
        let right = "addresses = ['http://c:1', 'dns:c.d:8081', 'dns:http://c:1']\npartial = 'allow'";
        assert_eq!(fault(right), None);
        assert_eq!(fault("addresses = ['dns:https://c:1']\ntls = { ca = 'f' }"), None);
    }
}
