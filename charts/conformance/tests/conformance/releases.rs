//! The charts as packages: of the version of the workspace, and complete.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::chart::{CHARTS, Helm, PIPELINE};
use crate::program::{self, root};
use crate::render::{Render, list, text};

/// The `Chart.yaml` of a folder.
fn description(folder: &str) -> Value {
    let text = fs::read_to_string(root().join(folder).join("Chart.yaml")).unwrap();
    Render::of(&text).unwrap().0.remove(0)
}

#[test]
fn the_charts_have_the_version_of_the_workspace() {
    let mut folders: Vec<String> = CHARTS.iter().map(|chart| chart.folder.to_owned()).collect();
    let parts = fs::read_dir(root().join("charts/alumet/charts")).unwrap();
    let parts = parts.map(|part| part.unwrap().file_name().into_string().unwrap());
    folders.extend(
        parts
            .filter(|name| name != "common")
            .map(|name| format!("charts/alumet/charts/{name}")),
    );
    for folder in folders {
        let chart = description(&folder);
        // The versions of this chart go on from those that were documented before.
        if folder != PIPELINE.folder {
            assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"), "{folder}");
        }
        // InfluxDB has a version of its own.
        if !folder.ends_with("influxdb2") {
            assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"), "{folder}");
        }
    }
}

#[test]
fn a_package_holds_all_that_a_render_needs() {
    let Some(helm) = Helm::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    for chart in CHARTS {
        helm.run(&format!(
            "package {} -d {}",
            chart.folder,
            folder.path().display()
        ))
        .unwrap();
        let name = chart.folder.rsplit('/').next().unwrap();
        let package = folder.path().join(format!(
            "{name}-{}.tgz",
            text(&description(chart.folder)["version"])
        ));
        let line = format!("template {} {} -n test", chart.release, package.display());
        let kinds =
            |render: Render| -> BTreeSet<String> { render.0.iter().map(crate::render::title).collect() };
        assert_eq!(
            kinds(Render::of(&helm.run(&line).unwrap()).unwrap()),
            kinds(helm.render(chart, ""))
        );
        let files = program::output(Command::new("tar").arg("-tzf").arg(&package)).unwrap();
        for file in ["README.md", "values.schema.json", "UPGRADING.md"] {
            assert!(
                files.lines().any(|line| line == format!("{name}/{file}")),
                "{name}: {file}"
            );
        }
    }
    helm.run(&format!("repo index {}", folder.path().display()))
        .unwrap();
    let index = fs::read_to_string(folder.path().join("index.yaml")).unwrap();
    let index = Render::of(&index).unwrap().0.remove(0);
    assert_eq!(index["entries"].as_object().unwrap().len(), CHARTS.len());
}

#[test]
fn a_chart_says_of_itself_what_a_hub_shows() {
    for chart in CHARTS {
        let about = description(chart.folder);
        for key in ["description", "home", "kubeVersion"] {
            assert!(!text(&about[key]).is_empty(), "{}: {key}", chart.folder);
        }
        assert!(
            !list(&about["sources"]).is_empty() && !list(&about["keywords"]).is_empty(),
            "{}",
            chart.folder
        );
        assert!(
            !about["annotations"]["artifacthub.io/license"].is_null(),
            "{}",
            chart.folder
        );
    }
}
