//! What a controller has that shows power or energy.

use alumet_core::Failure;
use globset::GlobSet;
use serde_json::Value as Json;

use super::bmc::{Bmc, Got, link};
use super::reading::{Quantity, Reading, of_environment, of_power, of_sensor};

/// A resource, and what is measured of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    /// The `Id` of the chassis.
    pub(crate) chassis: String,
    pub(crate) path: String,
    pub(crate) readings: Vec<Reading>,
}

/// A list has no more pages than this.
const PAGES: usize = 100;

/// What the chassis that are wanted show: of each the environment, and what that lacks of the older resource of power or of
/// the sensors.
///
/// # Errors
/// When the controller does not answer, refuses, or has nothing of that.
pub(crate) async fn discover(bmc: &mut Bmc, wanted: &GlobSet) -> Result<Vec<Resource>, Failure> {
    let root = bmc.root().await?;
    let mut walk = Walk { bmc, refused: None };
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for path in walk.members(link(&root, "/Chassis")).await? {
        let Some(chassis) = walk.get(&path).await? else {
            continue;
        };
        let last = path.trim_end_matches('/').rsplit('/').next();
        let id = chassis.get("Id").and_then(Json::as_str).or(last);
        let id = id.unwrap_or_default();
        match wanted.is_match(id) {
            true => found.append(&mut walk.chassis(id, &chassis).await?),
            false => others.push(id.to_owned()),
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let url = walk.bmc.url();
    Err(Failure::retry(match (walk.refused, others.is_empty()) {
        (Some(refused), _) => refused,
        (None, true) => format!(
            "no chassis of {url} shows power or energy; check that the machine has such sensors, and that `user` may read them"
        ),
        (None, false) => format!(
            "no chassis of {url} that `chassis` names shows power or energy; there are {} as well",
            others.join(", ")
        ),
    }))
}

/// A walk through the resources of a controller.
struct Walk<'b> {
    bmc: &'b mut Bmc,
    /// Why one of them was not shown.
    refused: Option<String>,
}

impl Walk<'_> {
    async fn chassis(&mut self, id: &str, chassis: &Json) -> Result<Vec<Resource>, Failure> {
        let mut found: Vec<Resource> = Vec::new();
        let add = |path: &str, readings: Vec<Reading>, found: &mut Vec<Resource>| {
            if !readings.is_empty() {
                let (chassis, path) = (id.to_owned(), path.to_owned());
                found.push(Resource {
                    chassis,
                    path,
                    readings,
                });
            }
        };
        for (property, readings) in [
            ("/EnvironmentMetrics", of_environment as fn(&Json) -> Vec<Reading>),
            ("/Power", of_power),
        ] {
            let path = link(chassis, property).filter(|_| !has_power(&found));
            if let Some(path) = path
                && let Some(resource) = self.get(path).await?
            {
                add(path, readings(&resource), &mut found);
            }
        }
        if !has_power(&found) {
            let has_energy = !found.is_empty();
            for path in self.members(link(chassis, "/Sensors")).await? {
                let sensor = self.get(&path).await?;
                let reading = sensor.as_ref().and_then(of_sensor);
                let reading = reading.filter(|reading| !has_energy || reading.quantity == Quantity::Power);
                add(&path, reading.into_iter().collect(), &mut found);
            }
        }
        Ok(found)
    }

    /// The paths of the members of a collection.
    async fn members(&mut self, collection: Option<&str>) -> Result<Vec<String>, Failure> {
        let mut paths = Vec::new();
        let mut next = collection.map(str::to_owned);
        for _ in 0..PAGES {
            let Some(path) = next.take() else { break };
            let Some(page) = self.get(&path).await? else { break };
            let on_page = page.get("Members").and_then(Json::as_array);
            let on_page = on_page.into_iter().flatten();
            paths.extend(on_page.filter_map(|member| link(member, "").map(str::to_owned)));
            let more = page.get("Members@odata.nextLink").and_then(Json::as_str);
            next = more.filter(|path| path.starts_with('/')).map(str::to_owned);
        }
        Ok(paths)
    }

    /// A resource, unless it is gone or refused.
    async fn get(&mut self, path: &str) -> Result<Option<Json>, Failure> {
        Ok(match self.bmc.get(path).await? {
            Got::Resource(resource, _) => Some(resource),
            Got::Gone => None,
            Got::Refused(reason) => {
                self.refused.get_or_insert(reason);
                None
            }
        })
    }
}

fn has_power(found: &[Resource]) -> bool {
    let mut readings = found.iter().flat_map(|resource| &resource.readings);
    readings.any(|reading| reading.quantity == Quantity::Power)
}
