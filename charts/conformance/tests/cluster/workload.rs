//! A program of the charts as a process, with what its workload in the API server says.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alumet_charts_conformance::of_this_build;
use alumet_shared_output_testkit::{LONG, Program, free_port};
use serde_json::Value;

use crate::release::Release;

/// A text in which `$(NAME)` is replaced by the variable of this name.
fn expanded(text: &str, environment: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (name, value) in environment {
        text = text.replace(&format!("$({name})"), value);
    }
    text
}

/// The first container of a workload, and the volumes of its pod.
struct Pod<'a> {
    release: &'a Release,
    container: Value,
    volumes: Vec<Value>,
}

impl<'a> Pod<'a> {
    fn of(release: &'a Release, kind: &str, name: &str) -> Self {
        let mut object = release.get(kind, &format!("{}-{name}", release.name));
        let mut spec = object["spec"]["template"]["spec"].take();
        Self {
            release,
            container: spec["containers"][0].take(),
            volumes: spec["volumes"].as_array().unwrap().clone(),
        }
    }

    /// The variables of the container on the node `n1`.
    fn environment(&self) -> Vec<(String, String)> {
        let variables = self.container["env"].as_array().cloned().unwrap_or_default();
        let value = |variable: &Value| {
            let from = &variable["valueFrom"];
            let secret = &from["secretKeyRef"];
            match (from["fieldRef"]["fieldPath"].as_str(), secret["name"].as_str()) {
                (Some("spec.nodeName"), _) => "n1".to_owned(),
                (Some("metadata.name"), _) => "pod".to_owned(),
                (Some(_), _) => "127.0.0.1".to_owned(),
                (None, Some(name)) => self.release.secret(name, secret["key"].as_str().unwrap()),
                (None, None) => variable["value"].as_str().unwrap_or_default().to_owned(),
            }
        };
        let mut environment = Vec::new();
        for variable in &variables {
            let value = expanded(&value(variable), &environment);
            environment.push((variable["name"].as_str().unwrap().to_owned(), value));
        }
        environment
    }

    /// Writes the files of ConfigMaps and Secrets below a folder, at the places where the container has them.
    fn mount(&self, folder: &Path) {
        for mount in self.container["volumeMounts"].as_array().unwrap() {
            let volume = self.volumes.iter().find(|volume| volume["name"] == mount["name"]);
            // A claim of a StatefulSet is none of them.
            let Some(volume) = volume else { continue };
            let (kind, name) = match (&volume["configMap"]["name"], &volume["secret"]["secretName"]) {
                (Value::String(name), _) => ("configmap", name),
                (_, Value::String(name)) => ("secret", name),
                _ => continue,
            };
            let chosen = volume["configMap"]["items"].as_array();
            let is_chosen =
                |key: &str| chosen.is_none_or(|items| items.iter().any(|item| item["key"] == key));
            let place = folder.join(mount["mountPath"].as_str().unwrap().trim_start_matches('/'));
            for (key, value) in self.release.get(kind, name)["data"].as_object().unwrap() {
                let text = match kind {
                    "secret" => self.release.secret(name, key),
                    _ => value.as_str().unwrap().to_owned(),
                };
                let file = match mount["subPath"].as_str() {
                    None if is_chosen(key) => place.join(key),
                    Some(path) if path == key => place.clone(),
                    _ => continue,
                };
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
        }
    }
}

/// Starts a program of this workspace as the one of a workload. Its health is at the port of the process.
pub(crate) fn start(
    release: &Release,
    (kind, name): (&str, &str),
    program: &str,
    addresses: &[(&str, &str)],
    overrides: &[&str],
) -> Program {
    let port = free_port();
    let health = format!("health.address = '127.0.0.1:{port}'");
    let arguments = overrides.iter().copied().chain([&*health]);
    let arguments: Vec<&str> = arguments.flat_map(|toml| ["--config-override", toml]).collect();
    start_at(
        port,
        release,
        (kind, name),
        &of_this_build(program),
        addresses,
        &arguments,
    )
}

/// Starts a program as the one of a workload, and waits until it listens on this port. In its files, addresses that only a
/// cluster has and folders are replaced; all arguments but these are those of the workload.
pub(crate) fn start_at(
    port: u16,
    release: &Release,
    (kind, name): (&str, &str),
    program: &Path,
    addresses: &[(&str, &str)],
    arguments: &[&str],
) -> Program {
    let pod = Pod::of(release, kind, name);
    Program::start(port, |folder| {
        pod.mount(folder);
        let inside = |place: &str| folder.join(place).display().to_string();
        let environment = pod.environment();
        let mut command = Command::new(program);
        for argument in pod.container["args"].as_array().unwrap() {
            let argument = expanded(argument.as_str().unwrap(), &environment);
            let Some((flag, file)) = argument.split_once('/') else {
                command.arg(argument);
                continue;
            };
            let mut text = fs::read_to_string(inside(file)).unwrap();
            for (in_cluster, here) in addresses {
                assert!(text.contains(in_cluster), "no {in_cluster} in {text}");
                text = text.replace(in_cluster, here);
            }
            for place in ["var/lib/alumet", "var/lib/mq", "etc/alumet", "data"] {
                fs::create_dir_all(inside(place)).unwrap();
                text = text.replace(&format!("\"/{place}"), &format!("\"{}", inside(place)));
            }
            fs::write(inside(file), text).unwrap();
            command.arg(format!("{flag}{}", inside(file)));
        }
        command.args(arguments).env_clear().envs(environment);
        command
    })
}

/// Waits until something is so; fails with what the programs say otherwise.
#[track_caller]
pub(crate) fn wait_for(what: &str, said: &dyn Fn() -> String, is_so: impl Fn() -> bool) {
    let late = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < late, "not so after {LONG:?}: {what}\n{}", said());
        std::thread::sleep(Duration::from_millis(200));
    }
}
