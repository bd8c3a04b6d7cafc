//! Which graphics processors there are, and what is known of each.

use std::collections::BTreeMap;

use alumet_shared_query::{Label, Range, Selector, SeriesEntry};
use serde::Serialize;
use utoipa::ToSchema;

use crate::asker::Asker;
use crate::error::ApiError;

/// A graphics processor.
#[derive(Debug)]
pub(crate) struct Gpu {
    /// The node that it is in; empty for this machine.
    pub(crate) node: String,
    /// The id of the resource.
    pub(crate) resource: String,
    /// What its series say of it, the newest last word.
    attributes: BTreeMap<String, String>,
}

/// What is known of a graphics processor; a text that is not known is empty.
#[derive(Serialize, ToSchema)]
pub(super) struct GpuView {
    /// The id by which it is asked for.
    gpu_id: String,
    uuid: String,
    /// Its number in its machine.
    gpu_index: Option<u64>,
    /// Its device, or the id of the resource that it is.
    device_id: String,
    hostname: String,
    model_name: String,
    container: String,
    pod: String,
    namespace: String,
}

/// The attributes with the UUID: that of NVML, and as DCGM writes it.
const UUID: [&str; 2] = ["uuid", "UUID"];
/// What tells what a graphics processor is, and not which of its series one is.
const DESCRIPTION: [&str; 15] = [
    "node",
    "uuid",
    "UUID",
    "model",
    "modelName",
    "index",
    "gpu",
    "device",
    "driver",
    "pci_bus_id",
    "hostname",
    "Hostname",
    "container",
    "pod",
    "namespace",
];

/// The series of graphics processors themselves, and not of who uses them.
pub(crate) fn selector() -> Selector {
    Selector::default()
        .with(Label::ResourceKind, "gpu")
        .with(Label::ConsumerKind, "local_machine")
}

/// All that may be seen, in the order of their ids.
///
/// # Errors
/// When the store cannot say.
pub(crate) async fn all(asker: &Asker) -> Result<Vec<Gpu>, ApiError> {
    let mut all = among(selector(), asker).await?;
    all.sort_by_cached_key(Gpu::id);
    Ok(all)
}

/// The one with this id, or the only one whose resource has it.
///
/// # Errors
/// 404 when there is none, 400 when there are several.
pub(super) async fn find(asker: &Asker, id: &str) -> Result<Gpu, ApiError> {
    // Those that find all series of it, and not only those that tell its UUID.
    const WHOLE: bool = true;
    let mut ways = vec![(selector().with(Label::ResourceId, id), WHOLE)];
    ways.extend(UUID.map(|label| (selector().with(label, id), !WHOLE)));
    if let Some((node, resource)) = id.rsplit_once('/') {
        let way = selector().with("node", node).with(Label::ResourceId, resource);
        ways.push((way, WHOLE));
    }
    for (way, is_whole) in ways {
        let mut found = among(way, asker).await?;
        let Some(gpu) = found.pop() else { continue };
        if !found.is_empty() {
            let message = format!("several nodes have a GPU `{id}`; /api/v1/gpus tells what to ask for");
            return Err(ApiError::bad_request(message));
        }
        if is_whole {
            return Ok(gpu);
        }
        let mut found = among(gpu.selector(), asker).await?;
        return Ok(found.pop().unwrap_or(gpu));
    }
    let message = format!("there is no GPU `{id}`; /api/v1/gpus names all");
    Err(ApiError::not_found(message))
}

async fn among(selector: Selector, asker: &Asker) -> Result<Vec<Gpu>, ApiError> {
    let mut entries = asker
        .backend()
        .series(&selector, Range::ALL, asker.budget())
        .await?;
    entries.sort_by_key(|entry| entry.last_at);
    let mut gpus: BTreeMap<(String, String), Gpu> = BTreeMap::new();
    for SeriesEntry { series, .. } in entries {
        let node = series.label(&"node".into()).unwrap_or_default().into_owned();
        let resource = series.resource.id().into_owned();
        let key = (node.clone(), resource.clone());
        let gpu = gpus.entry(key).or_insert(Gpu {
            node,
            resource,
            attributes: BTreeMap::new(),
        });
        for (name, value) in series.attributes.iter() {
            gpu.attributes.insert(name.to_string(), value.to_string());
        }
    }
    Ok(gpus.into_values().collect())
}

/// Whether an attribute tells what a graphics processor is.
pub(super) fn describes(attribute: &str) -> bool {
    DESCRIPTION.contains(&attribute)
}

impl Gpu {
    /// By which clients ask for it.
    pub(crate) fn id(&self) -> String {
        let uuid = self.first(&UUID);
        // `0000:65:00.0`: every node may have it.
        let is_address = self.resource.split([':', '.']).count() >= 3;
        match () {
            () if !uuid.is_empty() => uuid.to_owned(),
            () if is_address && !self.node.is_empty() => format!("{}/{}", self.node, self.resource),
            () => self.resource.clone(),
        }
    }

    /// Its own series.
    pub(super) fn selector(&self) -> Selector {
        selector()
            .with("node", &self.node)
            .with(Label::ResourceId, &self.resource)
    }

    /// The machine that it is in; `host` is what this one is called.
    pub(super) fn hostname<'a>(&'a self, host: &'a str) -> &'a str {
        match self.node.as_str() {
            "" => match self.first(&["hostname", "Hostname"]) {
                "" => host,
                name => name,
            },
            node => node,
        }
    }

    pub(super) fn view(&self, host: &str) -> GpuView {
        let own = |names: &[&str]| self.first(names).to_owned();
        let device = self.first(&["device"]);
        GpuView {
            gpu_id: self.id(),
            uuid: own(&UUID),
            gpu_index: self.first(&["index", "gpu"]).parse().ok(),
            device_id: if device.is_empty() { &self.resource } else { device }.to_owned(),
            hostname: self.hostname(host).to_owned(),
            model_name: own(&["model", "modelName"]),
            container: own(&["container"]),
            pod: own(&["pod"]),
            namespace: own(&["namespace"]),
        }
    }

    fn first(&self, names: &[&str]) -> &str {
        let mut values = names.iter().filter_map(|name| self.attributes.get(*name));
        values.next().map_or("", String::as_str)
    }
}
