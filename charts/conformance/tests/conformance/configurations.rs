//! The programs take every configuration that the charts write, whatever is switched on and off.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::alumet::{CLIENT_PLUGINS, SERVER_PLUGINS, needs};
use crate::cases::{each, pairs};
use crate::chart::{ALUMET, CHARTS, Helm};
use crate::program;
use crate::reference::configurations;
use crate::render::{Render, list, text, title};

/// `alumet-agent` and `alumet-server` of this build.
pub(crate) struct Programs([(&'static str, PathBuf); 2]);

impl Programs {
    pub(crate) fn find() -> Self {
        Self(["alumet-agent", "alumet-server"].map(|name| (name, program::of_this_build(name))))
    }

    /// What the programs say against the configurations of a release, each with the environment of the container that reads it.
    pub(crate) fn complaints(&self, render: &Render) -> Vec<String> {
        let mut found = Vec::new();
        for workload in render.workloads() {
            let pod = &workload["spec"]["template"]["spec"];
            for container in list(&pod["containers"]) {
                let image = text(&container["image"]);
                let Some((_, program)) = self
                    .0
                    .iter()
                    .find(|(name, _)| image.contains(&format!("/{name}")))
                else {
                    continue;
                };
                for config_map in mounted(render, pod, container) {
                    for (key, configuration) in configurations(config_map) {
                        if let Err(message) = check(program, configuration, &environment(container)) {
                            found.push(format!("{} {key}: {message}", title(config_map)));
                        }
                    }
                }
            }
        }
        found
    }
}

/// The config maps of the release that a container has as files.
fn mounted<'a>(render: &'a Render, pod: &'a Value, container: &'a Value) -> Vec<&'a Value> {
    let mounts = list(&container["volumeMounts"])
        .iter()
        .map(|mount| &mount["name"]);
    let volumes = mounts.filter_map(|name| {
        list(&pod["volumes"])
            .iter()
            .find(|volume| volume["name"] == *name)
    });
    let sources =
        volumes.flat_map(|volume| std::iter::once(volume).chain(list(&volume["projected"]["sources"])));
    sources
        .filter_map(|source| render.find("ConfigMap", text(&source["configMap"]["name"])))
        .collect()
}

/// The environment of a container; what a secret or the cluster gives is any text.
fn environment(container: &Value) -> BTreeMap<&str, &str> {
    let variable = |one: &'_ Value| one["name"].as_str().is_some();
    let variables = list(&container["env"]).iter().filter(|one| variable(one));
    variables
        .map(|one| {
            (
                text(&one["name"]),
                one["value"].as_str().unwrap_or("a-text-of-16-chars"),
            )
        })
        .collect()
}

/// Whether a program takes a configuration.
fn check(
    program: &PathBuf,
    configuration: &str,
    environment: &BTreeMap<&str, &str>,
) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(program);
    command.arg("--config").arg(&file).args(["config", "check"]);
    command.env_clear().envs(environment).current_dir(folder.path());
    program::output(&mut command)
}

#[test]
fn the_programs_take_the_configurations_of_every_pair_of_plugins() {
    let mut cases = Vec::new();
    for (part, plugins) in [("client", &CLIENT_PLUGINS[..]), ("server", &SERVER_PLUGINS[..])] {
        let switches: Vec<String> = plugins
            .iter()
            .map(|(name, is_on, id)| {
                format!(
                    "--set alumet-relay-{part}.plugins.{name}.enable={}{}",
                    !is_on,
                    needs(id)
                )
            })
            .collect();
        let switches: Vec<&str> = switches.iter().map(String::as_str).collect();
        cases.extend(pairs(&switches));
    }
    let Some(helm) = Helm::find() else { return };
    let programs = Programs::find();
    each(&cases, |arguments| {
        match helm.render_or_refusal(ALUMET, arguments) {
            Ok(Some(render)) => {
                let found = programs.complaints(&render).into_iter();
                found.map(|one| format!("{arguments}: {one}")).collect()
            }
            Ok(None) => Vec::new(),
            Err(message) => vec![message],
        }
    });
}

#[test]
fn a_release_has_configurations_of_both_programs() {
    let Some(helm) = Helm::find() else { return };
    for chart in CHARTS {
        let mut images = Vec::new();
        let render = helm.render(chart, "");
        for workload in render.workloads() {
            let pod = &workload["spec"]["template"]["spec"];
            for container in list(&pod["containers"]) {
                let maps = mounted(&render, pod, container);
                if maps.iter().any(|one| !configurations(one).is_empty()) {
                    images.push(text(&container["image"]).to_owned());
                }
            }
        }
        for program in ["/alumet-agent:", "/alumet-server:"] {
            assert!(
                images.iter().any(|image| image.contains(program)),
                "{}: {program} {images:?}",
                chart.folder
            );
        }
    }
}
