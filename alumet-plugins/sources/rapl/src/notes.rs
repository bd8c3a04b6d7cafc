//! What was found of RAPL, in words.

use alumet_core::plugin::{Finding, StartContext, Verdict};

use crate::device::{Cpus, Domain, Found, Interface, Refused, Zone};

const SUBJECT: &str = "RAPL";

/// Notes what is measured and why so, and logs it when measuring is about to begin.
pub(crate) fn note(found: &[Found], zones: &[Zone], cpus: &Cpus, alumet: &mut StartContext<'_>) {
    let mut findings = refused(found, zones);
    if !zones.is_empty() {
        findings.insert(0, Finding::works(SUBJECT, measured(found, zones)));
    } else if findings.is_empty() {
        findings.push(absent(found, cpus));
    }
    for finding in findings {
        if !alumet.is_trial() {
            let Finding { subject, detail, .. } = &finding;
            match finding.verdict {
                Verdict::Works | Verdict::Absent => {
                    tracing::info!(remedy = finding.remedy, "{subject}: {detail}");
                }
                _ => tracing::warn!(remedy = finding.remedy, "{subject}: {detail}"),
            }
        }
        alumet.note(finding);
    }
}

/// Which domains come from where, and why not from the others.
fn measured(found: &[Found], zones: &[Zone]) -> String {
    let of = |interface: Interface| zones.iter().filter(move |zone| zone.interface == interface);
    let mut parts = Vec::new();
    for Found {
        interface,
        refused,
        left_out,
        ..
    } in found
    {
        let name = interface.as_str();
        let domains = Domain::ALL.into_iter();
        let domains: Vec<_> = domains
            .filter(|domain| of(*interface).any(|zone| zone.place.domain == *domain))
            .map(Domain::as_str)
            .collect();
        match (domains.is_empty(), refused.first()) {
            (false, _) => parts.push(format!("{} through {name}", domains.join(", "))),
            (true, Some(refused)) => parts.push(format!("{name} refused: {}", refused.error)),
            // It shows none, or only what others show.
            (true, None) => parts.push(format!("none through {name}")),
        }
        parts.extend(left_out.iter().cloned());
    }
    let mut packages: Vec<_> = zones.iter().map(|zone| zone.place.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let plural = if packages.len() == 1 { "" } else { "s" };
    format!("{} package{plural}: {}", packages.len(), parts.join("; "))
}

/// What may not be read, for each interface, unless another one shows the same.
fn refused(found: &[Found], zones: &[Zone]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Found {
        interface, refused, ..
    } in found
    {
        let is_lacking = |refused: &&Refused| match refused.place {
            Some(place) => !zones
                .iter()
                .any(|zone| (zone.place.domain, zone.place.package) == (place.domain, place.package)),
            None => zones.is_empty(),
        };
        let lacking: Vec<_> = refused.iter().filter(is_lacking).collect();
        let Some(first) = lacking.first() else { continue };
        let subject = format!("{SUBJECT} through {}", interface.as_str());
        let mut detail = first.error.to_string();
        if lacking.len() > 1 {
            detail = format!("{detail}; {} more are refused", lacking.len() - 1);
        }
        findings.push(match zones.is_empty() {
            true => Finding::broken(subject, detail, first.remedy.clone()),
            false => Finding::limited(subject, detail, first.remedy.clone()),
        });
    }
    findings
}

fn absent(found: &[Found], cpus: &Cpus) -> Finding {
    let left_out: Vec<_> = found
        .iter()
        .flat_map(|found| &found.left_out)
        .map(String::as_str)
        .collect();
    if !left_out.is_empty() {
        return Finding::absent(SUBJECT, left_out.join("; "));
    }
    let nothing = "no perf events, no powercap zones and no MSR that count energy";
    match cpus.has_rapl() {
        true => Finding {
            remedy: Some("sudo modprobe rapl; sudo modprobe intel_rapl_msr; sudo modprobe msr".to_owned()),
            ..Finding::absent(SUBJECT, nothing)
        },
        false => Finding::absent(
            SUBJECT,
            format!(
                "{nothing}, which is normal in a virtual machine: `energy-estimation-tdp` estimates there"
            ),
        ),
    }
}
