//! Every object is one that Kubernetes knows, from the oldest to the newest version that the validator has the schemas of.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::cases::each;
use crate::chart::{CHARTS, Chart, Helm};
use crate::program;
use crate::render::text;
use crate::switches::switches;

/// Of the versions that kubernetes-validate 1.37 has, the oldest, the newest and some between.
const VERSIONS: [&str; 4] = ["1.25", "1.29", "1.33", "1.37"];

/// The groups of what other projects have added to a cluster, whose schemas the validator lacks.
const OF_OTHERS: [&str; 2] = ["monitoring.coreos.com/", "cert-manager.io/"];

#[test]
fn every_object_keeps_to_the_schema_of_its_version() {
    let (Some(helm), Some(validator)) = (Helm::find(), program::find("kubernetes-validate")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut objects = BTreeSet::new();
    for (chart, arguments) in cases() {
        // From 1.25 to the newest, all get the same.
        let render = helm.render(chart, &format!("{arguments} --kube-version {}.0", VERSIONS[0]));
        let group = |object: &&Value| text(&object["apiVersion"]).to_owned();
        let is_known = |object: &&Value| !OF_OTHERS.iter().any(|other| group(object).starts_with(other));
        objects.extend(render.0.iter().filter(is_known).map(Value::to_string));
    }
    let mut files = Vec::new();
    for (number, object) in objects.into_iter().enumerate() {
        // JSON is YAML.
        let file = folder.path().join(format!("{number}.yaml"));
        fs::write(&file, object).unwrap();
        files.push(file);
    }
    assert!(!files.is_empty());
    each(&VERSIONS, |version| {
        let mut command = Command::new(&validator);
        command.args(["--strict", "--quiet", "-k", version]).args(&files);
        let message = program::output(&mut command).err();
        message
            .map(|message| format!("{version}: {message}"))
            .into_iter()
            .collect()
    });
}

/// The presets, and everything that can be switched, alone.
fn cases() -> Vec<(Chart, String)> {
    let mut all = Vec::new();
    for chart in CHARTS {
        all.extend(chart.preset_arguments().map(|preset| (chart, preset)));
        all.extend(switches(chart).iter().map(|switch| (chart, (*switch).to_owned())));
    }
    all
}
