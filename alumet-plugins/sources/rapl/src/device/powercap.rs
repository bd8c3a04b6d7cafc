//! The zones of `/sys/class/powercap`: `intel-rapl`, also on AMD, and `intel-rapl-mmio`.
//!
//! Format: `Documentation/power/powercap/powercap.rst`; names of zones: `drivers/powercap/intel_rapl_common.c`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use alumet_reader_kernel_file::fields::number;
use alumet_reader_kernel_file::{Extent, KeptFile, ReadError};

use super::cpus::Vendor;
use super::{Cpus, Domain, Found, Interface, Meter, Place, Refused, Zone, merge};

/// Where zones are: the links of the class, and what they point to.
const FOLDERS: [&str; 2] = ["sys/class/powercap", "sys/devices/virtual/powercap"];

/// What is to be done about a zone that has gone.
const MEND: &str = "load the module `intel_rapl_msr`, or bring its processor online";

/// Folders and the content of `name`, by the names of the zones, such as `intel-rapl:0:1`.
type Zones = BTreeMap<String, (PathBuf, String)>;

/// Lists the zones of RAPL. One that is odd does not disturb the others.
pub(super) fn find(root: &Path, cpus: &Cpus) -> Found {
    let mut zones = Zones::new();
    for folder in FOLDERS {
        list(&root.join(folder), &mut zones);
    }
    let mut found = Found::nothing(Interface::Powercap);
    let mut by_type: BTreeMap<&str, Vec<Zone>> = BTreeMap::new();
    for (zone, (folder, name)) in &zones {
        let Some(place) = place_of(zone, &zones) else {
            found
                .left_out
                .push(format!("the zone {zone} (`{name}`) is not known"));
            continue;
        };
        if place.domain == Domain::Pp0 && cpus.model.vendor == Vendor::Amd {
            found.left_out.push(format!(
                "the zone {zone} shows one core of package {} for all",
                place.package
            ));
            continue;
        }
        match open(folder, place) {
            Ok(open) => by_type.entry(type_of(zone)).or_default().push(open),
            Err(error @ ReadError::PermissionDenied { .. }) => found.refused.push(refused(place, error)),
            Err(error) => found
                .left_out
                .push(format!("the zone {zone} cannot be read: {error}")),
        }
    }
    // The same counters by another way: `intel-rapl` comes first, and others only if they show more.
    let mut types: Vec<_> = by_type.into_iter().collect();
    types.sort_by_key(|(_, zones)| std::cmp::Reverse(zones.len()));
    let (names, groups): (Vec<_>, Vec<_>) = types.into_iter().unzip();
    found.left_out.extend(names.iter().skip(1).map(|name| {
        format!(
            "{name} counts what {} counts, and is read only for what that lacks",
            names[0]
        )
    }));
    found.zones = merge(groups);
    found
}

/// Adds the zones below a folder. The class has links to all of them side by side; elsewhere they are nested.
fn list(folder: &Path, zones: &mut Zones) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(zone) = entry.file_name().into_string() else {
            continue;
        };
        if !zone.starts_with("intel-rapl") {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), zones);
        }
        if zone.contains(':')
            && let Ok(name) = fs::read_to_string(entry.path().join("name"))
        {
            zones
                .entry(zone)
                .or_insert((entry.path(), name.trim().to_owned()));
        }
    }
}

/// The control type of a zone: `intel-rapl` of `intel-rapl:0:1`.
fn type_of(zone: &str) -> &str {
    zone.split(':').next().unwrap_or(zone)
}

/// What a zone counts, by its name and that of the zone around it.
fn place_of(zone: &str, zones: &Zones) -> Option<Place> {
    let (_, name) = zones.get(zone)?;
    if let Some(package) = package_of(name) {
        return Some(package);
    }
    let domain = match name.as_str() {
        "psys" => {
            return Some(Place {
                domain: Domain::Platform,
                package: 0,
                die: None,
                cpu: None,
            });
        }
        "core" => Domain::Pp0,
        "uncore" => Domain::Pp1,
        "dram" => Domain::Dram,
        _ => return None,
    };
    let (_, parent) = zones.get(zone.rsplit_once(':')?.0)?;
    Some(Place {
        domain,
        ..package_of(parent)?
    })
}

/// The place of `package-1`, or `package-1-die-0`.
fn package_of(name: &str) -> Option<Place> {
    let parsed = |text: &str| number(text.as_bytes())?.try_into().ok();
    let rest = name.strip_prefix("package-")?;
    let (package, die) = match rest.split_once("-die-") {
        Some((package, die)) => (package, Some(parsed(die)?)),
        None => (rest, None),
    };
    Some(Place {
        domain: Domain::Package,
        package: parsed(package)?,
        die,
        cpu: None,
    })
}

fn open(folder: &Path, place: Place) -> Result<Zone, ReadError> {
    let read = |file: &str| number(fs::read(folder.join(file)).ok()?.trim_ascii());
    let constraints = (0..3).filter_map(|index| read(&format!("constraint_{index}_max_power_uw")));
    let stated = constraints.max().map(|microwatts| microwatts as f64 / 1e6);
    let file = KeptFile::new(folder.join("energy_uj"), Extent::OneRecord, MEND);
    let mut zone = Zone {
        place,
        interface: Interface::Powercap,
        meter: Meter::Powercap(file),
        per_joule: 1e6,
        max: read("max_energy_range_uj").map(max_of_range),
        max_watts: place.domain.max_watts(stated),
    };
    match zone.meter.read() {
        // It may work a moment later.
        Err(ReadError::Io { .. } | ReadError::Parse { .. }) | Ok(_) => Ok(zone),
        Err(error) => Err(error),
    }
}

/// The last microjoule before the counter begins again. The file shows what the highest value of a register of 32 bits
/// stands for (`get_max_energy_counter`); the wrap takes one step of the register more, such as 61 µJ.
const fn max_of_range(range: u64) -> u64 {
    let step = (range + (u32::MAX / 2) as u64) / u32::MAX as u64;
    range + step.saturating_sub(1)
}

fn refused(place: Place, error: ReadError) -> Refused {
    let remedy = match &error {
        ReadError::PermissionDenied { path, .. } => format!(
            "grant CAP_DAC_READ_SEARCH: `sudo setcap cap_dac_read_search=ep $(command -v alumet-agent)`, or this file to \
             all: `sudo chmod a+r {}`",
            path.display()
        ),
        _ => String::new(),
    };
    Refused {
        place: Some(place),
        error,
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wrap_of_a_register_is_one_step_after_its_highest_value() {
        // 2^32 steps of 61.035 µJ are 262 143 328 911.36 µJ.
        assert_eq!(max_of_range(262_143_328_850) + 1, 262_143_328_911);
        // AMD counts in steps of 15.3 µJ.
        assert_eq!(max_of_range(65_712_999_613) + 1, 65_712_999_628);
        assert_eq!(max_of_range(1000), 1000);
    }

    #[test]
    fn packages_and_dies_are_told_by_their_names() {
        let place = |name| package_of(name).map(|place| (place.package, place.die));
        assert_eq!(place("package-1"), Some((1, None)));
        assert_eq!(place("package-10-die-3"), Some((10, Some(3))));
        for odd in [
            "package-",
            "package-a",
            "package-0-die-",
            "package-0-1",
            "core",
            "",
        ] {
            assert_eq!(place(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_taken_or_refused(name in "(package-|-die-|[0-9:a]|.){0,6}", zone in "[a-z:0-9]{0,9}") {
            let zones = Zones::from([(zone.clone(), (PathBuf::new(), name))]);
            let _ = place_of(&zone, &zones);
        }

        #[test]
        fn any_range_has_a_maximum(range in 0..1_u64 << 60) {
            prop_assert!(max_of_range(range) >= range);
        }
    }
}
