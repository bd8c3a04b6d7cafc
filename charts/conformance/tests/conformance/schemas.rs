//! Every object is one that Kubernetes knows, in all versions that the validator has the schemas of.

use std::fs;
use std::process::Command;

use crate::cases::each;
use crate::chart::{CHARTS, Chart, Helm};
use crate::program;
use crate::render::text;
use crate::switches::switches;

/// The versions that kubernetes-validate 1.37 has.
const VERSIONS: [&str; 13] = [
    "1.25", "1.26", "1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37",
];

/// The groups of what other projects have added to a cluster, whose schemas the validator lacks.
const OF_OTHERS: [&str; 2] = ["monitoring.coreos.com/", "cert-manager.io/"];

#[test]
fn every_object_keeps_to_the_schema_of_its_version() {
    let (Some(helm), Some(validator)) = (Helm::find(), program::find("kubernetes-validate")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (index, (chart, arguments)) in cases().into_iter().enumerate() {
        // From 1.25 to the newest, all get the same.
        let render = helm.render(chart, &format!("{arguments} --kube-version {}.0", VERSIONS[0]));
        for (number, object) in render.0.iter().enumerate() {
            let group = text(&object["apiVersion"]);
            if !OF_OTHERS.iter().any(|other| group.starts_with(other)) {
                // JSON is YAML.
                let file = folder.path().join(format!("{index}-{number}.yaml"));
                fs::write(&file, object.to_string()).unwrap();
                files.push(file);
            }
        }
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
