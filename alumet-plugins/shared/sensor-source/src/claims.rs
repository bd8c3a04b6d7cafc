//! Which sensors are whose.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alumet_core::services::Services;
use parking_lot::Mutex;

/// The folders of sensor chips that plugins measure which know the device behind the chip. A plugin that measures every sensor
/// leaves these out.
#[derive(Debug, Default)]
pub struct SensorClaims(Mutex<BTreeMap<&'static str, BTreeSet<PathBuf>>>);

impl SensorClaims {
    /// Those of all plugins of the program.
    pub fn shared(services: &Services) -> Arc<Self> {
        let Ok(claims) = services.get_or_try_insert(|| Ok::<_, Infallible>(Self::default()));
        claims
    }

    /// Whether a plugin measures the chip with this folder, such as `/sys/class/hwmon/hwmon2`.
    pub fn is_claimed(&self, folder: &Path) -> bool {
        let folder = resolved(folder);
        self.0.lock().values().any(|folders| folders.contains(&folder))
    }
}

/// The claims of one plugin, which end when it is dropped.
#[derive(Debug)]
pub struct Claim {
    plugin: &'static str,
    claims: Arc<SensorClaims>,
}

impl Claim {
    /// Nothing yet, for the plugin with this name.
    pub fn new(plugin: &'static str, services: &Services) -> Self {
        let claims = SensorClaims::shared(services);
        Self { plugin, claims }
    }

    /// Replaces what the plugin has claimed before.
    pub fn set<P: AsRef<Path>>(&self, folders: impl IntoIterator<Item = P>) {
        let folders = folders.into_iter().map(|folder| resolved(folder.as_ref()));
        let folders = folders.collect();
        self.claims.0.lock().insert(self.plugin, folders);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.0.lock().remove(self.plugin);
    }
}

/// The same chip is reached by its device and by its class.
fn resolved(folder: &Path) -> PathBuf {
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf())
}
