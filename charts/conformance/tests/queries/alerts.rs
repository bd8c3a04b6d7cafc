//! The rules.

use std::process::Command;

use alumet_shared_output_testkit::find;
use regex::Regex;

use crate::api::Api;
use crate::dashboard::{charts, list, text};

/// What is wrong with the rules in a Prometheus that watches programs which are well: those that cannot be evaluated or record
/// nothing, and alerts.
pub(crate) fn all_are_quiet(api: &Api) -> Vec<String> {
    let groups = match api.ask("rules") {
        Ok(data) => list(&data["groups"]).to_vec(),
        Err(error) => return vec![error],
    };
    let rules = groups.iter().flat_map(|group| list(&group["rules"]));
    let fault = |rule: &serde_json::Value| {
        let name = text(&rule["name"]);
        if rule["health"] != "ok" {
            return Some(format!("{name}: {}", rule["lastError"]));
        }
        match text(&rule["type"]) {
            "alerting" => (rule["state"] != "inactive").then(|| format!("{name}: {}", rule["alerts"])),
            _ => {
                let data = api.ask(&format!("query?query={name}"));
                let is_there = data.is_ok_and(|data| !list(&data["result"]).is_empty());
                (!is_there).then(|| format!("{name} has no series"))
            }
        }
    };
    let faults: Vec<_> = rules.clone().filter_map(fault).collect();
    match rules.count() {
        0 => vec!["there are no rules".to_owned()],
        _ => faults,
    }
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let folder = charts().join("rules");
    let [rules, tests] =
        ["alumet.yaml", "tests.yaml"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    let names = Regex::new(r"- alert: (\w+)").unwrap();
    for name in names.captures_iter(&rules).map(|found| found[1].to_owned()) {
        assert!(
            tests.contains(&format!("alertname=\"{name}\"")),
            "{name} is not tried"
        );
    }
    let Some(promtool) = find("promtool", "apt-get install prometheus") else {
        return;
    };
    for arguments in [["check", "rules", "alumet.yaml"], ["test", "rules", "tests.yaml"]] {
        let output = Command::new(&promtool)
            .args(arguments)
            .current_dir(&folder)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}
